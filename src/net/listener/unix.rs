//! The file of a Unix socket: who may take its path, and when it goes.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;

use socket2::{Domain, SockAddr, Socket, Type};

/// Binds `path` and listens. A socket that a process left behind is replaced; one on which somebody listens is not, and
/// nothing else that stands there is.
pub(super) fn listen(path: &Path, backlog: i32) -> io::Result<UnixListener> {
    match bind(path, backlog) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            clear(path)?;
            bind(path, backlog)
        }
        bound => bound,
    }
}

fn bind(path: &Path, backlog: i32) -> io::Result<UnixListener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    socket.listen(backlog)?;
    Ok(socket.into())
}

/// Takes a socket away on which nobody listens.
fn clear(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        let what = "something else than a socket stands there, which is not taken away";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        // Gone meanwhile.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // One that cannot be asked (its queue is full, its mode forbids it) is in use for all that is known.
        Ok(_) | Err(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there")),
    }
}

/// The file of a socket that this process has bound. It goes when this is dropped, unless another one stands there by then.
pub(super) struct SocketFile {
    path: Arc<Path>,
    id: Option<(u64, u64)>,
}

impl SocketFile {
    /// That of a socket which was just bound at `path`.
    pub(super) fn new(path: Arc<Path>) -> Self {
        let id = id(&path);
        Self { path, id }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.id.is_some() && id(&self.path) == self.id {
            // A directory that may not be written to any more leaves it, and the next start replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn id(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::symlink_metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path() -> (tempfile::TempDir, Arc<Path>) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sock").into();
        (directory, path)
    }

    #[test]
    fn socket_that_was_left_behind_is_replaced() {
        let (_directory, path) = path();
        drop(listen(&path, 8).unwrap());
        assert!(path.exists());
        let listener = listen(&path, 8).unwrap();
        UnixStream::connect(&path).unwrap();
        listener.accept().unwrap();
    }

    #[test]
    fn socket_on_which_somebody_listens_is_left_alone() {
        let (_directory, path) = path();
        let listener = listen(&path, 8).unwrap();
        let error = listen(&path, 8).unwrap_err();
        assert_eq!(error.to_string(), "another process listens there");
        // The question was a connection.
        listener.accept().unwrap();
        UnixStream::connect(&path).unwrap();
        listener.accept().unwrap();
    }

    #[test]
    fn file_that_is_no_socket_is_left_alone() {
        let (_directory, path) = path();
        fs::write(&path, "notes").unwrap();
        let error = listen(&path, 8).unwrap_err();
        assert!(error.to_string().contains("something else than a socket"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "notes");
    }

    #[test]
    fn path_that_is_too_long_for_a_socket_is_an_error() {
        let (directory, _) = path();
        let error = listen(&directory.path().join("a".repeat(200)), 8).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn file_goes_with_its_socket_unless_another_one_stands_there() {
        let (_directory, path) = path();
        let listener = listen(&path, 8).unwrap();
        let file = SocketFile::new(Arc::clone(&path));
        drop((listener, file));
        assert!(!path.exists());

        let listener = listen(&path, 8).unwrap();
        let file = SocketFile::new(Arc::clone(&path));
        let kept = path.with_extension("kept");
        fs::rename(&path, &kept).unwrap();
        let successor = listen(&path, 8).unwrap();
        drop((listener, file));
        UnixStream::connect(&path).unwrap();
        drop(successor);
    }
}
