//! Integration with the service manager: socket activation and status notifications, in systemd's protocol, which other managers
//! implement as well.
//!
//! Socket activation (`LISTEN_FDS`, `sd_listen_fds(3)`): the manager keeps the listening socket open across restarts, so clients that
//! connect meanwhile wait instead of being refused. Notifications (`NOTIFY_SOCKET`, `sd_notify(3)`; `WATCHDOG_USEC`,
//! `sd_watchdog_enabled(3)`): datagrams of `NAME=value` lines.

use std::ffi::{OsStr, OsString};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use super::signals::Stop;

/// Takes the listening socket passed by the service manager; `None` if there is none.
///
/// Call it once, before the first thread is started: it removes the variables from the environment, so that no child process takes them
/// for its own.
///
/// # Errors
/// If the descriptor is not a listening TCP socket, or more than one was passed.
pub fn inherited_listener() -> io::Result<Option<TcpListener>> {
    let mut sockets = listenfd::ListenFd::from_env();
    if sockets.len() > 1 {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "expected one listening socket, got several"));
    }
    sockets.take_tcp_listener(0)
}

/// Sends notifications to the service manager; does nothing if there is none.
#[derive(Debug)]
pub struct ServiceManager {
    socket: Option<UnixDatagram>,
    /// The manager restarts the server if it gets no keep-alive for this long.
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// Connects to the service manager named in the environment. Failure to connect is logged and otherwise ignored.
    pub fn from_env(get: impl Fn(&str) -> Option<OsString>) -> Self {
        let socket = get("NOTIFY_SOCKET").and_then(|name| {
            let connected = connect(&name);
            connected.inspect_err(|error| tracing::warn!(%error, "cannot connect to NOTIFY_SOCKET")).ok()
        });
        let number = |name| get(name)?.to_str()?.parse::<u64>().ok();
        let is_for_this_process = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|micros| *micros > 0 && is_for_this_process).map(Duration::from_micros);
        Self { socket, watchdog }
    }

    /// Notifies the manager that the server is ready, sends watchdog keep-alives, and notifies it again when `stop` is requested; then
    /// returns. Cancel-safe.
    pub async fn notify_until_stop(&self, address: SocketAddr, stop: &Stop) {
        self.notify(&format!("READY=1\nSTATUS=listening on {address}"));
        let keep_alive = async {
            let Some(limit) = self.watchdog else { return std::future::pending().await };
            loop {
                // Half of the interval, as sd_watchdog_enabled(3) recommends.
                tokio::time::sleep(limit / 2).await;
                self.notify("WATCHDOG=1");
            }
        };
        tokio::select! {
            _ = stop.requested() => self.notify("STOPPING=1"),
            () = keep_alive => {}
        }
    }

    fn notify(&self, message: &str) {
        let Some(socket) = &self.socket else { return };
        if let Err(error) = socket.send(message.as_bytes()) {
            tracing::warn!(%error, "cannot notify the service manager");
        }
    }
}

/// Connects to a socket by path or, on Linux, by abstract name (with a leading `@`).
fn connect(name: &OsStr) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    // A manager that does not read must not block the server.
    socket.set_nonblocking(true)?;
    match name.as_bytes() {
        #[cfg(target_os = "linux")]
        [b'@', rest @ ..] => {
            use std::os::linux::net::SocketAddrExt;
            socket.connect_addr(&std::os::unix::net::SocketAddr::from_abstract_name(rest)?)?;
        }
        [b'/', ..] => socket.connect(name)?,
        _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "expected an absolute path or an abstract name that starts with @")),
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::OnShutdown;

    fn manager(at: &OsStr, micros: Option<&str>) -> ServiceManager {
        ServiceManager::from_env(|name| match name {
            "NOTIFY_SOCKET" => Some(at.to_owned()),
            "WATCHDOG_USEC" => micros.map(OsString::from),
            _ => None,
        })
    }

    fn receive(socket: &UnixDatagram) -> String {
        let mut message = [0; 100];
        let length = socket.recv(&mut message).unwrap();
        String::from_utf8(message[..length].to_vec()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_manager_is_notified_of_ready_watchdog_and_stopping() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let receiver = UnixDatagram::bind(&path).unwrap();
        receiver.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let (manager, stop) = (manager(path.as_os_str(), Some("20000000")), Stop::default());
        let address = "127.0.0.1:3000".parse().unwrap();
        let request_stop = async {
            tokio::time::sleep(Duration::from_secs(25)).await;
            stop.request(OnShutdown::Detach);
        };
        tokio::join!(manager.notify_until_stop(address, &stop), request_stop);
        let messages = [receive(&receiver), receive(&receiver), receive(&receiver), receive(&receiver)];
        assert_eq!(messages, ["READY=1\nSTATUS=listening on 127.0.0.1:3000", "WATCHDOG=1", "WATCHDOG=1", "STOPPING=1"]);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn an_abstract_socket_name_is_supported() {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("openrunner-test-{}", uuid::Uuid::now_v7());
        let receiver = UnixDatagram::bind_addr(&std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        manager(OsStr::new(&format!("@{name}")), None).notify("READY=1");
        assert_eq!(receive(&receiver), "READY=1");
    }

    #[tokio::test]
    async fn an_unreachable_manager_is_ignored() {
        for name in ["/nowhere/at/all", "relative", ""] {
            let manager = manager(OsStr::new(name), Some("never"));
            assert!(manager.socket.is_none() && manager.watchdog.is_none());
            manager.notify("READY=1");
        }
    }
}
