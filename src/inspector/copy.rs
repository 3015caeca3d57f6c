//! A captured request as one line for a POSIX shell.

use std::fmt::Write as _;

use super::act::X_REQUEST_ID;
use super::answer::Fault;
use super::state::{ProxyAbout, Serving};
use super::transfer::reachable;
use crate::capture::{Captured, Direction, Half, Head, Kind};
use crate::crypto::encoding;
use crate::profile::StreamProfile;

/// Bytes of a body that stand in the line as they are: a system takes no argument of any length.
const LONGEST_ARGUMENT: usize = 64 * 1024;

/// The profile that `alewife send` seals as.
const SPOKEN: &str = "ale";

/// What the tools set themselves, or the proxy has added.
const LEFT_OUT: [&str; 15] = [
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];

/// The line that `query` asks for: `as=send` or `as=curl`.
pub(super) fn line(serving: &Serving, id: u64, query: &str) -> Result<String, Fault> {
    let captured = serving.shown(id).ok_or_else(Fault::no_exchange)?;
    let proxy = serving.proxy(&captured.summary.proxy);
    let proxy = proxy.ok_or_else(|| Fault::conflict("no proxy has this name any more"))?;
    let tool = match query.split('&').find_map(|pair| pair.strip_prefix("as=")) {
        Some("send") => Tool::Send,
        Some("curl") => Tool::Curl,
        _ => return Err(Fault::bad("write ?as=send or ?as=curl")),
    };
    if tool == Tool::Send && proxy.profile != SPOKEN {
        let why =
            format!("`alewife send` speaks the profile {SPOKEN} only, and this proxy has {}", proxy.profile);
        return Err(Fault::conflict(why));
    }
    if captured.summary.kind == Kind::WebSocket {
        return session(tool, &proxy, &captured);
    }
    let side = captured.summary.direction.plain();
    let head = captured.head(Half::Request, side);
    let head = head.ok_or_else(|| Fault::conflict("its plaintext is not known"))?;
    let body = captured.body(Half::Request, side);
    if let Some(why) = body.withheld {
        return Err(Fault::conflict(format!("its body is not shown: {why}")));
    }
    if !body.is_whole() {
        return Err(Fault::conflict("its body was not kept whole"));
    }
    Ok(written(tool, &proxy, &captured, head, &body.kept))
}

/// A session of its own to the same place, in which each line is a message.
fn session(tool: Tool, proxy: &ProxyAbout, captured: &Captured) -> Result<String, Fault> {
    if tool == Tool::Curl {
        return Err(Fault::conflict("curl has no line for a WebSocket"));
    }
    let keys = proxy.key_file.as_deref().unwrap_or("keys.toml");
    let url = url(tool, proxy, captured);
    let url = url.strip_prefix("http://").map_or(url.clone(), |rest| format!("ws://{rest}"));
    Ok(format!("alewife send --keys {} {}\n", quoted(keys), quoted(&url)))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tool {
    Curl,
    Send,
}

fn written(tool: Tool, proxy: &ProxyAbout, captured: &Captured, head: &Head, body: &[u8]) -> String {
    let mut line = match tool {
        Tool::Curl => "curl -sS -i -g --path-as-is".to_owned(),
        Tool::Send => {
            let keys = proxy.key_file.as_deref().unwrap_or("keys.toml");
            format!("alewife send --keys {}", quoted(keys))
        }
    };
    let method = &captured.summary.method;
    match (tool, method.as_str()) {
        (Tool::Curl, "HEAD") => line += " --head",
        _ => line = format!("{line} -X {}", quoted(method)),
    }
    let names = captured.names.as_ref();
    let is_envelope = |name: &str| {
        names.is_some_and(|names| name == names.iv || name == names.fingerprint)
            || name == StreamProfile::CONTENT_ENCODING
    };
    for (name, value) in &head.fields {
        if LEFT_OUT.contains(&name.as_str()) || name == X_REQUEST_ID.as_str() || is_envelope(name) {
            continue;
        }
        let header = if value.is_empty() { format!("{name};") } else { format!("{name}: {value}") };
        let _ = write!(line, " -H {}", quoted(&header));
    }
    let mut before = String::new();
    if !body.is_empty() {
        if !head.fields.iter().any(|(name, _)| name == "content-type") {
            line += " -H 'content-type:'";
        }
        match argument(body) {
            Some(text) => line = format!("{line} --data-raw {}", quoted(text)),
            None => {
                before = format!("printf %s '{}' | base64 -d | ", encoding::base64_encode(body));
                line += " --data-binary @-";
            }
        }
    }
    format!("{before}{line} {}\n", quoted(&url(tool, proxy, captured)))
}

/// The body as an argument, if it is a text without anything that a terminal may take otherwise.
fn argument(body: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(body).ok()?;
    (body.len() <= LONGEST_ARGUMENT && !text.chars().any(is_hidden)).then_some(text)
}

/// Who is to be asked: the sealed side by `alewife send`, the plain one by curl.
fn url(tool: Tool, proxy: &ProxyAbout, captured: &Captured) -> String {
    let target = &captured.summary.target;
    let target = match target.strip_prefix("http://") {
        Some(absolute) => absolute.find('/').map_or("/", |at| &absolute[at..]),
        None => target.as_str(),
    };
    let is_proxy = (tool == Tool::Send) == (proxy.mode == Direction::Inbound);
    let base = if is_proxy {
        let address = proxy.reach.map(|address| reachable(address).to_string());
        format!("http://{}", address.as_deref().unwrap_or(&proxy.address))
    } else {
        proxy.upstream.trim_end_matches('/').to_owned()
    };
    format!("{base}{target}")
}

/// One word of a POSIX shell that stands for `text`.
fn quoted(text: &str) -> String {
    if !text.chars().any(is_hidden) {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    // Even `-` is escaped: printf may take what begins with it for an option.
    let mut word = "\"$(printf '".to_owned();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b' ' | b'.' | b'/' | b':' | b';' | b'=' | b'_' => {
                word.push(char::from(byte));
            }
            // Writing to a string does not fail.
            _ => drop(write!(word, "\\{byte:03o}")),
        }
    }
    word + "')\""
}

/// Whether a terminal may do something else with it than show it.
fn is_hidden(character: char) -> bool {
    character.is_control() || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    /// The words that a shell makes of a line.
    fn words(line: &str) -> Vec<Vec<u8>> {
        let script = format!("set -- {line}\nfor word; do printf '%s\\000' \"$word\"; done");
        let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
        assert!(output.status.success());
        let mut words: Vec<_> = output.stdout.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
        words.pop();
        words
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn shell_takes_any_text_of_a_line_as_one_word(text in "[^\\x00\n]{1,40}") {
            let word = quoted(&text);
            prop_assert!(!word.chars().any(is_hidden), "{}", word);
            prop_assert_eq!(words(&word), vec![text.into_bytes()]);
        }
    }

    #[test]
    fn shell_does_nothing_of_what_a_peer_wrote() {
        for text in [
            "-n\u{7}",
            "$(id)",
            "`id`",
            "a'b",
            "'; id; '",
            "\\",
            "\"$HOME\"",
            "%s",
            "\u{1b}[2J%d$(id)'",
            "!!",
        ] {
            assert_eq!(words(&quoted(text)), [text.as_bytes()], "{text:?}");
        }
    }
}
