//! Nothing secret leaves the process but sealed: not in its log at any level, not on its pages, not in its errors.

use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use alewife::crypto::encoding;

use super::{http2::RawHttp2, split};
use crate::support::{Frame, Opcode, Origin, Sidecar, TestKey, WebSocketOrigin, eventually};

const REQUEST: &str = "planted-in-the-request-7f3a";
const REPLY: &str = "planted-in-the-reply-91bd";
const QUERY: &str = "planted-in-the-query-c04e";
const TOKEN: &str = "planted-in-a-header-5d28";

/// What must not be found, each with what it is.
struct Needles(Vec<(String, Vec<u8>)>);

impl Needles {
    fn new(keys: &[TestKey]) -> Self {
        let planted = [REQUEST, REPLY, QUERY, TOKEN];
        let mut this =
            Self(planted.iter().map(|text| ((*text).to_owned(), text.as_bytes().to_vec())).collect());
        for key in keys {
            this.add(&format!("the secret of {}", key.fingerprint), &key.secret);
        }
        this
    }

    /// Bytes in every form in which they might be written.
    fn add(&mut self, what: &str, bytes: &[u8]) {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let base64 = encoding::base64_encode(bytes);
        let list = format!("{bytes:?}");
        let forms = [
            ("hex", hex.clone()),
            ("upper-case hex", hex.to_uppercase()),
            ("base64", base64.trim_end_matches('=').to_owned()),
            ("URL base64", base64.trim_end_matches('=').replace('+', "-").replace('/', "_")),
            ("a list of numbers", list.trim_matches(['[', ']']).to_owned()),
            ("text", String::from_utf8_lossy(bytes).into_owned()),
        ];
        self.0.extend(forms.map(|(form, text)| (format!("{what} as {form}"), text.into_bytes())));
        self.0.push((what.to_owned(), bytes.to_vec()));
    }

    fn found_in<'n>(&'n self, place: &[u8]) -> Vec<&'n str> {
        let holds = |needle: &[u8]| place.windows(needle.len()).any(|window| window == needle);
        self.0.iter().filter(|(_, needle)| holds(needle)).map(|(what, _)| what.as_str()).collect()
    }
}

fn keys() -> Vec<TestKey> {
    let mut keys: Vec<_> =
        ["AES-256-GCM", "AES-128-CFB", "AES-192-CTR", "AES-256-CFB8"].map(TestKey::new).into();
    keys[0].secret = b"Thirty-two characters of secret!".to_vec();
    keys
}

fn key_file(keys: &[TestKey]) -> String {
    let hex: String = keys[1].secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let utf8 = keys[0].entry().replace(
        &format!("base64:{}", keys[0].secret_base64()),
        &format!("utf8:{}", String::from_utf8_lossy(&keys[0].secret)),
    );
    let hex = keys[1].entry().replace(&format!("base64:{}", keys[1].secret_base64()), &format!("hex:{hex}"));
    [utf8, hex, keys[2].entry(), keys[3].entry()].concat()
}

/// Key files with every kind of fault, each bearing the secrets.
fn broken_files(keys: &[TestKey]) -> Vec<String> {
    let good = key_file(keys);
    let first = &keys[0].entry();
    vec![
        format!("{good}{first}"),
        good.replace("utf8:", "hex:"),
        good.replace("utf8:", "base64:"),
        good.replace("utf8:", ""),
        good.replace("utf8:", "utf8:x"),
        good.replace("utf8:", "rot13:"),
        good.replace("secret = \"utf8:", "secret = \"utf8:\u{e9}"),
        good.replace("secret = ", "secrets = "),
        good.replace("secret = ", "secret "),
        good.replace("AES-256-GCM", "AES-128-GCM"),
        good.replace("fingerprint = ", "fingerprint = 7 #"),
        good.replace("[[key]]", "[[key]"),
        good.replace("!\"", "!"),
        good.replace("!\"", "!\\q\""),
        format!("{good}{}", first.replace("fp-AES-256-GCM-0", "again").replace("AES-256-GCM", "AES-256-CTR")),
        good.replace(
            "secret = \"utf8:Thirty-two characters of secret!\"",
            "secret = [\"Thirty-two characters of secret!\"]",
        ),
        good.replace("fp-AES-256-GCM-0\"", "fp\"\nThirty-two characters of secret! = 1"),
    ]
}

