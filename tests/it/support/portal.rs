//! A portal in a process of its own, which does as it is told: tests/peers/portal.py.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::Mutex;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Authority, Program, Window};

const PORTAL: Program = Program {
    needs: "Python 3 with TLS (`python3`)",
    program: "python3",
    file: "tests/peers/portal.py",
    probe: &["-c", "import ssl"],
};

/// Where the document is.
const PATH: &str = "/sites/7";

/// A portal at `https://localhost:PORT` (or `http://127.0.0.1:PORT`) that answers 404 until it is told otherwise.
pub(crate) struct Portal {
    child: Child,
    address: SocketAddr,
    tls: Option<Authority>,
    directory: tempfile::TempDir,
    control: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
}

/// What the portal was asked.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct PortalRequest {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Names in small letters, in the order in which they came.
    pub(crate) headers: Vec<(String, String)>,
    /// Bytes of the answer's body that went out; still grows while it goes out.
    pub(crate) sent: u64,
    /// Whether the answer has ended, in whichever way.
    pub(crate) over: bool,
}

impl PortalRequest {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Portal {
    /// Over TLS, with a certificate of an authority of its own. `None` where Python is not on the machine.
    pub(crate) fn start() -> Option<Self> {
        Self::launch(Some(Authority::new()))
    }

    /// Without TLS.
    pub(crate) fn start_plain() -> Option<Self> {
        Self::launch(None)
    }

    fn launch(tls: Option<Authority>) -> Option<Self> {
        if !PORTAL.is_here() {
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let mut command = PORTAL.command("");
        if let Some(authority) = &tls {
            authority.write_to(&directory.path().join("ca.pem"));
            command.args(write_certificate(&directory, authority, &["localhost", "127.0.0.1"], Window::Now));
        }
        let mut child = command.stderr(Stdio::inherit()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut port = String::new();
        output.read_line(&mut port).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port.trim().parse().unwrap()));
        let control = Mutex::new((child.stdin.take().unwrap(), output));
        Some(Self { child, address, tls, directory, control })
    }

    /// The URL of the document.
    pub(crate) fn url(&self) -> String {
        self.url_of(PATH)
    }

    /// The URL of another path.
    pub(crate) fn url_of(&self, path: &str) -> String {
        let (scheme, host) = if self.tls.is_some() { ("https", "localhost") } else { ("http", "127.0.0.1") };
        format!("{scheme}://{host}:{}{path}", self.address.port())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The lines of a configuration that say where the document is and who vouches for it.
    pub(crate) fn place(&self) -> String {
        let url = format!("url = \"{}\"\n", self.url());
        match &self.tls {
            Some(_) => format!("{url}ca_file = \"{}\"\n", self.ca_file().display()),
            None => url,
        }
    }

    /// For `ca_file`: who vouches for the portal.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// The same as text.
    pub(crate) fn ca_pem(&self) -> String {
        std::fs::read_to_string(self.ca_file()).unwrap()
    }

    /// Who vouches for it, to issue others.
    pub(crate) fn authority(&self) -> &Authority {
        self.tls.as_ref().expect("a portal under TLS")
    }

    /// From now on this document, with an `etag`, and 304 to who has it.
    pub(crate) fn serve(&self, document: &str) {
        self.answer(PortalAnswer::document(document).etag());
    }

    /// From now on this status, with a short body.
    pub(crate) fn fail(&self, status: u16) {
        self.answer(PortalAnswer::status(status));
    }

    /// From now on this, at every path that has nothing of its own.
    pub(crate) fn answer(&self, answer: PortalAnswer) {
        self.obeys(json!({ "do": "answer", "path": null, "answer": answer.0 }));
    }

    /// From now on this at `path`, query aside.
    pub(crate) fn answer_at(&self, path: &str, answer: PortalAnswer) {
        self.obeys(json!({ "do": "answer", "path": path, "answer": answer.0 }));
    }

    /// This to the next request; what is told by several calls, in turn.
    pub(crate) fn once(&self, answer: PortalAnswer) {
        self.obeys(json!({ "do": "once", "answer": answer.0 }));
    }

    /// Lets go the answers that are held.
    pub(crate) fn release(&self) {
        self.obeys(json!({ "do": "release" }));
    }

    /// Refuses connections from now on. Those that are there stay.
    pub(crate) fn go_down(&self) {
        self.obeys(json!({ "do": "down" }));
    }

    /// Takes connections again, at the same port.
    pub(crate) fn come_up(&self) {
        self.obeys(json!({ "do": "up" }));
    }

    /// Presents a certificate for `names` by `authority` to connections from now on.
    pub(crate) fn present(&self, authority: &Authority, names: &[&str], window: Window) {
        let [certificate, key] = write_certificate(&self.directory, authority, names, window);
        self.obeys(json!({ "do": "tls", "certificate": certificate, "key": key, "clients": null }));
    }

    /// Asks clients from now on for a certificate by `authority`.
    pub(crate) fn demand_certificate_by(&self, authority: &Authority) {
        let clients = self.directory.path().join("clients.pem");
        authority.write_to(&clients);
        let [certificate, key] =
            write_certificate(&self.directory, self.authority(), &["localhost"], Window::Now);
        self.obeys(json!({ "do": "tls", "certificate": certificate, "key": key, "clients": clients }));
    }

    /// What it was asked so far, in order.
    pub(crate) fn requests(&self) -> Vec<PortalRequest> {
        serde_json::from_value(self.tell(json!({ "do": "requests" }))).unwrap()
    }

    fn obeys(&self, command: Value) {
        assert_eq!(self.tell(command), json!(true));
    }

    fn tell(&self, command: Value) -> Value {
        let mut control = self.control.lock().unwrap();
        writeln!(control.0, "{command}").unwrap();
        let mut line = String::new();
        control.1.read_line(&mut line).unwrap();
        serde_json::from_str(&line).expect("the portal answers; its standard error says why not")
    }
}

impl Drop for Portal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write_certificate(
    directory: &tempfile::TempDir,
    authority: &Authority,
    names: &[&str],
    window: Window,
) -> [PathBuf; 2] {
    let (certificate, key) = authority.issue(names, window);
    let paths = ["portal.pem", "portal.key"].map(|name| directory.path().join(name));
    std::fs::write(&paths[0], certificate.pem()).unwrap();
    std::fs::write(&paths[1], key.serialize_pem()).unwrap();
    paths
}

/// What the portal does with a request. tests/peers/portal.py says what each member means.
#[derive(Clone)]
pub(crate) struct PortalAnswer(Map<String, Value>);

impl PortalAnswer {
    /// 200 with this document, and without a validator.
    pub(crate) fn document(document: &str) -> Self {
        Self(Map::new()).with("status", 200).with("body", document).header("content-type", "application/json")
    }

