//! HTTP: each client sends its sealed order through the sidecar to a plain application and opens the sealed reply.

use std::io::Write as _;

use alewife::crypto::Algorithm;

use crate::support::{Origin, Outcome, Program, Received, Sidecar, TestKey, run};

const EVERY_MODE: &[&str] = &["GCM", "CFB", "CFB8", "CTR"];
const WITHOUT_GCM: &[&str] = &["CFB", "CFB8", "CTR"];

const NODE: Client = Client {
    program: Program {
        needs: "Node 18 or newer (`node`)",
        program: "node",
        file: "examples/clients/node.mjs",
        probe: &["-e", "process.exit(Number(process.versions.node.split('.')[0]) >= 18 ? 0 : 1)"],
    },
    modes: EVERY_MODE,
};
const PYTHON: Client = Client {
    program: Program {
        needs: "Python 3 with the package `cryptography` (`python3`)",
        program: "python3",
        file: "examples/clients/python.py",
        probe: &["-c", "import cryptography.hazmat.primitives.ciphers.aead"],
    },
    modes: EVERY_MODE,
};
const JAVA: Client = Client {
    program: Program {
        needs: "a JDK, 17 or newer (`java`)",
        program: "java",
        file: "examples/clients/AleClient.java",
        probe: &["--describe-module", "jdk.compiler"],
    },
    modes: EVERY_MODE,
};
const PHP: Client = Client {
    program: Program {
        needs: "PHP 8.1 or newer with `openssl` (`php`)",
        program: "php",
        file: "examples/clients/php.php",
        probe: &["-r", "exit(PHP_VERSION_ID >= 80100 && extension_loaded('openssl') ? 0 : 1);"],
    },
    modes: EVERY_MODE,
};
const CURL: Client = Client {
    program: Program {
        needs: "`curl` and `openssl`",
        program: "sh",
        file: "examples/clients/curl-openssl.sh",
        probe: &["-c", "command -v curl && command -v openssl"],
    },
    modes: WITHOUT_GCM,
};

/// One file of examples/clients/ and what its stack can do.
struct Client {
    program: Program,
    modes: &'static [&'static str],
}

impl Client {
    fn send(&self, method: &str, url: &str, key: &TestKey, body: &[u8]) -> Outcome {
        run(self.program.sealing(url, key).arg(method), body)
    }

    /// One key of each algorithm that this client's stack has.
    fn keys(&self) -> Vec<TestKey> {
        let has = |algorithm: &str| self.modes.iter().any(|mode| algorithm.ends_with(&format!("-{mode}")));
        let all = Algorithm::ALL.iter().map(Algorithm::to_string);
        all.filter(|algorithm| has(algorithm)).map(|algorithm| TestKey::new(&algorithm)).collect()
    }
}

fn opened(status: u16, body: Vec<u8>) -> Outcome {
    Outcome { exit_status: Some(0), output: body, said: status.to_string() }
}

