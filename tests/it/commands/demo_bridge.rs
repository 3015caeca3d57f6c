//! `alewife demo --bridge`, and the lines that it has people copy.

use super::Ended;
use super::demo::{Demo, ORDER, RECEIPT, have, longest, once, panel, paste};

const TITLES: [&str; 7] = [
    "┌─ 1 What the point of sale sent",
    "┌─ 2 What was heard on the line between the sidecars",
    "┌─ 3 What the kitchen saw",
    "┌─ 4 What was heard of the answer on the line",
    "┌─ 5 What the point of sale got",
    "┌─ 6 A WebSocket: what was said",
    "┌─ 7 What was heard of it on the line",
];

const WISH: &str = "table 7 would like the bill";

fn shown() -> Ended {
    let (ended, directory) = once(&["--bridge"], &[]);
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{}", ended.text());
    assert_eq!(directory.path().read_dir().unwrap().count(), 0, "the temporary directory is left behind");
    ended
}

#[test]
fn bridge_shows_an_order_from_end_to_end_and_what_was_heard_in_between() {
    let ended = shown();
    let text = ended.text();
    let sent = panel(text, TITLES[0]);
    assert_eq!((sent[0], *sent.last().unwrap()), ("POST /orders HTTP/1.1", ORDER));
    let heard = panel(text, TITLES[1]);
    assert_eq!(heard[0], "POST /orders HTTP/1.1");
    assert!(heard.contains(&"sec-fingerprint: demo-gcm"), "{text}");
    assert!(!heard.concat().contains("soup"), "{text}");
    let seen = panel(text, TITLES[2]);
    assert_eq!((seen[0], *seen.last().unwrap()), ("POST /orders HTTP/1.1", ORDER));
    assert!(!seen.iter().any(|line| line.starts_with("sec-") || line.starts_with("x-forwarded")), "{text}");
    let host =
        |lines: &[&str]| lines.iter().find(|line| line.starts_with("host: ")).map(|line| line.to_string());
    assert!(host(&seen).is_some());
    assert_eq!(host(&seen), host(&sent));
    let heard = panel(text, TITLES[3]);
    assert!(heard.iter().any(|line| line.starts_with("sec-iv: ")), "{text}");
    assert!(!heard.concat().contains("cooking"), "{text}");
    let got = panel(text, TITLES[4]);
    assert_eq!((got[0], *got.last().unwrap()), ("HTTP/1.1 201 Created", RECEIPT));
}

#[test]
fn bridge_shows_a_websocket_and_what_was_heard_of_it() {
    let ended = shown();
    let text = ended.text();
    let said = panel(text, TITLES[5]);
    let answer = format!(r#"{{"kitchen":"at once","wish":"{WISH}"}}"#);
    assert_eq!(
        said,
        [
            &format!("point of sale: {WISH}"),
            &format!("kitchen heard: {WISH}"),
            &format!("kitchen: {answer}"),
            &format!("point of sale heard: {answer}"),
        ]
    );
    let heard = panel(text, TITLES[6]);
    assert_eq!(heard[0], "GET /talk HTTP/1.1");
    let messages: Vec<_> = heard.iter().filter(|line| line.starts_with(['▶', '◀'])).collect();
    assert_eq!(messages.len(), 2, "{text}");
    assert!(messages[0].starts_with("▶ {\"iv\":\"") && messages[1].starts_with("◀ {\"iv\":\""), "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("✓ ")).count(), 7, "{text}");
    assert!(!text.contains('✗'), "{text}");
}

#[test]
fn bridge_shows_no_key() {
    let ended = shown();
    // What is sealed is in base64 on the line, and shown in part: as hex, keys have 64 digits.
    assert!(longest(ended.text(), |c| c.is_ascii_hexdigit()) < 40, "{}", ended.text());
    assert!(!ended.text().contains("keys.toml"), "{}", ended.text());
}

#[test]
fn lines_of_the_bridge_work_as_they_are_pasted() {
    let mut demo = Demo::start(&["--bridge"]);
    let home = tempfile::tempdir().unwrap();
    if have(&["bash"]) {
        let (status, stdout, stderr) = paste(demo.line_with(" ping --config "), home.path());
        assert_eq!((status, stderr.as_str()), (Some(0), ""), "{stdout}");
        assert!(stdout.ends_with("  all is well\n"), "{stdout}");
    }
    if have(&["bash", "curl"]) {
        let (status, stdout, stderr) = paste(demo.line_with("curl -s "), home.path());
        assert_eq!((status, stderr.as_str()), (Some(0), ""));
        assert_eq!(stdout, r#"{"order":{"dish":"ramen","table":3},"receipt":2,"status":"cooking"}"#);
        let told = demo.read_line();
        assert_eq!(told, "kitchen: POST /orders {\"table\":3,\"dish\":\"ramen\"} -> 201\n");
    }
    demo.stop("INT");
}
