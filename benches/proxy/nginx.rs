//! nginx as a plain proxy, set up as well as its documentation knows how.

use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::fault::{Doing, Fault};
use crate::server::{Kind, Server};

const PATIENCE: Duration = Duration::from_secs(5);

/// What `nginx -v` prints.
pub(crate) fn version() -> Result<String, Fault> {
    match Command::new(program()).arg("-v").output() {
        Ok(output) => Ok(String::from_utf8_lossy(&output.stderr).trim().replace("nginx version: ", "")),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(Fault::NginxAbsent),
        Err(source) => Err(Fault::Io { what: "asking nginx for its version", source }),
    }
}

/// Distributions put it where not every user's `PATH` leads.
fn program() -> &'static str {
    let usual = "/usr/sbin/nginx";
    if Path::new(usual).exists() { usual } else { "nginx" }
}

/// Starts one nginx in front of `origin`: one process, which is its own worker.
pub(crate) fn start(origin: SocketAddr) -> Result<Server, Fault> {
    start_with(origin, "\"\"")
}

/// The same for WebSockets: it tunnels what follows an upgrade.
pub(crate) fn start_tunnel(origin: SocketAddr) -> Result<Server, Fault> {
    start_with(origin, "upgrade; proxy_set_header Upgrade websocket")
}

fn start_with(origin: SocketAddr, connection: &str) -> Result<Server, Fault> {
    let directory = tempfile::tempdir().doing("making a directory for nginx")?;
    let address = free_address().doing("looking for a free port for nginx")?;
    let config = directory.path().join("nginx.conf");
    fs::write(&config, configuration(directory.path(), address, origin, connection))
        .doing("writing nginx's configuration")?;
    let began = Instant::now();
    let child = Command::new(program())
        .args(["-e", "stderr", "-p"])
        .arg(directory.path())
        .arg("-c")
        .arg(&config)
        .stdin(Stdio::null())
        .spawn()
        .doing("starting nginx")?;
    let mut server = Server { kind: Kind::Nginx, address, start: Duration::ZERO, child, directory };
    server.start = wait(&mut server, began)?;
    Ok(server)
}

/// nginx says nothing when it listens; the first connection that it takes tells.
fn wait(server: &mut Server, began: Instant) -> Result<Duration, Fault> {
    while began.elapsed() < PATIENCE {
        if server.child.try_wait().doing("watching nginx")?.is_some() {
            return Err(Fault::Ended { who: "nginx" });
        }
        if TcpStream::connect(server.address).is_ok() {
            return Ok(began.elapsed());
        }
        thread::sleep(Duration::from_millis(1));
    }
    Err(Fault::NotReady { who: "nginx", seconds: PATIENCE.as_secs() })
}

fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

/// The largest body is 1 MiB: every buffer holds one, so that nothing goes through a file.
fn configuration(directory: &Path, listen: SocketAddr, origin: SocketAddr, connection: &str) -> String {
    let directory = directory.display();
    format!(
        "daemon off;
master_process off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    tcp_nodelay on;
    keepalive_timeout 60s;
    keepalive_requests 100000000;
    client_max_body_size 0;
    client_body_buffer_size 1100k;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    proxy_http_version 1.1;
    proxy_set_header Connection {connection};
    proxy_buffer_size 16k;
    proxy_buffers 40 32k;
    proxy_busy_buffers_size 128k;
    proxy_max_temp_file_size 0;
    upstream origin {{
        server {origin};
        keepalive 64;
        keepalive_requests 100000000;
    }}
    server {{
        listen {listen} backlog=1024;
        location / {{ proxy_pass http://origin; }}
    }}
}}
"
    )
}
