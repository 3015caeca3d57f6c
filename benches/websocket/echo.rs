//! The application: sends back every message, with as little work as possible.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

use crate::fault::{Doing, Fault};
use crate::frames::{Frames, Opcode, accept, frame};

/// Starts it on a thread of its own, where it stays until the process ends.
pub(crate) fn start() -> Result<SocketAddr, Fault> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        if let Err(error) = run(&tell) {
            let _ = tell.send(Err(error));
        }
    });
    let dead = || io::Error::other("its thread ended");
    told.recv().unwrap_or_else(|_| Err(dead())).doing("starting the application")
}

fn run(tell: &mpsc::Sender<io::Result<SocketAddr>>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let _ = tell.send(Ok(listener.local_addr()?));
        loop {
            let (stream, _) = listener.accept().await?;
            // A proxy that is stopped cuts its connections: no fault of the application.
            tokio::task::spawn_local(async move { serve(stream).await.unwrap_or_default() });
        }
    })
}

/// Accepts a session, and sends back its messages.
pub(crate) async fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut frames = Frames::new();
    accept(&mut stream, &mut frames).await?;
    loop {
        let (opcode, payload) = frames.next(&mut stream).await?;
        let payload = frames.payload(payload);
        match opcode {
            Opcode::Text => stream.write_all(&frame(1, false, payload)).await?,
            Opcode::Ping => stream.write_all(&frame(10, false, payload)).await?,
            Opcode::Close => return stream.write_all(&frame(8, false, payload)).await,
            Opcode::Other => {}
        }
    }
}
