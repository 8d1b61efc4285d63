//! Connections to servers: the newest server that has sent `hello` is the only one that is heard.

use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use super::connection::{Connection, Message, ProtocolError};
use crate::process::shim::protocol::{Report, ShimCommand};

/// Pause after a failed `accept`, for example without file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// The connected server, and a connection that may beconnect it.
#[derive(Debug)]
pub(super) struct Listener {
    socket: UnixListener,
    paused_until: Option<Instant>,
    server: Option<Connection>,
    /// Accepted, but without a `hello`. It replaces the server only when it sends one.
    pending: Option<Connection>,
}

/// What was received.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Inbound {
    /// A new server has replaced the previous one and expects a greeting.
    NewServer,
    /// A message of the server.
    Message(Message),
    /// Nothing more for now.
    Nothing,
}

impl Listener {
    /// A listener with the connection to the server that started the shim.
    pub(super) fn new(socket: UnixListener, server: Connection) -> Self {
        Self { socket, paused_until: None, server: Some(server), pending: None }
    }

    /// The socket to poll, unless accepting is paused.
    pub(super) fn socket(&self, now: Instant) -> Option<&UnixListener> {
        self.paused_until.is_none_or(|until| now >= until).then_some(&self.socket)
    }

    /// The connected server.
    pub(super) fn server(&self) -> Option<&Connection> {
        self.server.as_ref()
    }

    /// The connection that has not sent `hello`.
    pub(super) fn pending(&self) -> Option<&Connection> {
        self.pending.as_ref()
    }

    /// Accepts a connection, replacing any pending one that has not sent `hello`.
    pub(super) fn open(&mut self, now: Instant) {
        match self.socket.accept() {
            Ok((stream, _)) if is_ours(&stream) => self.pending = Connection::new(stream).ok(),
            Ok(_stranger) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_for_now) => self.paused_until = Some(now + ACCEPT_PAUSE),
        }
    }

    /// Receives bytes from the server, or from the pending connection.
    pub(super) fn receive(&mut self, pending: bool, buffer: &mut [u8]) {
        if let Some(connection) = if pending { &mut self.pending } else { &mut self.server } {
            connection.receive(buffer);
        }
    }

    /// Returns the next message. Closes connections that ended or that do not speak the protocol.
    pub(super) fn receive_next(&mut self) -> Inbound {
        if let Some(pending) = &mut self.pending {
            match pending.next() {
                Ok(Some(Message::Command(ShimCommand::Hello { .. }))) => {
                    self.server = self.pending.take();
                    return Inbound::NewServer;
                }
                Ok(None) if !pending.is_closed() => {}
                Ok(_) | Err(ProtocolError) => self.pending = None,
            }
        }
        if let Some(server) = &mut self.server {
            match server.next() {
                Ok(Some(messages)) => return Inbound::Message(messages),
                Ok(None) if !server.is_closed() => {}
                Ok(None) | Err(ProtocolError) => self.server = None,
            }
        }
        Inbound::Nothing
    }

    /// Sends a report to the server, if one is connected.
    pub(super) fn send(&mut self, report: &Report) {
        if let Some(server) = &mut self.server {
            server.send(report);
        }
    }

    /// Sends a report to the server together with a descriptor. Returns whether it was sent.
    pub(super) fn send_with(&mut self, report: &Report, descriptor: BorrowedFd<'_>) -> bool {
        self.server.as_mut().is_some_and(|server| server.send_with(report, descriptor))
    }

    /// Sends as much as the socket accepts.
    pub(super) fn flush(&mut self) {
        if let Some(server) = &mut self.server {
            server.flush();
        }
    }
}

/// Whether the peer runs under this account. The mode of the directory already excludes others; this check holds even if the mode was
/// changed.
#[cfg(target_os = "linux")]
fn is_ours(stream: &UnixStream) -> bool {
    rustix::net::sockopt::socket_peercred(stream).is_ok_and(|peer| peer.uid == rustix::process::geteuid())
}

/// The mode of the directory excludes other accounts.
#[cfg(not(target_os = "linux"))]
fn is_ours(_stream: &UnixStream) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn listener() -> (Listener, UnixStream, impl Fn(&mut Listener, &[u8]) -> UnixStream) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let connect = move |listener: &mut Listener, bytes: &[u8]| {
            let _keep = &dir;
            let mut stream = UnixStream::connect(&path).unwrap();
            stream.write_all(bytes).unwrap();
            listener.open(Instant::now());
            listener.receive(true, &mut [0; 100]);
            stream
        };
        (Listener::new(listener, Connection::new(ours).unwrap()), theirs, connect)
    }

    #[test]
    fn the_newest_server_replaces_the_previous_one() {
        let (mut listener, _old, connect) = listener();
        let _new = connect(&mut listener, b"{\"hello\":{\"protocol\":1}}\n{\"stop\":{\"grace_ms\":0}}\n");
        assert_eq!(listener.receive_next(), Inbound::NewServer);
        assert_eq!(listener.receive_next(), Inbound::Message(Message::Command(ShimCommand::Stop { grace_ms: 0 })));
        assert_eq!(listener.receive_next(), Inbound::Nothing);
    }

    #[test]
    fn a_connection_without_hello_replaces_no_server() {
        let (mut listener, mut old, connect) = listener();
        for bytes in ["GET / HTTP/1.1\n", "{\"stop\":{\"grace_ms\":0}}\n", "{\"unknown\":1"] {
            let _pending = connect(&mut listener, bytes.as_bytes());
            assert_eq!(listener.receive_next(), Inbound::Nothing, "{bytes}");
        }
        old.write_all(b"{\"set_time_limit\":{\"left_ms\":null}}\n").unwrap();
        listener.receive(false, &mut [0; 100]);
        assert_eq!(listener.receive_next(), Inbound::Message(Message::Command(ShimCommand::SetTimeLimit { left_ms: None })));
    }

    #[test]
    fn complete_messages_of_a_closed_connection_count_and_incomplete_ones_do_not() {
        let (mut listener, mut server, _) = listener();
        server.write_all(b"{\"set_time_limit\":{\"left_ms\":null}}\n{\"stop\":{\"gra").unwrap();
        drop(server);
        listener.receive(false, &mut [0; 100]);
        listener.receive(false, &mut [0; 100]);
        assert_eq!(listener.receive_next(), Inbound::Message(Message::Command(ShimCommand::SetTimeLimit { left_ms: None })));
        assert_eq!(listener.receive_next(), Inbound::Nothing);
        assert!(listener.server().is_none());
    }
}