fn application() -> Origin {
    Origin::answering(|received, stream| match received.target().split('?').next().unwrap_or_default() {
        "/reset" => Err(io::ErrorKind::Other.into()),
        "/nonsense" => stream.write_all(format!("{REPLY} is no HTTP\r\n\r\n").as_bytes()),
        "/half" => {
            stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{REPLY}").as_bytes())?;
            Err(io::ErrorKind::Other.into())
        }
        "/never" => io::copy(&mut stream.try_clone()?, &mut io::sink()).map(drop),
        "/chunks" => stream.write_all(
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1b\r\n{REPLY}\r\nzz\r\n\r\n")
                .as_bytes(),
        ),
        _ => stream.write_all(
            format!(
                "HTTP/1.1 200 OK\r\nset-cookie: {REPLY}\r\ncontent-length: {}\r\n\r\n{REPLY}",
                REPLY.len()
            )
            .as_bytes(),
        ),
    })
}

/// Requests of every kind, good and bad; what came back in clear goes to `clear`.
fn exchanges(sidecar: &Sidecar, keys: &[TestKey], needles: &mut Needles, clear: &mut Vec<u8>) {
    let header = format!("authorization: Bearer {TOKEN}\r\n");
    for key in keys {
        for path in ["/", "/reset", "/nonsense", "/half", "/never", "/chunks"] {
            let target = format!("{path}?card={QUERY}");
            let good = key.request("POST", &target, &header, REQUEST.as_bytes());
            note_iv(&good, needles);
            let mut forged = good.clone();
            *forged.last_mut().unwrap() ^= 1;
            let unknown =
                String::from_utf8_lossy(split(&good).0).replace("sec-fingerprint: fp", "sec-fingerprint: no");
            let framing =
                String::from_utf8_lossy(split(&good).0).replace("host:", "transfer-encoding: gzip\r\nhost:");
            let bad_iv = String::from_utf8_lossy(split(&good).0).replace("==\r\n", "=\r\n");
            let twice = String::from_utf8_lossy(split(&good).0).replace("sec-iv", "sec-iv: AAAA\r\nsec-iv");
            let with_body = |head: String| [head.as_bytes(), split(&good).1].concat();
            let heads = [unknown, framing, bad_iv, twice].map(with_body);
            for request in [good.clone(), forged].iter().chain(&heads) {
                let mut connection = sidecar.connect();
                connection.send(request);
                let Ok(reply) = connection.try_reply("POST") else { continue };
                if reply.header("sec-iv").is_none() {
                    clear.extend_from_slice(&reply.body);
                    clear.extend_from_slice(format!("{:?}", reply.headers).as_bytes());
                } else {
                    let iv = encoding::base64_decode(reply.header("sec-iv").unwrap().as_bytes()).unwrap();
                    needles.add("the IV of a reply", &iv);
                }
            }
            // Broken off, and stalled.
            sidecar.connect().send(&good[..good.len() - 5]);
            let mut stalled = sidecar.connect();
            stalled.send(&good[..good.len() - 5]);
            clear.extend_from_slice(&stalled.reply("POST").body);
        }
        let mut http2 = RawHttp2::connect(sidecar.address(), None);
        let iv = key.fresh_iv();
        needles.add("an IV over HTTP/2", &iv);
        http2.head(1, "POST", key, &iv, false);
        http2.data(1, &key.seal_with(&iv, REQUEST.as_bytes()), true);
        http2.body();
    }
}

