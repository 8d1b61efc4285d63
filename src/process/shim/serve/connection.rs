//! One connection to a server: commands in, reports out, never blocking.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use rustix::event::PollFlags;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use serde_json::value::RawValue;

use crate::process::shim::protocol::{InputCommand, MAX_INPUT, MAX_LINE, Report, ShimCommand};

/// The commands of this protocol version. Any other command comes from a newer server and is skipped.
const COMMAND_NAMES: [&str; 9] = ["hello", "start", "input", "ack", "set_time_limit", "stop", "lend", "return", "release"];

/// A connection to a server.
#[derive(Debug)]
pub(super) struct Connection {
    stream: UnixStream,
    inbox: Vec<u8>,
    /// Bytes of the inbox that contain no newline.
    searched: usize,
    /// An input command whose bytes have not all arrived.
    input: Option<PartialInput>,
    outbox: Vec<u8>,
    /// Nothing more is received or sent. Messages in the inbox still count.
    closed: bool,
}

#[derive(Debug)]
struct PartialInput {
    command: InputCommand,
    pieces: Vec<Vec<u8>>,
    missing: u64,
}

impl PartialInput {
    /// Takes the bytes that belong to it and returns the rest.
    fn take<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (own, rest) = bytes.split_at(usize::try_from(self.missing).unwrap_or(usize::MAX).min(bytes.len()));
        if !own.is_empty() {
            self.pieces.push(own.to_vec());
            self.missing -= own.len() as u64;
        }
        rest
    }
}

/// A complete message of a server.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// A command without bytes. Never [`ShimCommand::Input`].
    Command(ShimCommand),
    /// Bytes for the agent, in the pieces in which they arrived: the allocator would never return one large block.
    Input(InputCommand, Vec<Vec<u8>>),
}

/// The other side does not speak this protocol; nothing after this can be parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProtocolError;

