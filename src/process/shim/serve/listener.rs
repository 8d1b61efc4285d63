//! Who is connected: the newest server that has said who it is.

use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use super::connection::{Connection, Message, ProtocolError};
use crate::process::shim::protocol::{Report, ShimCommand};

/// How long nobody new is looked for after the system could not hand somebody over, for want of descriptors perhaps.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// The server that is heard, and who may become it.
#[derive(Debug)]
pub(super) struct Listener {
    listener: UnixListener,
    paused_until: Option<Instant>,
    server: Option<Connection>,
    /// Connected, but not known to be a server: it takes the place of one only with its first word.
    pending: Option<Connection>,
}

/// What came through the door.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Inbound {
    /// Another server is heard from now on, and waits to be greeted.
    NewServer,
    /// The server has said something.
    Message(Message),
    /// Nothing more for now.
    Nothing,
}

impl Listener {
    /// A door with the server inside that has started us.
    pub(super) fn new(listener: UnixListener, server: Connection) -> Self {
        Self { listener, paused_until: None, server: Some(server), pending: None }
    }

    /// The listener, while it is to be looked at.
    pub(super) fn listener(&self, now: Instant) -> Option<&UnixListener> {
        self.paused_until.is_none_or(|until| now >= until).then_some(&self.listener)
    }

    /// The server that is heard.
    pub(super) fn server(&self) -> Option<&Connection> {
        self.server.as_ref()
    }

    /// Who is there but has not said a word.
    pub(super) fn pending(&self) -> Option<&Connection> {
        self.pending.as_ref()
    }

    /// Lets somebody in. A guest who was there before and has said nothing goes.
    pub(super) fn open(&mut self, now: Instant) {
        match self.listener.accept() {
            Ok((stream, _)) if is_ours(&stream) => self.pending = Connection::new(stream).ok(),
            Ok(_stranger) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_for_now) => self.paused_until = Some(now + ACCEPT_PAUSE),
        }
    }

    /// Takes in what the server, or the guest, has sent.
    pub(super) fn receive(&mut self, pending: bool, buffer: &mut [u8]) {
        if let Some(connection) = if pending { &mut self.pending } else { &mut self.server } {
            connection.receive(buffer);
        }
    }

    /// What was said, one thing after the other. Whoever speaks another language is let go, and so is who has gone.
    pub(super) fn receive_next(&mut self) -> Inbound {
        if let Some(pending) = &mut self.pending {
            match pending.next() {
                Ok(Some(Message::ShimCommand(ShimCommand::Hello { .. }))) => {
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

    /// Says something to the server, if there is one.
    pub(super) fn send(&mut self, report: &Report) {
        if let Some(server) = &mut self.server {
            server.send(report);
        }
    }

    /// Sends the server what it takes now.
    pub(super) fn flush(&mut self) {
        if let Some(server) = &mut self.server {
            server.flush();
        }
    }
}

/// Whether the process at the other end has our account. The folder's mode lets in nobody else; this holds where that was changed.
#[cfg(target_os = "linux")]
fn is_ours(stream: &UnixStream) -> bool {
    rustix::net::sockopt::socket_peercred(stream).is_ok_and(|peer| peer.uid == rustix::process::geteuid())
}

/// The folder's mode lets in nobody else.
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
        let come = move |listener: &mut Listener, word: &[u8]| {
            let _keep = &dir;
            let mut stream = UnixStream::connect(&path).unwrap();
            stream.write_all(word).unwrap();
            listener.open(Instant::now());
            listener.receive(true, &mut [0; 100]);
            stream
        };
        (Listener::new(listener, Connection::new(ours).unwrap()), theirs, come)
    }

    #[test]
    fn the_newest_server_is_heard() {
        let (mut listener, _old, come) = listener();
        let _new = come(&mut listener, b"{\"hello\":{\"protocol\":1}}\n{\"stop\":{\"grace_ms\":0}}\n");
        assert_eq!(listener.receive_next(), Inbound::NewServer);
        assert_eq!(listener.receive_next(), Inbound::Message(Message::ShimCommand(ShimCommand::Stop { grace_ms: 0 })));
        assert_eq!(listener.receive_next(), Inbound::Nothing);
    }

    #[test]
    fn a_guest_who_does_not_introduce_himself_takes_nobodys_place() {
        let (mut listener, mut old, come) = listener();
        for word in ["GET / HTTP/1.1\n", "{\"stop\":{\"grace_ms\":0}}\n", "{\"sing\":1"] {
            let _guest = come(&mut listener, word.as_bytes());
            assert_eq!(listener.receive_next(), Inbound::Nothing, "{word}");
        }
        old.write_all(b"{\"set_time_limit\":{\"left_ms\":null}}\n").unwrap();
        listener.receive(false, &mut [0; 100]);
        assert_eq!(listener.receive_next(), Inbound::Message(Message::ShimCommand(ShimCommand::SetTimeLimit { left_ms: None })));
    }

    #[test]
    fn what_a_server_said_whole_before_it_went_counts_and_the_rest_does_not() {
        let (mut listener, mut server, _) = listener();
        server.write_all(b"{\"set_time_limit\":{\"left_ms\":null}}\n{\"stop\":{\"gra").unwrap();
        drop(server);
        listener.receive(false, &mut [0; 100]);
        listener.receive(false, &mut [0; 100]);
        assert_eq!(listener.receive_next(), Inbound::Message(Message::ShimCommand(ShimCommand::SetTimeLimit { left_ms: None })));
        assert_eq!(listener.receive_next(), Inbound::Nothing);
        assert!(listener.server().is_none());
    }
}