    /// A status with a short body.
    pub(crate) fn status(status: u16) -> Self {
        Self(Map::new()).with("status", status).with("body", "told so")
    }

    /// Nothing, ever.
    pub(crate) fn silence() -> Self {
        Self::status(200).with("silent", true)
    }

    /// These bytes, each a character of Latin-1, and then the end.
    pub(crate) fn raw(text: &str) -> Self {
        Self(Map::new()).with("raw", text)
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        let headers = self.0.entry("headers").or_insert_with(|| json!([]));
        headers.as_array_mut().unwrap().push(json!([name, value]));
        self
    }

    /// With an `etag`, and 304 to who has it.
    pub(crate) fn etag(self) -> Self {
        self.with("etag", true)
    }

    /// With this `last-modified`, and 304 to who has it.
    pub(crate) fn modified(self, date: &str) -> Self {
        self.with("modified", date)
    }

    pub(crate) fn retry_after(self, value: &str) -> Self {
        self.header("retry-after", value)
    }

    pub(crate) fn location(self, value: &str) -> Self {
        self.header("location", value)
    }

    /// So many spaces after the body.
    pub(crate) fn filler(self, bytes: u64) -> Self {
        self.with("filler", bytes)
    }

    pub(crate) fn chunked(self) -> Self {
        self.with("framing", "chunked")
    }

    /// The body ends with the connection.
    pub(crate) fn until_close(self) -> Self {
        self.with("framing", "close")
    }

    /// Whatever the body's length is.
    pub(crate) fn claims_length(self, bytes: u64) -> Self {
        self.with("length", bytes)
    }

    /// Bytes a second.
    pub(crate) fn slowly(self, rate: u64) -> Self {
        self.with("rate", rate)
    }

    /// The connection ends after so many bytes of the body.
    pub(crate) fn cut_after(self, bytes: u64) -> Self {
        self.with("cut", bytes)
    }

    /// TLS is not told that the connection ends.
    pub(crate) fn roughly(self) -> Self {
        self.with("rough", true)
    }

    /// Not before [`Portal::release`].
    pub(crate) fn held(self) -> Self {
        self.with("held", true)
    }

    /// The body as Latin-1, so that it may be no UTF-8.
    pub(crate) fn latin1(self) -> Self {
        self.with("latin1", true)
    }

    fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.0.insert(member.to_owned(), value.into());
        self
    }
}