impl Connection {
    /// Wraps a connected stream.
    ///
    /// # Errors
    /// If it cannot be made non-blocking.
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, inbox: Vec::new(), searched: 0, input: None, outbox: Vec::new(), closed: false })
    }

    /// Events to poll for.
    pub(super) fn wants(&self) -> PollFlags {
        if self.outbox.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT }
    }

    /// Whether nothing more is received or sent.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether every report has been sent, or never will be.
    pub(super) fn is_flushed(&self) -> bool {
        self.closed || self.outbox.is_empty()
    }

    /// Receives what has arrived, at most one buffer.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) {
        match self.stream.read(buffer) {
            Ok(0) => self.closed = true,
            Ok(count) => {
                let bytes = &buffer[..count];
                let rest = self.input.as_mut().map_or(bytes, |input| input.take(bytes));
                self.inbox.extend_from_slice(rest);
            }
            Err(error) if would_block(&error) => {}
            Err(_broken) => self.closed = true,
        }
    }

    /// Returns the next complete message. A message that a dying server left incomplete is never returned.
    ///
    /// # Errors
    /// If the other side does not speak this protocol. The connection is then unusable.
    pub(super) fn next(&mut self) -> Result<Option<Message>, ProtocolError> {
        loop {
            if let Some(input) = self.input.take_if(|input| input.missing == 0) {
                return Ok(Some(Message::Input(input.command, input.pieces)));
            }
            if self.input.is_some() {
                return Ok(None);
            }
            let Some(end) = memchr::memchr(b'\n', &self.inbox[self.searched..]) else {
                self.searched = self.inbox.len();
                return if self.searched > MAX_LINE { Err(ProtocolError) } else { Ok(None) };
            };
            let mut line = self.cut(self.searched + end + 1);
            line.pop();
            match parse_command(&line)? {
                Some(ShimCommand::Input(input)) if input.size > MAX_INPUT => return Err(ProtocolError),
                Some(ShimCommand::Input(command)) => {
                    let mut input = PartialInput { missing: command.size, command, pieces: Vec::new() };
                    let inbox = std::mem::take(&mut self.inbox);
                    self.inbox = input.take(&inbox).to_vec();
                    self.input = Some(input);
                }
                Some(command) => return Ok(Some(Message::Command(command))),
                None => {}
            }
        }
    }

    /// Removes the first bytes of the inbox, and frees its memory after a large command.
    fn cut(&mut self, count: usize) -> Vec<u8> {
        let bytes = self.inbox.drain(..count).collect();
        self.searched = 0;
        if self.inbox.is_empty() {
            self.inbox = Vec::new();
        }
        bytes
    }

    /// Queues a report and sends as much as possible. The queue is bounded by what is sent unrequested: a few lines and a handover.
    pub(super) fn send(&mut self, report: &Report) {
        // Serialization cannot fail: all map keys are strings.
        if serde_json::to_writer(&mut self.outbox, report).is_ok() {
            self.outbox.push(b'\n');
        }
        self.flush();
    }

    /// Sends a report together with a descriptor. Returns whether it was sent; it is not if other reports wait to be sent.
    pub(super) fn send_with(&mut self, report: &Report, descriptor: BorrowedFd<'_>) -> bool {
        if !self.is_flushed() || self.closed {
            return false;
        }
        let Ok(mut line) = serde_json::to_vec(report) else { return false };
        line.push(b'\n');
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors = [descriptor];
        if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
            return false;
        }
        // A descriptor arrives with the first byte of its message.
        match rustix::net::sendmsg(&self.stream, &[IoSlice::new(&line)], &mut control, SendFlags::NOSIGNAL) {
            Ok(count) => {
                self.outbox.extend_from_slice(&line[count..]);
                true
            }
            Err(_later_or_never) => false,
        }
    }

    /// Sends as much as the socket accepts.
    pub(super) fn flush(&mut self) {
        while !self.outbox.is_empty() && !self.closed {
            match self.stream.write(&self.outbox) {
                Ok(count) => drop(self.outbox.drain(..count)),
                Err(error) if would_block(&error) => return,
                Err(_broken) => self.closed = true,
            }
        }
        if self.outbox.is_empty() {
            // It may have held a complete handover.
            self.outbox = Vec::new();
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Whether the operation can be retried later.
pub(super) fn would_block(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// The command on one line; `None` if only newer servers know it.
fn parse_command(line: &[u8]) -> Result<Option<ShimCommand>, ProtocolError> {
    if let Ok(command) = serde_json::from_slice(line) {
        return Ok(Some(command));
    }
    // An unreadable command may be followed by an unknown number of bytes, which must not be parsed as commands.
    let named: BTreeMap<String, &RawValue> = serde_json::from_slice(line).map_err(|_| ProtocolError)?;
    if named.len() == 1 && named.keys().all(|name| !COMMAND_NAMES.contains(&name.as_str())) { Ok(None) } else { Err(ProtocolError) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::process::shim::{PROTOCOL, StartCommand};

    fn wire_holding(bytes: &[u8]) -> Connection {
        let (stream, _other) = UnixStream::pair().unwrap();
        Connection { inbox: bytes.to_vec(), ..Connection::new(stream).unwrap() }
    }

    fn all(connection: &mut Connection) -> Vec<Message> {
        std::iter::from_fn(|| connection.next().unwrap()).collect()
    }

    /// The same message with its pieces joined.
    fn joined(message: Message) -> Message {
        match message {
            Message::Input(command, pieces) => Message::Input(command, vec![pieces.concat()]),
            Message::Command(_) => message,
        }
    }

    fn conversation() -> Vec<u8> {
        let input = InputCommand { at: 7, size: 12, close: true, ..InputCommand::default() };
        let commands = [
            ShimCommand::Hello { protocol: PROTOCOL },
            ShimCommand::Start(Box::new(StartCommand { program: "/bin/true".into(), ..StartCommand::default() })),
            ShimCommand::Input(input),
            ShimCommand::Stop { grace_ms: 5 },
        ];
        let mut bytes = Vec::new();
        for command in commands {
            serde_json::to_writer(&mut bytes, &command).unwrap();
            bytes.push(b'\n');
            if matches!(command, ShimCommand::Input(_)) {
                bytes.extend_from_slice(b"{\"stop\":1}\n\n");
            }
        }
        bytes
    }

    #[test]
    fn the_list_of_command_names_is_complete() {
        let commands = [
            ShimCommand::Hello { protocol: 1 },
            ShimCommand::Start(Box::default()),
            ShimCommand::Input(InputCommand::default()),
            ShimCommand::Ack { out: 0, err: 0 },
            ShimCommand::SetTimeLimit { left_ms: None },
            ShimCommand::Stop { grace_ms: 0 },
            ShimCommand::Lend {},
            ShimCommand::Return {},
            ShimCommand::Release {},
        ];
        let names = commands.map(|command| match serde_json::to_value(command).unwrap() {
            serde_json::Value::Object(members) => members.into_iter().next().unwrap().0,
            other => panic!("not an object: {other}"),
        });
        assert_eq!(names, COMMAND_NAMES.map(str::to_owned));
    }

    #[test]
    fn the_bytes_of_an_input_are_never_parsed_as_commands() {
        let messages = all(&mut wire_holding(&conversation()));
        assert_eq!(messages.len(), 4);
        assert!(matches!(&messages[2], Message::Input(input, pieces) if input.at == 7 && pieces.concat() == b"{\"stop\":1}\n\n"));
        assert_eq!(messages[3], Message::Command(ShimCommand::Stop { grace_ms: 5 }));
    }

    #[test]
    fn a_command_of_a_later_version_is_skipped() {
        let mut connection = wire_holding(b"{\"unknown\":{\"field\":1}}\n{\"stop\":{\"grace_ms\":1,\"softly\":true}}\n");
        assert_eq!(all(&mut connection), [Message::Command(ShimCommand::Stop { grace_ms: 1 })]);
    }

    #[test]
    fn a_line_that_is_no_command_ends_the_connection() {
        for line in
            ["GET / HTTP/1.1", "", "[]", "7", "{}", "{\"input\":{\"at\":1}}", "{\"input\":{\"at\":1,\"size\":99999999999}}", "\"stop\""]
        {
            assert_eq!(wire_holding(format!("{line}\n").as_bytes()).next(), Err(ProtocolError), "{line}");
        }
        assert_eq!(wire_holding(&vec![b'x'; MAX_LINE + 1]).next(), Err(ProtocolError));
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_messages_and_no_incomplete_one(cuts in proptest::collection::vec(0_usize..200, 0..6), end in 0_usize..400) {
            let whole = conversation();
            let written = &whole[..end.min(whole.len())];
            let (stream, mut other) = UnixStream::pair().unwrap();
            let mut connection = Connection::new(stream).unwrap();
            let (mut messages, mut rest) = (Vec::new(), written);
            for cut in cuts.into_iter().chain([usize::MAX]) {
                let (now, later) = rest.split_at(cut.min(rest.len()));
                other.write_all(now).unwrap();
                connection.receive(&mut [0; 1000]);
                messages.extend(all(&mut connection).into_iter().map(joined));
                rest = later;
            }
            let expected: Vec<Message> = all(&mut wire_holding(&whole)).into_iter().map(joined).collect();
            prop_assert_eq!(&messages[..], &expected[..messages.len()]);
            prop_assert_eq!(messages.len() == expected.len(), written.len() == whole.len());
        }

        #[test]
        fn no_bytes_cause_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut connection = wire_holding(&bytes);
            while let Ok(Some(_)) = connection.next() {}
        }
    }
}
