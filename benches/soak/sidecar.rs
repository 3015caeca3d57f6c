//! The sidecar under soak, and the portal that it asks.

use std::cell::{Cell, RefCell};
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::process::Stdio;
use std::rc::Rc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

use crate::fault::{Doing, Fault};
use crate::wire::Messages;

const PATIENCE: Duration = Duration::from_secs(10);
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// A portal whose document is swapped.
pub(crate) struct Portal {
    pub(crate) address: SocketAddr,
    pub(crate) document: Rc<RefCell<String>>,
    /// How often it was asked.
    pub(crate) fetches: Rc<Cell<u64>>,
}

impl Portal {
    pub(crate) async fn start(document: String) -> Result<Self, Fault> {
        let listener = TcpListener::bind("127.0.0.1:0").await.doing("starting the portal")?;
        let address = listener.local_addr().doing("starting the portal")?;
        let portal = Self { address, document: Rc::new(RefCell::new(document)), fetches: Rc::default() };
        let (document, fetches) = (Rc::clone(&portal.document), Rc::clone(&portal.fetches));
        spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (document, fetches) = (Rc::clone(&document), Rc::clone(&fetches));
                spawn_local(async move { answer(stream, &document, &fetches).await.unwrap_or_default() });
            }
        });
        Ok(portal)
    }
}

async fn answer(mut stream: TcpStream, document: &RefCell<String>, fetches: &Cell<u64>) -> io::Result<()> {
    let mut messages = Messages::new();
    while messages.head(&mut stream, |_| ()).await?.is_some() {
        fetches.set(fetches.get() + 1);
        let reply = {
            let document = document.borrow();
            let length = document.len();
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length:";
            format!("{head} {length}\r\n\r\n{document}")
        };
        stream.write_all(reply.as_bytes()).await?;
    }
    Ok(())
}

/// The running sidecar, killed when it is dropped.
pub(crate) struct Sidecar {
    /// Of the key file and of the portal.
    pub(crate) proxies: [SocketAddr; 2],
    pub(crate) pid: u32,
    admin: SocketAddr,
    directory: TempDir,
    _child: Child,
}

impl Sidecar {
    pub(crate) async fn start(upstream: SocketAddr, portal: SocketAddr, keys: &str) -> Result<Self, Fault> {
        let directory = tempfile::tempdir().doing("making a directory for alewife")?;
        fs::write(directory.path().join("keys.toml"), keys).doing("writing alewife's keys")?;
        let config = directory.path().join("config.toml");
        fs::write(&config, configuration(upstream, portal)).doing("writing alewife's configuration")?;
        let mut child = Command::new(env!("CARGO_BIN_EXE_alewife"))
            .args(["run", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .doing("starting alewife")?;
        let late = Fault::NotReady { who: "alewife", seconds: PATIENCE.as_secs() };
        let [file, portal, admin] = timeout(PATIENCE, addresses(&mut child)).await.unwrap_or(Err(late))?;
        let pid = child.id().ok_or(Fault::Ended { who: "alewife" })?;
        Ok(Self { proxies: [file, portal], pid, admin, directory, _child: child })
    }

    /// As a rotation does it: whoever reads gets the old file or the new one.
    pub(crate) fn replace_key_file(&self, text: &str) -> Result<(), Fault> {
        let path = self.directory.path().join("keys.toml");
        let beside = path.with_extension("new");
        fs::write(&beside, text).doing("writing alewife's keys")?;
        fs::rename(&beside, path).doing("replacing alewife's keys")
    }

    /// Waits until the key file was taken so often.
    pub(crate) async fn reloaded(&self, times: u64) -> Result<(), Fault> {
        let waiting = async {
            while self.reloads("default").await? < times {
                sleep(BETWEEN_LOOKS).await;
            }
            Ok(())
        };
        let late = Fault::TooSlow { what: "the taking of a key file", seconds: PATIENCE.as_secs() };
        timeout(PATIENCE, waiting).await.unwrap_or(Err(late))
    }

    /// How many rings of a key set were taken, by the sidecar's own count.
    pub(crate) async fn reloads(&self, key_set: &str) -> Result<u64, Fault> {
        let doing = "reading alewife's metrics";
        // The admin listener keeps no connection for as long as a soak lasts.
        let mut stream = TcpStream::connect(self.admin).await.doing(doing)?;
        let mut messages = Messages::new();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: admin\r\n\r\n").await.doing(doing)?;
        let head = messages.head(&mut stream, |_| ()).await.doing(doing)?;
        let ((), framing) = head.ok_or(Fault::Ended { who: "alewife" })?;
        let mut text = Vec::new();
        messages.body(&mut stream, framing, |piece| text.extend_from_slice(piece)).await.doing(doing)?;
        let name = format!("alewife_key_reloads_total{{keyset=\"{key_set}\"}} ");
        let text = String::from_utf8_lossy(&text);
        let count = text.lines().find_map(|line| line.strip_prefix(&*name)?.trim().parse().ok());
        count.ok_or(Fault::Reply { who: "alewife", detail: "a metric is missing" })
    }
}

/// What the sidecar says of its two proxies and its admin listener; what follows is read and dropped.
async fn addresses(child: &mut Child) -> Result<[SocketAddr; 3], Fault> {
    let ended = || Fault::Ended { who: "alewife" };
    let mut lines = BufReader::new(child.stdout.take().ok_or_else(ended)?).lines();
    let mut found = [None; 3];
    while found.contains(&None) {
        let line = lines.next_line().await.doing("reading what alewife says")?.ok_or_else(ended)?;
        for (at, start) in ["proxy file: ", "proxy portal: ", "admin: "].into_iter().enumerate() {
            let rest = line.strip_prefix(start).and_then(|rest| rest.split_once("http://"));
            let address = rest.and_then(|(_, rest)| rest.split([',', ' ']).next()?.parse().ok());
            found[at] = found[at].or(address);
        }
    }
    spawn_local(async move { while matches!(lines.next_line().await, Ok(Some(_))) {} });
    Ok(found.map(|address| address.expect("the loop ends when none is missing")))
}

fn configuration(upstream: SocketAddr, portal: SocketAddr) -> String {
    let proxy = |name: &str, keys: &str| {
        format!(
            "[[proxy]]\nname = \"{name}\"\nmode = \"inbound\"\nlisten = \"127.0.0.1:0\"\n\
             upstream = \"http://{upstream}\"\n{keys}\n"
        )
    };
    format!(
        "workers = 2
[keys]
file = \"keys.toml\"
seal_delay = \"0s\"
[keyset.portal]
seal_delay = \"0s\"
refetch_cooldown = \"1ms\"
[keyset.portal.portal]
url = \"http://{portal}/\"
poll_interval = \"10s\"
algorithm = \"AES-256-GCM\"
encoding = \"base64\"
keys_pointer = \"/keys\"
[admin]
listen = \"127.0.0.1:0\"
[log]
access = false
level = \"warn\"
{}{}",
        proxy("file", ""),
        proxy("portal", "keys = \"portal\"")
    )
}
