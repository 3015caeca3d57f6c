//! docs/DEPLOYMENT.md, tried out.

use std::process::Command;

use super::{console, read};
use crate::support::{Connection, Origin, Program, Sidecar, SidecarBuilder, TestKey};

const OPENSSL: Program = Program {
    needs: "OpenSSL's command (`openssl`)",
    program: "openssl",
    file: "docs/DEPLOYMENT.md",
    probe: &["version"],
};

/// The block that is the file `name`.
fn file(name: &str) -> String {
    let document = read("docs/DEPLOYMENT.md");
    let (_, rest) = document.split_once(&format!("<!-- file: {name} -->\n```")).unwrap();
    rest.split_once('\n').unwrap().1.split("```").next().unwrap().to_owned()
}

/// What the document's script makes, for a far end that is `localhost`.
fn certificates() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let script = file("certificates.sh").replace("DNS:%s.internal", "DNS:localhost,DNS:%s.internal");
    assert!(script.contains("localhost"));
    let output = Command::new("sh").args(["-c", &script]).current_dir(directory.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    directory
}

/// One end with its configuration on free ports, and the files that it names.
fn end(builder: SidecarBuilder, text: &str, certificates: &tempfile::TempDir, files: &[&str]) -> Sidecar {
    let content = |name: &str| std::fs::read(certificates.path().join(name)).unwrap();
    let builder = files.iter().fold(builder, |builder, name| builder.file(name, content(name)));
    let key = TestKey::new("AES-256-GCM");
    builder.keys(&[&key]).configured(&format!("{text}\n[admin]\nlisten = 0\n")).start()
}

#[test]
fn configurations_of_the_deployments_are_right() {
    if OPENSSL.is_here() {
        assert_eq!(console::run(&read("docs/DEPLOYMENT.md"), &Origin::echo()), 7);
    }
}

#[test]
fn both_ends_speak_tls_beneath_and_let_in_nobody_else() {
    if !OPENSSL.is_here() {
        return;
    }
    let (certificates, application) = (certificates(), Origin::echo());
    let far = file("far.toml").replace("0.0.0.0:7443", "127.0.0.1:0");
    let far = far.replace("127.0.0.1:3000", &application.address().to_string());
    let far = end(Sidecar::inbound(), &far, &certificates, &["ca.pem", "kitchen.pem", "kitchen.key"]);
    let near = |text: &str| {
        let text = text.replace("listen = 7081", "listen = 0");
        let text = text.replace("kitchen.internal:7443", &format!("localhost:{}", far.address().port()));
        end(Sidecar::outbound(), &text, &certificates, &["ca.pem", "orders.pem", "orders.key"])
    };
    let order = b"POST /orders HTTP/1.1\r\nhost: kitchen\r\ncontent-length: 4\r\n\r\nsoup";
    let reply = Connection::to(near(&file("near.toml")).address()).exchange(order);
    assert_eq!((reply.status, reply.text()), (200, "soup"));
    // Without a certificate there is no way in, whatever key it has.
    let stranger: String = file("near.toml")
        .lines()
        .filter(|line| !line.starts_with("client_"))
        .fold(String::new(), |text, line| text + line + "\n");
    let reply = Connection::to(near(&stranger).address()).exchange(order);
    assert_eq!((reply.status, application.count()), (502, 1));
}