fn note_iv(request: &[u8], needles: &mut Needles) {
    let head = String::from_utf8_lossy(split(request).0);
    let iv = head.lines().find_map(|line| line.strip_prefix("sec-iv: ")).unwrap();
    needles.add("the IV of a request", &encoding::base64_decode(iv.as_bytes()).unwrap());
}

#[test]
fn no_output_bears_a_secret_an_iv_or_plaintext() {
    let (keys, origin) = (keys(), application());
    let mut needles = Needles::new(&keys);
    for format in ["json", "text"] {
        let mut sidecar = Sidecar::inbound()
            .key_file(&key_file(&keys))
            .upstream(origin.address())
            .log(&format!("level = \"trace\"\nformat = \"{format}\""))
            .environment("RUST_LOG", "trace")
            .environment("RUST_BACKTRACE", "1")
            .proxy("required_headers = [\"host\"]\ntimeouts = { body = \"100ms\", reply = \"100ms\" }")
            .start();
        let mut clear = Vec::new();
        exchanges(&sidecar, &keys, &mut needles, &mut clear);
        for (count, broken) in broken_files(&keys).iter().enumerate() {
            let fresh = sidecar.directory().join("fresh.toml");
            std::fs::write(&fresh, broken).unwrap();
            std::fs::rename(&fresh, sidecar.key_file()).unwrap();
            sidecar.signal("HUP");
            eventually(&format!("broken file {count} is counted:\n{broken}"), || {
                sidecar.metric("alewife_key_reload_failures_total{keyset=\"default\"}") as usize > count
            });
        }
        for page in ["/metrics", "/status", "/readyz?verbose", "/livez", "/none"] {
            clear.extend_from_slice(sidecar.admin_page(page).1.as_bytes());
        }
        assert_eq!(sidecar.stop().code(), Some(0));
        let places = [
            ("log", sidecar.log()),
            ("output", sidecar.output()),
            ("clear replies", String::from_utf8_lossy(&clear).into_owned()),
        ];
        assert!(places[0].1.matches("exchange").count() > 100, "the log is there");
        for (place, text) in &places {
            assert_eq!(needles.found_in(text.as_bytes()), Vec::<&str>::new(), "in the {place}");
        }
    }
}

#[test]
fn a_check_of_broken_files_tells_no_secret() {
    let keys = keys();
    let needles = Needles::new(&keys);
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("config.toml");
    let text = "[keys]\nfile = \"keys.toml\"\n[[proxy]]\nname = \"kitchen\"\nmode = \"inbound\"\nlisten = 0\n\
                upstream = \"http://127.0.0.1:9\"\n";
    std::fs::write(&config, text).unwrap();
    for broken in broken_files(&keys) {
        std::fs::write(directory.path().join("keys.toml"), &broken).unwrap();
        for command in ["check", "run"] {
            let output = Command::new(env!("CARGO_BIN_EXE_alewife"))
                .args([command, "--config"])
                .arg(&config)
                .output()
                .unwrap();
            assert_eq!(output.status.code(), Some(78), "{command} of\n{broken}");
            let said = [output.stdout, output.stderr].concat();
            assert_eq!(needles.found_in(&said), Vec::<&str>::new(), "{}", String::from_utf8_lossy(&said));
        }
    }
}

/// Both sides of a bridge to `upstream`, which say all that they can.
fn talkative_bridge(keys: &[TestKey], upstream: SocketAddr) -> [Sidecar; 2] {
    let trace = "level = \"trace\"";
    let inbound = Sidecar::inbound().key_file(&key_file(keys)).log(trace).upstream(upstream).start();
    let outbound =
        Sidecar::outbound().key_file(&key_file(keys)).log(trace).upstream(inbound.address()).start();
    [outbound, inbound]
}

