//! `alewife send` as a curl: what it sends, what it shows.

use std::io::{Read, Write};

use super::{Ended, KeyFile, alewife, assert_no_secret, first_bytes, run};
use crate::support::{Origin, Received, Sidecar, TestKey};

/// A sidecar before an application, and a client's key file.
struct Scene {
    key: TestKey,
    origin: Origin,
    sidecar: Sidecar,
    keys: KeyFile,
}

impl Scene {
    fn new(algorithm: &str, origin: Origin) -> Self {
        let key = TestKey::new(algorithm);
        let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).start();
        let keys = KeyFile::of(&[&key]);
        Self { key, origin, sidecar, keys }
    }

    fn gcm(origin: Origin) -> Self {
        Self::new("AES-256-GCM", origin)
    }

    fn args(&self, args: &[&str]) -> Vec<String> {
        let keys = self.keys.path();
        let all = ["send", "--keys", &keys].into_iter().chain(args.iter().copied());
        all.map(str::to_owned).chain([format!("{}/orders?a=b%20c", self.sidecar.url())]).collect()
    }

    fn send(&self, args: &[&str]) -> Ended {
        run(self.args(args), b"")
    }

    /// What the application received of one successful request.
    fn received(&self, args: &[&str], input: &[u8]) -> Received {
        run(self.args(args), input).ok();
        self.origin.received().pop().unwrap()
    }
}

#[test]
fn order_is_sealed_and_its_reply_opened_in_every_mode() {
    for algorithm in ["AES-256-GCM", "AES-192-CFB", "AES-128-CFB8", "AES-256-CTR"] {
        let scene = Scene::new(algorithm, Origin::echo());
        let ended = scene.send(&["-d", "two soups"]);
        assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{algorithm}");
        assert_eq!(ended.text(), "two soups", "{algorithm}");
        let received = scene.origin.only();
        assert_eq!(received.request_line, "POST /orders?a=b%20c HTTP/1.1");
        assert_eq!(received.body, b"two soups");
    }
}

