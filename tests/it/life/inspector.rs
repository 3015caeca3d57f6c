//! The inspector beside `alewife run`: off unless it is asked for, masked, and for looking only.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use alewife::crypto::encoding::base64_decode;
use serde_json::Value;

use crate::support::{Connection, Origin, Reply, Sidecar, SidecarBuilder, TestKey, eventually};

const TABLE: &str = "[inspector]\nlisten = \"127.0.0.1:0\"\nurl_file = \"inspector.url\"\n";
const ORDER: &[u8] = br#"{"dish":"soup","password":"hunter2"}"#;

struct Site {
    sidecar: Sidecar,
    key: TestKey,
    _origin: Origin,
}

impl Site {
    fn with(tables: &str) -> (SidecarBuilder, TestKey, Origin) {
        let (origin, key) = (Origin::echo(), TestKey::new("AES-256-GCM"));
        let builder = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).tables(tables);
        (builder, key, origin)
    }

    fn start() -> Self {
        let (builder, key, origin) = Self::with(TABLE);
        Self { sidecar: builder.start(), key, _origin: origin }
    }

    fn url_file(&self) -> PathBuf {
        self.sidecar.directory().join("inspector.url")
    }

    fn ask(&self, method: &str, path: &str) -> Reply {
        let url = std::fs::read_to_string(self.url_file()).unwrap();
        let (address, token) = url.trim().strip_prefix("http://").unwrap().split_once('/').unwrap();
        let address: SocketAddr = address.parse().unwrap();
        let request =
            format!("{method} /{token}{path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: 0\r\n\r\n");
        Connection::to(address).exchange(request.as_bytes())
    }

    fn json(&self, path: &str) -> Value {
        let reply = self.ask("GET", path);
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        serde_json::from_slice(&reply.body).unwrap()
    }

    fn order(&self, path: &str) {
        let request = self.key.request("POST", path, "content-type: application/json\r\n", ORDER);
        assert_eq!(self.sidecar.connect().exchange(&request).status, 200);
    }
}

