//! The forwarder: a process inside a sandbox that connects a port to the proxy's socket.
//!
//! ```text
//! enter ── forward start ── forward serve     bound to the port by `enter`, so it is open before the agent's first instruction
//!   └─ becomes the agent                      the parent of `forward serve` is the init of the namespace: the agent has no child that
//!                                             it did not start
//! ```

use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::process::Marker;

/// The hidden subcommand that runs the forwarder.
pub(in crate::process) const FORWARD_SUBCOMMAND: &str = "forward";

/// Maximum number of connections at the same time. Further ones are closed at once.
const MAX_CONNECTIONS: usize = 256;

/// What is forwarded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Forward {
    /// The port on 127.0.0.1.
    pub(super) port: u16,
    /// The socket, as seen from inside.
    pub(super) socket: PathBuf,
}

impl Forward {
    /// Opens the port and starts the forwarder, which ends with the pid namespace.
    ///
    /// # Errors
    /// If the port is not free or no process can be started.
    pub(super) fn start(&self) -> io::Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port))?;
        let status = this_program("start", &self.socket).stdin(OwnedFd::from(listener)).status()?;
        if status.success() { Ok(()) } else { Err(io::Error::other(format!("the forwarder could not be started: {status}"))) }
    }
}

/// This program as `openrunner forward STEP SOCKET`, without the agent's environment and pipes.
fn this_program(step: &str, socket: &Path) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("openrunner").arg(FORWARD_SUBCOMMAND).arg(step).arg(socket);
    let marker = std::env::var_os(Marker::VARIABLE).map(|value| (Marker::VARIABLE, value));
    command.env_clear().envs(marker).current_dir("/").stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Runs a step of the forwarder, whose stdin is the listening socket. Returns `Ok` from the first step only.
///
/// # Errors
/// If the next process cannot be started, or the socket cannot be listened on.
pub(in crate::process) fn forward_step(mut args: impl Iterator<Item = OsString>) -> io::Result<()> {
    let (Some(step), Some(socket)) = (args.next(), args.next()) else {
        return Err(io::Error::other("internal command; not meant to be run by hand"));
    };
    let socket = Path::new(&socket);
    if step == "start" {
        // Signals of the agent to its own process group and session must not end it.
        rustix::process::setsid()?;
        let listener = io::stdin().as_fd().try_clone_to_owned()?;
        this_program("serve", socket).stdin(listener).spawn()?;
        return Ok(());
    }
    let listener = TcpListener::from(io::stdin().as_fd().try_clone_to_owned()?);
    Err(forward(&listener, socket))
}

/// Copies each connection of `listener` to `socket` and back, until the namespace ends. Returns only on error.
fn forward(listener: &TcpListener, socket: &Path) -> io::Error {
    static CONNECTIONS: AtomicUsize = AtomicUsize::new(0);
    loop {
        let client = match listener.accept() {
            Ok((client, _)) => client,
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted || error.kind() == io::ErrorKind::Interrupted => continue,
            // No descriptor or memory is free now.
            Err(error) if error.raw_os_error().is_some() => {
                thread::sleep(Duration::from_millis(50));
                continue;
            }
            Err(error) => return error,
        };
        if CONNECTIONS.fetch_add(1, Ordering::Relaxed) >= MAX_CONNECTIONS {
            CONNECTIONS.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let socket = socket.to_owned();
        let started = thread::Builder::new().spawn(move || {
            // A failed connection is closed, which is all that a client can be told.
            let _ = connect(&client, &socket);
            CONNECTIONS.fetch_sub(1, Ordering::Relaxed);
        });
        if started.is_err() {
            CONNECTIONS.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn connect(client: &TcpStream, socket: &Path) -> io::Result<()> {
    let proxy = UnixStream::connect(socket)?;
    thread::scope(|scope| {
        scope.spawn(|| {
            let _ = io::copy(&mut &*client, &mut &proxy);
            let _ = proxy.shutdown(Shutdown::Write);
        });
        let _ = io::copy(&mut &proxy, &mut &*client);
        let _ = client.shutdown(Shutdown::Write);
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn bytes_and_their_end_are_forwarded_in_both_directions() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("socket");
        let proxy = UnixListener::bind(&socket).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || forward(&listener, &socket));
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(b"request").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let (mut served, _) = proxy.accept().unwrap();
        let mut text = String::new();
        served.read_to_string(&mut text).unwrap();
        assert_eq!(text, "request");
        served.write_all(b"answer").unwrap();
        drop(served);
        text.clear();
        client.read_to_string(&mut text).unwrap();
        assert_eq!(text, "answer");
    }
}