#[test]
fn headers_are_curls_unless_they_are_replaced_or_removed() {
    let scene = Scene::gcm(Origin::echo());
    let received = scene.received(&["-d", "a=b", "-d", "c=d"], b"");
    assert_eq!(received.body, b"a=b&c=d");
    assert_eq!(received.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(received.header("accept"), Some("*/*"));
    assert_eq!(received.header("host"), Some(scene.sidecar.address().to_string().as_str()));
    assert!(received.header("user-agent").unwrap().starts_with("alewife/"));

    let own = [
        "-X",
        "PUT",
        "-H",
        "content-type: text/plain",
        "-H",
        "accept:",
        "-H",
        "x-empty;",
        "-H",
        "x-a: 1",
        "-H",
    ];
    let received = scene.received(&[&own[..], &["X-A:2", "-d", "soup"]].concat(), b"");
    assert_eq!(received.method(), "PUT");
    assert_eq!(received.header_all("content-type"), ["text/plain"]);
    assert_eq!((received.header("accept"), received.header("x-empty")), (None, Some("")));
    assert_eq!(received.header_all("x-a"), ["1", "2"]);

    let received = scene.received(&["--json", "{", "--json", "}"], b"");
    assert_eq!(received.body, b"{}");
    assert_eq!(received.header("content-type"), Some("application/json"));
    assert_eq!(received.header("accept"), Some("application/json"));
}

#[test]
fn body_comes_from_a_file_or_standard_input() {
    let scene = Scene::gcm(Origin::echo());
    let file = scene.keys.at("order");
    std::fs::write(&file, b"one\r\ntwo\0\n\xff").unwrap();
    let at_file = format!("@{file}");
    assert_eq!(scene.received(&["-d", &at_file], b"").body, b"onetwo\xff");
    assert_eq!(scene.received(&["--data-binary", &at_file], b"").body, b"one\r\ntwo\0\n\xff");
    assert_eq!(scene.received(&["--data-raw", "@x"], b"").body, b"@x");
    assert_eq!(scene.received(&["-d", "@-"], b"in\nput").body, b"input");
    assert_eq!(scene.received(&["--data-binary", "@-"], b"in\nput").body, b"in\nput");
    assert_eq!(scene.received(&["--json", "@-"], b"{}\n").body, b"{}\n");
}

#[test]
fn request_without_data_is_a_get_without_a_body() {
    let scene = Scene::gcm(Origin::echo());
    let received = scene.received(&[], b"");
    assert_eq!((received.method(), &received.body[..]), ("GET", &b""[..]));
    assert_eq!((received.header("content-length"), received.header("content-type")), (None, None));
    // P4: any other method bears at least a tag.
    let received = scene.received(&["-X", "POST"], b"");
    assert_eq!((received.method(), &received.body[..]), ("POST", &b""[..]));
    assert_eq!(scene.received(&["-d", ""], b"").method(), "POST");
}

#[test]
fn reply_without_a_body_is_no_forgery() {
    let scene = Scene::gcm(Origin::fixed(b"HTTP/1.1 204 No Content\r\nx-a: b\r\n\r\n"));
    let text = String::from_utf8(scene.send(&["-i", "-d", "x"]).ok()).unwrap();
    assert!(text.starts_with("HTTP/1.1 204 No Content\r\n") && text.contains("x-a: b\r\n"), "{text}");
    let scene = Scene::gcm(Origin::fixed(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"));
    let text = String::from_utf8(scene.send(&["-i", "-X", "HEAD"]).ok()).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("\r\n\r\n"), "{text}");
}

#[test]
fn include_shows_the_plain_head() {
    let reply = b"HTTP/1.1 201 Created\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nsoup";
    let scene = Scene::gcm(Origin::fixed(reply));
    let text = String::from_utf8(scene.send(&["-i"]).ok()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<&str> = head.split("\r\n").filter(|line| !line.starts_with("date: ")).collect();
    assert_eq!(lines.remove(0), "HTTP/1.1 201 Created");
    lines.sort_unstable();
    assert_eq!((lines, body), (vec!["content-encoding: gzip", "content-length: 4"], "soup"));
}

#[test]
fn reply_goes_to_the_file_that_is_named() {
    let scene = Scene::gcm(Origin::echo());
    let file = scene.keys.at("reply");
    assert_eq!(scene.send(&["-d", "soup", "-o", &file]).ok(), b"");
    assert_eq!(std::fs::read(file).unwrap(), b"soup");
    assert_eq!(scene.send(&["-d", "soup", "-o", "-"]).ok(), b"soup");
}

#[test]
fn verbose_shows_both_sides_and_no_key() {
    let scene = Scene::gcm(Origin::echo());
    let ended = scene.send(&["-v", "-d", "two soups"]);
    assert_eq!((ended.status, ended.text()), (0, "two soups"));
    let shown = &ended.stderr;
    let key = &scene.key;
    let notes: Vec<&str> = shown.lines().filter_map(|line| line.strip_prefix("* ")).collect();
    let address = scene.sidecar.address();
    assert_eq!(
        notes,
        [
            "the plain request, which stays here:",
            &format!("the sealed request, under {} ({}):", key.fingerprint, key.algorithm),
            &format!("connected to {address} ({address})"),
            "the reply as it came:",
            "the reply as it was opened, its tag verified:",
        ]
    );
    let count = |line: &str| shown.lines().filter(|shown| *shown == line).count();
    assert_eq!(count("> POST /orders?a=b%20c HTTP/1.1"), 2, "{shown}");
    assert_eq!(
        (count("> content-length: 9"), count("> content-length: 25"), count("> two soups")),
        (1, 1, 1)
    );
    assert_eq!((count("< content-length: 9"), count("< content-length: 25")), (1, 1), "{shown}");
    assert_eq!(shown.matches("> sec-iv: ").count(), 1, "{shown}");
    assert_eq!(shown.matches("< sec-iv: ").count(), 1, "{shown}");
    assert_eq!((shown.matches("> 0000  ").count(), shown.matches("< 0010  ").count()), (1, 1), "{shown}");
    assert_no_secret(shown.as_bytes(), key);
}

#[test]
fn offline_prints_both_requests_and_sends_nothing() {
    let scene = Scene::gcm(Origin::echo());
    let ended = scene.send(&["--offline", "-d", "soup"]);
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    assert_eq!(scene.origin.count(), 0);
    let text = ended.text();
    assert!(text.lines().any(|line| line == "> soup"), "{text}");
    assert_no_secret(&ended.stdout, &scene.key);
    // What is shown as sealed is what a sidecar would open.
    let iv = text.lines().find_map(|line| line.strip_prefix("> sec-iv: ")).unwrap();
    let iv = alewife::crypto::encoding::base64_decode(iv.as_bytes()).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("> 00"));
    let hex: String = rows.map(|row| row[4..4 + 47].replace(' ', "")).collect();
    let sealed = alewife::crypto::encoding::hex_decode(hex.as_bytes()).unwrap();
    assert_eq!(scene.key.open_with(&iv, &sealed).unwrap(), b"soup");
}

#[test]
fn neither_curls_configuration_nor_a_proxy_is_used() {
    let scene = Scene::gcm(Origin::echo());
    std::fs::write(scene.keys.at(".curlrc"), "fail\noutput = stray\n").unwrap();
    let mut command = alewife(scene.args(&["-d", "soup"]));
    command.env("HOME", scene.keys.directory()).env("CURL_HOME", scene.keys.directory());
    for name in ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"] {
        command.env(name, "http://127.0.0.1:9");
    }
    assert_eq!(Ended::of(command.spawn().unwrap()).ok(), b"soup");
}

#[test]
fn stream_cipher_is_shown_while_it_comes() {
    let origin = Origin::answering(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")?;
        // The second piece comes when the client has gone, if ever.
        let _ = stream.read(&mut [0]);
        Ok(())
    });
    let scene = Scene::new("AES-256-CTR", origin);
    let mut child = alewife(scene.args(&[])).spawn().unwrap();
    assert_eq!(first_bytes(&mut child, 5), b"first");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn error_of_the_sidecar_is_printed_like_any_other() {
    let scene = Scene::gcm(Origin::echo());
    let stranger = KeyFile::of(&[&TestKey::numbered("AES-256-GCM", 1)]);
    let (keys, url) = (stranger.path(), scene.sidecar.url());
    let send = |args: &[&str]| run([&["send", "--keys", &keys, "-d", "x"], args, &[&url]].concat(), b"");
    let body = r#"{"errorCode":2,"message":"Unable to decrypt payload"}"#;
    let ended = send(&[]);
    let in_clear =
        "alewife send: the reply is an error in clear, which anybody on the way could have written\n";
    assert_eq!((ended.status, ended.text(), ended.stderr.as_str()), (0, body, in_clear));
    let ended = send(&["-s"]);
    assert_eq!((ended.status, ended.text(), ended.stderr.as_str()), (0, body, ""));
    let ended = send(&["-v"]);
    let note = "* an error of the sidecar, in clear: errorCode 2, Unable to decrypt payload\n";
    assert!(ended.stderr.contains(note), "{}", ended.stderr);
    let ended = send(&["-f"]);
    assert_eq!((ended.status, ended.text()), (22, ""));
    assert_eq!(ended.stderr, format!("{in_clear}alewife send: (22) the requested URL returned error: 400\n"));
    assert_eq!(scene.origin.count(), 0);
}