/// An order that is not ASCII and does not fit into one read.
fn order(algorithm: Algorithm) -> Vec<u8> {
    let note = "Käsespätzle 🍜, ohne Zwiebeln. ".repeat(1_000);
    format!(r#"{{"algorithm":"{algorithm}","note":"{note}"}}"#).into_bytes()
}

/// What the application answers to `order`.
fn confirmation(order: &[u8]) -> Vec<u8> {
    [b"{\"accepted\":", order, b"}"].concat()
}

/// A plain application that confirms each order with 201.
fn application() -> Origin {
    Origin::answering(|received, stream| {
        let body = confirmation(&received.body);
        let length = body.len();
        let head = format!(
            "HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        stream.write_all(&[head.as_bytes(), &body].concat())
    })
}

fn sidecar(application: &Origin, keys: &[TestKey]) -> Sidecar {
    let keys: Vec<&TestKey> = keys.iter().collect();
    Sidecar::inbound().keys(&keys).upstream(application.address()).start()
}

fn sealed_order_arrives_in_plain_and_the_sealed_reply_opens(client: &Client) {
    let keys = client.keys();
    assert_eq!(keys.len(), 3 * client.modes.len());
    let application = application();
    let sidecar = sidecar(&application, &keys);
    for (sent, key) in keys.iter().enumerate() {
        let order = order(key.algorithm);
        let outcome = client.send("POST", &format!("{}/orders?table=7", sidecar.url()), key, &order);
        assert_eq!(outcome, opened(201, confirmation(&order)), "{}", key.algorithm);

        assert_eq!(application.count(), sent + 1, "{}", key.algorithm);
        let received = &application.received()[sent];
        assert_eq!((received.method(), received.target()), ("POST", "/orders?table=7"));
        assert_eq!(received.body, order, "{}", key.algorithm);
        assert_eq!(received.header_all("content-type"), ["application/json"]);
        assert_no_envelope(received);
    }
}

/// P4: a GET needs no body, and its reply is sealed like any other (P5).
fn request_without_a_body_arrives_without_one_and_the_sealed_reply_opens(client: &Client) {
    let keys = client.keys();
    let application = application();
    let sidecar = sidecar(&application, &keys);
    let outcome = client.send("GET", &format!("{}/orders/1", sidecar.url()), &keys[0], b"");
    assert_eq!(outcome, opened(201, confirmation(b"")));
    let received = application.only();
    assert_eq!((received.method(), received.target()), ("GET", "/orders/1"));
    assert_eq!(received.body, b"");
    assert_no_envelope(&received);
}

/// P2: the sidecar doesn't know the key, and its own errors come in clear (P5).
fn order_under_an_unknown_fingerprint_is_refused_in_clear(client: &Client) {
    let keys = client.keys();
    let application = application();
    let sidecar = sidecar(&application, &keys);
    let stranger = TestKey { fingerprint: "stranger".to_owned(), ..keys[0].clone() };
    let outcome = client.send("POST", &sidecar.url(), &stranger, &order(stranger.algorithm));
    let refusal = "400\n{\"errorCode\":2,\"message\":\"Unable to decrypt payload\"}";
    assert_eq!(outcome, Outcome::nothing(3, refusal));
    assert_eq!(application.count(), 0);
}

/// P5: whoever answers in the sidecar's place without the key is found out.
fn reply_that_is_not_sealed_is_taken_for_forged(client: &Client) {
    let application = application();
    let key = &client.keys()[0];
    let url = format!("http://{}/orders", application.address());
    let outcome = client.send("POST", &url, key, &order(key.algorithm));
    assert_eq!(outcome, Outcome::nothing(4, "201\nforged: the reply is not sealed"));
}

fn assert_no_envelope(received: &Received) {
    assert_eq!(received.header("sec-iv"), None);
    assert_eq!(received.header("sec-fingerprint"), None);
}

/// Every situation with this client, each as a test of its own.
macro_rules! situations_with {
    ($name:ident, $client:expr) => {
        mod $name {
            use super::*;

            situations_with!(
                $client,
                [
                    sealed_order_arrives_in_plain_and_the_sealed_reply_opens,
                    request_without_a_body_arrives_without_one_and_the_sealed_reply_opens,
                    order_under_an_unknown_fingerprint_is_refused_in_clear,
                    reply_that_is_not_sealed_is_taken_for_forged,
                ]
            );
        }
    };
    ($client:expr, [$($situation:ident,)*]) => {$(
        #[test]
        fn $situation() {
            if $client.program.is_here() {
                super::$situation(&$client);
            }
        }
    )*};
}

situations_with!(node, NODE);
situations_with!(python, PYTHON);
situations_with!(java, JAVA);
situations_with!(php, PHP);
situations_with!(curl, CURL);

#[test]
fn curl_client_says_that_it_has_no_gcm() {
    if !CURL.program.is_here() {
        return;
    }
    let key = TestKey::new("AES-256-GCM");
    let outcome = CURL.send("POST", "http://127.0.0.1:9/", &key, b"{}");
    let refusal = "failed: openssl's command line has no GCM: use another client";
    assert_eq!(outcome, Outcome::nothing(2, refusal));
}
