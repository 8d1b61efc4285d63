//! What the server and the manager of the system's services say to each other: systemd's protocol, which others speak as well.
//!
//! The manager may hand over a socket that it listens on (`LISTEN_FDS`, `sd_listen_fds(3)`). It keeps that open while one server goes and
//! the next one comes, so who connects in between waits instead of being refused. And it may want to know how the server is
//! (`NOTIFY_SOCKET`, `sd_notify(3)`; `WATCHDOG_USEC`, `sd_watchdog_enabled(3)`): a datagram of `NAME=value` lines says it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use super::signals::Stop;

/// The socket that the manager has handed over; `None` if it has not.
///
/// To be called once, before the first thread is started: the variables are taken out of the environment, so that no child of this process
/// thinks they are meant for it.
///
/// # Errors
/// If what was handed over is no listening TCP socket, or more than one was.
pub fn handed_over() -> io::Result<Option<TcpListener>> {
    let mut handed = listenfd::ListenFd::from_env();
    if handed.len() > 1 {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "one listening socket can be served, and more were handed over"));
    }
    handed.take_tcp_listener(0)
}

/// The way to the manager. Without one, everything that is said is said to nobody.
#[derive(Debug)]
pub struct ServiceManager {
    socket: Option<UnixDatagram>,
    /// How long the server may be silent before the manager takes it for dead.
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// The manager that the environment names. One that cannot be reached is told in the log, and the server starts all the same.
    pub fn named_by(get: impl Fn(&str) -> Option<OsString>) -> Self {
        let socket = get("NOTIFY_SOCKET").and_then(|name| {
            let connected = connect(&name);
            connected.inspect_err(|error| tracing::warn!(%error, "the service manager of NOTIFY_SOCKET cannot be reached")).ok()
        });
        let number = |name| get(name)?.to_str()?.parse::<u64>().ok();
        let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|micros| *micros > 0 && is_ours).map(Duration::from_micros);
        Self { socket, watchdog }
    }

    /// Says that the server is ready, then as often as the manager wants to hear it that it lives, and when it is told to go, that it goes.
    /// Returns then. May be dropped at any time.
    pub async fn attend(&self, address: SocketAddr, stop: &Stop) {
        self.say(&format!("READY=1\nSTATUS=listening on {address}"));
        let living = async {
            let Some(limit) = self.watchdog else { return std::future::pending().await };
            loop {
                // Half of it, as the manual advises: one word may come late.
                tokio::time::sleep(limit / 2).await;
                self.say("WATCHDOG=1");
            }
        };
        tokio::select! {
            _how = stop.told() => self.say("STOPPING=1"),
            () = living => {}
        }
    }

    fn say(&self, words: &str) {
        let Some(socket) = &self.socket else { return };
        if let Err(error) = socket.send(words.as_bytes()) {
            tracing::warn!(%error, "the service manager does not hear");
        }
    }
}

/// A socket at this name: a path, or where Linux has them a name without a file, which begins with `@`.
fn connect(name: &OsStr) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    // A manager that does not read must not hold the server up.
    socket.set_nonblocking(true)?;
    match name.as_bytes() {
        #[cfg(target_os = "linux")]
        [b'@', rest @ ..] => {
            use std::os::linux::net::SocketAddrExt;
            socket.connect_addr(&std::os::unix::net::SocketAddr::from_abstract_name(rest)?)?;
        }
        [b'/', ..] => socket.connect(name)?,
        _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is neither an absolute path nor begins with @")),
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::OnShutdown;

    fn manager(at: &OsStr, micros: Option<&str>) -> ServiceManager {
        ServiceManager::named_by(|name| match name {
            "NOTIFY_SOCKET" => Some(at.to_owned()),
            "WATCHDOG_USEC" => micros.map(OsString::from),
            _ => None,
        })
    }

    fn heard(socket: &UnixDatagram) -> String {
        let mut words = [0; 100];
        let length = socket.recv(&mut words).unwrap();
        String::from_utf8(words[..length].to_vec()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_manager_hears_that_the_server_is_ready_lives_and_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let ear = UnixDatagram::bind(&path).unwrap();
        ear.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let (manager, stop) = (manager(path.as_os_str(), Some("20000000")), Stop::default());
        let address = "127.0.0.1:3000".parse().unwrap();
        let telling = async {
            tokio::time::sleep(Duration::from_secs(25)).await;
            stop.tell(OnShutdown::Detach);
        };
        tokio::join!(manager.attend(address, &stop), telling);
        let all = [heard(&ear), heard(&ear), heard(&ear), heard(&ear)];
        assert_eq!(all, ["READY=1\nSTATUS=listening on 127.0.0.1:3000", "WATCHDOG=1", "WATCHDOG=1", "STOPPING=1"]);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_manager_without_a_file_is_reached_by_its_name() {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("openrunner-test-{}", uuid::Uuid::now_v7());
        let ear = UnixDatagram::bind_addr(&std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        manager(OsStr::new(&format!("@{name}")), None).say("READY=1");
        assert_eq!(heard(&ear), "READY=1");
    }

    #[tokio::test]
    async fn a_manager_that_is_not_there_holds_nobody_up() {
        for name in ["/nowhere/at/all", "relative", ""] {
            let manager = manager(OsStr::new(name), Some("never"));
            assert!(manager.socket.is_none() && manager.watchdog.is_none());
            manager.say("READY=1");
        }
    }
}
