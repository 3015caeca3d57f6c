//! The five panels of the demo, and how they look.

use std::fmt::Write;

use http::HeaderMap;

use super::super::hexdump;
use super::super::paint::Paint;
use super::tour::Tour;
use super::wire::Message;

/// Rows of a hex dump.
const ROWS: usize = 4;

/// The whole tour as text.
pub(super) fn render(tour: &Tour, paint: Paint) -> String {
    let seen = &tour.seen;
    let request = format!("{} {} HTTP/1.1", seen.method, seen.target);
    let answer = format!("HTTP/1.1 {}", seen.status);
    let panels: [(&str, Vec<String>); 5] = [
        ("What went over the wire: the sealed order", sealed(&tour.sent, paint)),
        ("What the application saw", plain(&request, &seen.headers, &seen.body, paint)),
        ("What it answered", plain(&answer, &seen.answer_headers, &seen.answer, paint)),
        ("What went back over the wire: the sealed reply", sealed(&tour.replied, paint)),
        ("What the client opened", {
            hexdump::readable(&tour.opened, ROWS).iter().map(|line| paint.plain(line)).collect()
        }),
    ];
    numbered(&panels, paint)
}

/// Panels one below the other.
pub(super) fn numbered(panels: &[(&str, Vec<String>)], paint: Paint) -> String {
    let mut text = String::new();
    for (number, (title, lines)) in panels.iter().enumerate() {
        push_panel(&mut text, &paint.title(&format!("{} {title}", number + 1)), lines, paint);
    }
    text
}

/// Which steps held.
pub(super) fn verdict(checks: &[(&str, bool)], paint: Paint) -> String {
    let mut text = String::new();
    for &(claim, held) in checks {
        let mark = if held { paint.plain("✓") } else { paint.failed("✗ not so:") };
        // Writing to a string does not fail.
        let _ = writeln!(text, "{mark} {claim}");
    }
    text
}

fn push_panel(text: &mut String, title: &str, lines: &[String], paint: Paint) {
    let _ = writeln!(text, "{} {title}", paint.aside("┌─"));
    for line in lines {
        let _ = writeln!(text, "{} {line}", paint.aside("│"));
    }
    let _ = writeln!(text, "{}\n", paint.aside("└─"));
}

/// A message of which only its head can be read.
pub(super) fn sealed(message: &Message, paint: Paint) -> Vec<String> {
    let mut lines: Vec<String> = message.head.lines().map(str::to_owned).collect();
    lines.push(String::new());
    lines.extend(hexdump::excerpt(&message.body, ROWS).iter().map(|line| paint.sealed(line)));
    lines
}

/// A message in clear.
pub(super) fn plain(first: &str, headers: &HeaderMap, body: &[u8], paint: Paint) -> Vec<String> {
    let mut lines = vec![first.to_owned()];
    let fields = headers.iter();
    lines
        .extend(fields.map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))));
    lines.push(String::new());
    lines.extend(hexdump::readable(body, ROWS).iter().map(|line| paint.plain(line)));
    lines
}
