//! Reports as people and as scripts read them.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::judge::Far;
use super::{PingFault, Report, Times};

/// For people.
pub(super) fn text(reports: &[Report]) -> String {
    let mut text = String::new();
    for report in reports {
        describe(&mut text, report);
    }
    text
}

fn describe(text: &mut String, report: &Report) {
    let Report { proxy, near, upstream, http, websocket, far, findings } = report;
    // Writing to a string does not fail.
    let _ = writeln!(text, "proxy {proxy}: {} -> {upstream}", near.url(false));
    describe_leg(text, "http", http);
    if let Some(websocket) = websocket {
        describe_leg(text, "websocket", websocket);
    }
    if let Some(Far { report, clock }) = far {
        let (name, version) = (printable(&report.proxy), printable(&report.alewife));
        let _ = writeln!(text, "  far side: proxy {name}, alewife {version}");
        let (key, algorithm) = (printable(&report.fingerprint), printable(&report.algorithm));
        let _ = writeln!(text, "  key: {key} ({algorithm})");
        let replies = if report.seals_replies { "sealed" } else { "plain, so nothing was echoed" };
        let _ = writeln!(text, "  wire format: an IV of {} bytes, replies {replies}", report.iv_bytes);
        if let Some(clock) = clock {
            let _ = writeln!(text, "  clocks: {} ms apart", clock.unsigned_abs().as_millis());
        }
    }
    for finding in findings {
        let _ = writeln!(text, "  differs: {}\n    remedy: {}", finding.problem, finding.remedy);
    }
    text.push_str(if report.is_well() { "  all is well\n" } else { "  not well\n" });
}

fn describe_leg(text: &mut String, kind: &str, leg: &Result<Times, PingFault>) {
    let _ = match leg {
        Ok(times) => writeln!(
            text,
            "  {kind}: {} of {} came back, in {:.1} ms at least, {:.1} ms in the middle, {:.1} ms at most",
            times.count(),
            times.count(),
            ms(times.shortest()),
            ms(times.median()),
            ms(times.longest())
        ),
        Err(fault) => writeln!(text, "  {kind}: {fault}\n    remedy: {}", fault.remedy()),
    };
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// A peer's text, fit for a terminal.
fn printable(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(255).collect()
}

/// For scripts: a list with an object for each proxy.
pub(super) fn json(reports: &[Report]) -> String {
    let list: Vec<Value> = reports.iter().map(object).collect();
    format!("{:#}\n", Value::from(list))
}

fn object(report: &Report) -> Value {
    let far = report.far.as_ref().map(|Far { report, clock }| {
        json!({
            "alewife": report.alewife,
            "proxy": report.proxy,
            "fingerprint": report.fingerprint,
            "algorithm": report.algorithm,
            "ivBytes": report.iv_bytes,
            "sealsReplies": report.seals_replies,
            "clockAheadMs": clock.map(|clock| clock.as_millis() as i64),
        })
    });
    let findings = report.findings.iter();
    let differs = findings.map(|finding| json!({ "problem": finding.problem, "remedy": finding.remedy }));
    json!({
        "proxy": *report.proxy,
        "near": report.near.to_string(),
        "upstream": report.upstream,
        "well": report.is_well(),
        "http": leg(&report.http),
        "websocket": report.websocket.as_ref().map(leg),
        "far": far,
        "differs": differs.collect::<Vec<_>>(),
    })
}

fn leg(leg: &Result<Times, PingFault>) -> Value {
    match leg {
        Ok(times) => json!({
            "count": times.count(),
            "minMs": ms(times.shortest()),
            "medianMs": ms(times.median()),
            "maxMs": ms(times.longest()),
        }),
        Err(fault) => json!({ "problem": fault.to_string(), "remedy": fault.remedy() }),
    }
}