#[test]
fn sealed_order_is_shown_without_the_values_of_masked_names_and_its_address_is_in_the_file_alone() {
    let mut site = Site::start();
    site.order("/orders?token=hunter2&table=7");
    eventually("it has ended", || site.json("api/exchanges/1")["state"] == "done");
    let shown = site.json("api/exchanges/1");
    let plain =
        base64_decode(shown["request"]["plain"]["body"]["base64"].as_str().unwrap().as_bytes()).unwrap();
    assert_eq!(plain, br#"{"dish":"soup","password":"[masked]"}"#);
    assert_eq!(shown["target"], "/orders?token=[masked]&table=7");
    assert!(
        !shown.to_string().contains("hunter2") && !site.json("api/exchanges").to_string().contains("hunter2")
    );
    assert_eq!(site.url_file().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let url = std::fs::read_to_string(site.url_file()).unwrap();
    let token = url.trim().trim_end_matches('/').rsplit('/').next().unwrap().to_owned();
    let told = format!("{}{}", site.sidecar.log(), site.sidecar.output());
    assert!(
        told.contains("inspector: its address stands in ") && told.contains("plaintext is kept in memory"),
        "{told}"
    );
    assert!(!told.contains(&token) && !told.contains("hunter2"), "{told}");
    assert!(!site.sidecar.admin_page("/status").1.contains(&token));
    let file = site.url_file();
    assert!(site.sidecar.stop().success());
    assert!(!file.exists());
}

#[test]
fn nothing_is_done_from_it() {
    let site = Site::start();
    site.order("/orders");
    assert_eq!(site.json("api/about")["can_act"], false);
    for (method, path) in [
        ("POST", "api/exchanges/1/repeat"),
        ("POST", "api/exchanges/1/doctor"),
        ("POST", "api/send"),
        ("POST", "api/faults"),
        ("DELETE", "api/faults"),
        ("POST", "api/keys/rotate"),
    ] {
        assert_eq!(site.ask(method, path).status, 403, "{path}");
    }
    assert_eq!(site.ask("GET", "api/faults").status, 200);
}

#[test]
fn proxy_that_comes_with_a_reload_is_told_of_and_its_exchanges_are_shown() {
    let site = Site::start();
    site.sidecar.reconfigure(|text| {
        let proxy = text.split("[[proxy]]").nth(1).unwrap().split("[inspector]").next().unwrap().to_owned();
        format!("{text}\n[[proxy]]{}", proxy.replace("\"kitchen\"", "\"bar\""))
    });
    let names = || -> Vec<String> {
        let about = site.json("api/about");
        about["proxies"]
            .as_array()
            .unwrap()
            .iter()
            .map(|proxy| proxy["name"].as_str().unwrap().to_owned())
            .collect()
    };
    eventually("the proxy is told of", || names() == ["kitchen", "bar"]);
    let status = site.sidecar.status();
    let address =
        status["listeners"][1]["address"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
    let reply = Connection::to(address.parse().unwrap()).exchange(&site.key.bodyless("GET", "/menu", ""));
    assert_eq!(reply.status, 200);
    eventually("its exchange is there", || site.json("api/exchanges")["exchanges"][0]["proxy"] == "bar");
}

#[test]
fn another_table_needs_a_restart_and_says_so() {
    let site = Site::start();
    site.sidecar.reconfigure(|text| text.replace("url_file = \"inspector.url\"", "url_file = \"other.url\""));
    eventually("it is said", || site.sidecar.status()["configuration"]["needs_restart"][0] == "inspector");
    assert_eq!(site.json("api/about")["can_act"], false);
}

#[test]
fn without_the_table_there_is_none() {
    let (builder, key, _origin) = Site::with("");
    let sidecar = builder.start();
    assert_eq!(sidecar.connect().exchange(&key.bodyless("GET", "/", "")).status, 200);
    assert!(!sidecar.output().contains("inspector"), "{}", sidecar.output());
}

#[test]
fn variables_alone_switch_it_on() {
    let (builder, _key, _origin) = Site::with("");
    let sidecar = builder
        .environment("ALEWIFE__INSPECTOR__LISTEN", "127.0.0.1:0")
        .environment("ALEWIFE__INSPECTOR__URL_FILE", "inspector.url")
        .environment("ALEWIFE__INSPECTOR__MASK", "table,*note*")
        .start();
    eventually("its file is there", || sidecar.directory().join("inspector.url").exists());
}

#[test]
fn what_it_cannot_be_is_a_fault_with_its_place() {
    for (lines, fault) in [
        ("listen = \"0.0.0.0:7090\"\nurl_file = \"u\"", "can be reached over a network"),
        ("listen = \"127.0.0.1:0\"", "url_file"),
        ("url_file = \"u\"\nmask = [\"a*b\"]", "is no name"),
        ("url_file = \"u\"\nexchanges = 0", "is not a number of exchanges"),
        ("url_file = \"u\"\nbody = \"much\"", "is not a size"),
        (
            "url_file = \"u\"\nlisten = 9\n[[proxy]]\nname = \"bar\"\nmode = \"inbound\"\nlisten = 9\nupstream = \"http://127.0.0.1:3\"",
            "is taken by the inspector",
        ),
    ] {
        let (builder, _key, _origin) = Site::with(&format!("[inspector]\n{lines}\n"));
        let (status, _, stderr) = builder.run(&["check"]);
        assert_eq!(status, 78, "{lines}: {stderr}");
        assert!(stderr.contains(fault), "{lines}: {stderr}");
    }
}

#[test]
fn port_that_is_taken_and_file_that_cannot_be_written_end_the_start() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let (builder, _key, _origin) = Site::with(&format!("[inspector]\nlisten = {port}\nurl_file = \"u\"\n"));
    let (status, _, stderr) = builder.run_to_end(&[]);
    assert_eq!(status, 1, "{stderr}");
    assert!(
        stderr.contains("the inspector cannot bind") && stderr.contains("`[inspector] listen`"),
        "{stderr}"
    );
    let (builder, _key, _origin) =
        Site::with("[inspector]\nlisten = \"127.0.0.1:0\"\nurl_file = \"nowhere/inspector.url\"\n");
    let (status, _, stderr) = builder.run_to_end(&[]);
    assert_eq!(status, 1, "{stderr}");
    assert!(stderr.contains("url_file") && stderr.contains("cannot be written"), "{stderr}");
}