#[test]
fn nothing_secret_is_in_the_logs_of_a_bridge_at_their_most_talkative() {
    let keys = keys();
    let needles = Needles::new(&keys);
    let (kitchen, echo) = (application(), WebSocketOrigin::echo());
    let [orders, talk] =
        [kitchen.address(), echo.address()].map(|upstream| talkative_bridge(&keys, upstream));
    for target in ["/", "/reset", "/nonsense", "/half", "/chunks"] {
        let mut client = orders[0].connect();
        let length = REQUEST.len();
        client.send(
            format!(
                "POST {target}?{QUERY} HTTP/1.1\r\nhost: kitchen\r\nauthorization: {TOKEN}\r\n\
                 content-length: {length}\r\nconnection: close\r\n\r\n{REQUEST}"
            )
            .as_bytes(),
        );
        let _ = io::copy(&mut client.stream, &mut io::sink());
    }
    let handshake = format!(
        "GET /talk?{QUERY} HTTP/1.1\r\nhost: kitchen\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         authorization: {TOKEN}\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    // The last frame is no UTF-8, and has both sides say why they end the session.
    let said = [
        Frame::new(Opcode::Text, REQUEST),
        Frame::new(Opcode::Binary, REPLY),
        Frame::new(Opcode::Text, [REQUEST.as_bytes(), b"\xff"].concat()),
    ];
    let mut client = talk[0].connect();
    client.send(handshake.as_bytes());
    assert!(client.read_head().unwrap().starts_with(b"HTTP/1.1 101 "));
    for frame in said {
        client.send_frame(&frame.masked());
    }
    let _ = io::copy(&mut client.stream, &mut io::sink());
    for sidecar in orders.iter().chain(&talk) {
        eventually("the log has the end of an exchange", || sidecar.log().contains("alewife::access"));
        let log = sidecar.log();
        assert_eq!(needles.found_in(log.as_bytes()), Vec::<&str>::new(), "{log}");
    }
}

#[test]
fn the_search_finds_what_is_planted_in_each_form() {
    let keys = keys();
    let needles = Needles::new(&keys);
    for (what, needle) in &needles.0 {
        let haystack = [b"some text before ", needle.as_slice(), b" and after"].concat();
        assert!(needles.found_in(&haystack).contains(&what.as_str()), "{what}");
    }
    assert_eq!(needles.found_in(b"nothing of the kind"), Vec::<&str>::new());
}

/// A shell script in `directory` that may leave core dumps of any size.
fn with_core_dumps(directory: &Path, script: &str) -> Child {
    let script = format!("ulimit -c unlimited 2>/dev/null; {script}");
    let mut command = Command::new("sh");
    command
        .args(["-c", &script])
        .current_dir(directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn the_process_leaves_no_core_dump() {
    let directory = tempfile::tempdir().unwrap();
    if !with_core_dumps(directory.path(), "kill -s ABRT $$").wait().unwrap().core_dumped() {
        println!(
            "nothing leaves core dumps on this machine: that the sidecar leaves none shows nothing here"
        );
    }
    let text = "[keys]\nfile = \"keys.toml\"\n[admin]\nlisten = \"off\"\n[[proxy]]\nname = \"kitchen\"\n\
                mode = \"inbound\"\nlisten = 0\nupstream = \"http://127.0.0.1:9\"\n";
    std::fs::write(directory.path().join("config.toml"), text).unwrap();
    std::fs::write(directory.path().join("keys.toml"), TestKey::new("AES-256-GCM").entry()).unwrap();
    let run = format!("exec '{}' run --config config.toml", env!("CARGO_BIN_EXE_alewife"));
    let mut sidecar = with_core_dumps(directory.path(), &run);
    let mut ready = String::new();
    BufReader::new(sidecar.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    assert!(ready.starts_with("proxy kitchen"), "{ready}");
    let process = sidecar.id().to_string();
    // For another user than root it shows here, too: what may not be dumped belongs to root.
    assert_eq!(std::fs::metadata(format!("/proc/{process}/mem")).unwrap().uid(), 0);
    assert!(Command::new("kill").args(["-s", "ABRT", &process]).status().unwrap().success());
    let status = sidecar.wait().unwrap();
    assert_eq!(status.signal(), Some(6));
    assert!(!status.core_dumped());
}
