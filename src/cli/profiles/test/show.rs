//! A request before and after, line by line and value by value.

use http::header::{CONTENT_TYPE, HeaderMap};
use http::request::Parts;

use super::super::super::hexdump;
use crate::payload::form;
use crate::payload::json::{Json, Kind, unescape};

/// Rows of a hex dump.
const ROWS: usize = 64;

/// A request as lines of text.
pub(super) fn lines(head: &Parts, body: &[u8]) -> Vec<String> {
    let mut lines = vec![format!("{} {} HTTP/1.1", head.method, target(head))];
    let headers = head.headers.iter();
    lines.extend(
        headers.map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))),
    );
    lines.push(String::new());
    match std::str::from_utf8(body).ok().filter(|text| !text.contains(is_obeyed)) {
        Some(text) => lines.extend(text.lines().map(str::to_owned)),
        None => lines.extend(hexdump::excerpt(body, ROWS)),
    }
    lines.into_iter().map(|line| harmless(&line)).collect()
}

/// What a terminal would do something at, in a body.
fn is_obeyed(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\r' | '\t')
}

fn harmless(text: &str) -> String {
    text.replace(|c: char| c.is_control() && c != '\t', "\u{fffd}")
}

fn target(head: &Parts) -> &str {
    head.uri.path_and_query().map_or("/", |target| target.as_str())
}

/// `lines`, each behind `mark` unless the other side has it as well.
pub(super) fn marked(lines: &[String], other: &[String], mark: char) -> String {
    let line = |line: &String| {
        let mark = if other.contains(line) { ' ' } else { mark };
        format!("{mark} {line}").trim_end().to_owned() + "\n"
    };
    lines.iter().map(line).collect()
}

/// A value of a request: its name as a profile selects it, and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) name: String,
    /// Which of several of that name, from 0 on.
    pub(super) nth: usize,
    pub(super) text: String,
}

/// Every value of a request: of its query and headers, and of its body as far as that is a form or JSON.
pub(super) fn values(head: &Parts, body: &[u8]) -> Vec<Named> {
    let mut values = Vec::new();
    pairs("query", head.uri.query().unwrap_or_default().as_bytes(), &mut values);
    for (name, value) in &head.headers {
        add(format!("header:{name}"), String::from_utf8_lossy(value.as_bytes()).into_owned(), &mut values);
    }
    if is_form(&head.headers) {
        pairs("form", body, &mut values);
    } else if let Some(json) = Json::parse(body).ok().filter(|json| json.leaves().next().is_some()) {
        for leaf in json.leaves() {
            let token = &body[leaf.span.clone()];
            let text = if leaf.kind == Kind::String { unescape(token).to_vec() } else { token.to_vec() };
            add(format!("json:{}", leaf.pointer()), text_of(&text), &mut values);
        }
    } else if !body.is_empty() {
        add("body".to_owned(), text_of(body), &mut values);
    }
    values
}

fn is_form(headers: &HeaderMap) -> bool {
    let media = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    media
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn pairs(kind: &str, text: &[u8], values: &mut Vec<Named>) {
    for pair in form::pairs(text) {
        let raw = pair.value.clone().map_or(&b""[..], |span| &text[span]);
        let value = form::decode(raw).map_or_else(|| raw.to_vec(), |value| value.to_vec());
        add(format!("{kind}:{}", String::from_utf8_lossy(&pair.name())), text_of(&value), values);
    }
}

/// Bytes as text, or in hex where they are none, so that what differs looks different.
fn text_of(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes)
        .map_or_else(|_| format!("0x{}", crate::crypto::encoding::hex_encode(bytes)), str::to_owned)
}

fn add(name: String, text: String, values: &mut Vec<Named>) {
    let nth = values.iter().filter(|value| value.name == name).count();
    values.push(Named { name, nth, text });
}

/// What became of each value that is not the same, a line each.
pub(super) fn changes(before: &[Named], after: &[Named]) -> Vec<String> {
    let same = |one: &Named, other: &Named| one.name == other.name && one.nth == other.nth;
    let shown = |named: &Named| format!("{:?}", shortened(&named.text));
    let mut lines = Vec::new();
    for value in before {
        match after.iter().find(|other| same(value, other)) {
            Some(other) if other.text == value.text => {}
            Some(other) => {
                lines.push(format!("{}: {} -> {}", harmless(&value.name), shown(value), shown(other)))
            }
            None => lines.push(format!("{}: {} is gone", harmless(&value.name), shown(value))),
        }
    }
    for value in after.iter().filter(|value| !before.iter().any(|other| same(value, other))) {
        lines.push(format!("{}: {} is new", harmless(&value.name), shown(value)));
    }
    lines
}

fn shortened(text: &str) -> String {
    const LONGEST: usize = 100;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(target: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().method("POST").uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn texts(head: &Parts, body: &[u8]) -> Vec<String> {
        values(head, body).into_iter().map(|named| format!("{}={}", named.name, named.text)).collect()
    }

    #[test]
    fn values_are_named_as_a_profile_selects_them() {
        let form =
            head("/p?a=1%20+2&a=&b", &[("content-type", "application/x-www-form-urlencoded; charset=utf-8")]);
        assert_eq!(
            texts(&form, b"c=%ff&d=%zz"),
            [
                "query:a=1  2",
                "query:a=",
                "query:b=",
                "header:content-type=application/x-www-form-urlencoded; charset=utf-8",
                "form:c=0xff",
                "form:d=%zz"
            ]
        );
        let json = head("/", &[]);
        assert_eq!(
            texts(&json, br#"{"a":["x\n",1.0],"b":null}"#),
            ["json:/a/0=x\n", "json:/a/1=1.0", "json:/b=null"]
        );
        assert_eq!(texts(&json, b"{}"), ["body={}"]);
        assert_eq!(texts(&json, b"\xff"), ["body=0xff"]);
        assert_eq!(texts(&json, b""), Vec::<String>::new());
    }

    #[test]
    fn each_value_that_differs_is_told_and_no_other() {
        let before = values(&head("/?a=1&a=2&b=3&same=4", &[("x-iv", "i")]), b"");
        let after = values(&head("/?a=1&a=5&same=4&c=6", &[]), b"");
        assert_eq!(
            changes(&before, &after),
            [
                r#"query:a: "2" -> "5""#,
                r#"query:b: "3" is gone"#,
                r#"header:x-iv: "i" is gone"#,
                r#"query:c: "6" is new"#
            ]
        );
        assert!(changes(&before, &before).is_empty());
    }

    #[test]
    fn nothing_that_a_terminal_obeys_is_written() {
        let head = head("/", &[]);
        let body = b"{\"a\":\"\\u001b[31m\"}\n\x1b[2J";
        let shown = lines(&head, body).join("\n")
            + &changes(&[], &values(&head, br#"{"a\u001b":"\u001b[31m"}"#)).join("\n");
        assert!(!shown.contains('\x1b'), "{shown}");
        assert_eq!(lines(&head, "a\tü\r\nb".as_bytes())[2..], ["a\tü", "b"]);
    }

    #[test]
    fn lines_that_one_side_has_alone_are_marked() {
        let [before, after] = [["a", "", "b"], ["a", "", "c"]].map(|lines| lines.map(str::to_owned));
        assert_eq!(marked(&before, &after, '-'), "  a\n\n- b\n");
        assert_eq!(marked(&after, &before, '+'), "  a\n\n+ c\n");
    }
}
