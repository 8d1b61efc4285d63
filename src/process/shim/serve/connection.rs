//! One connection to a server: orders in, reports out, never waiting for the other side.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use rustix::event::PollFlags;
use serde_json::value::RawValue;

use crate::process::shim::protocol::{InputCommand, MAX_INPUT, MAX_LINE, Report, ShimCommand};

/// The orders of this version: what is none of them comes from a newer server and is passed over.
const COMMAND_NAMES: [&str; 7] = ["hello", "start", "input", "ack", "set_time_limit", "stop", "release"];

/// A server at the other end of a stream.
#[derive(Debug)]
pub(super) struct Connection {
    stream: UnixStream,
    inbox: Vec<u8>,
    /// So much of the inbox holds no end of a line.
    searched: usize,
    /// An input whose bytes are not all there yet.
    input: Option<PartialInput>,
    outbox: Vec<u8>,
    /// Nothing comes or goes any more; what is in the inbox still counts.
    closed: bool,
}

#[derive(Debug)]
struct PartialInput {
    order: InputCommand,
    pieces: Vec<Vec<u8>>,
    missing: u64,
}

impl PartialInput {
    /// Takes its part of the bytes and gives the rest.
    fn take<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (own, rest) = bytes.split_at(usize::try_from(self.missing).unwrap_or(usize::MAX).min(bytes.len()));
        if !own.is_empty() {
            self.pieces.push(own.to_vec());
            self.missing -= own.len() as u64;
        }
        rest
    }
}

/// What a server has said, whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// An order without bytes. Never [`ShimCommand::Input`].
    ShimCommand(ShimCommand),
    /// Bytes for the agent, in pieces as they came: one large block would stay with the allocator for the rest of our life.
    Stdin(InputCommand, Vec<Vec<u8>>),
}

/// What the other side says is not this protocol, and nothing after it can be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProtocolError;

impl Connection {
    /// Takes a connected stream.
    ///
    /// # Errors
    /// If it cannot be made to never wait.
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, inbox: Vec::new(), searched: 0, input: None, outbox: Vec::new(), closed: false })
    }

    /// What to wait for at this connection.
    pub(super) fn wants(&self) -> PollFlags {
        if self.outbox.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT }
    }

    /// Nothing comes or goes any more.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Everything that was said has gone out, or never will.
    pub(super) fn is_flushed(&self) -> bool {
        self.closed || self.outbox.is_empty()
    }

    /// Takes in what is there, at most one buffer full.
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

    /// The next order that is whole. One that a dying server left unfinished is never given.
    ///
    /// # Errors
    /// If the other side speaks something else: then the connection is of no more use.
    pub(super) fn next(&mut self) -> Result<Option<Message>, ProtocolError> {
        loop {
            if let Some(input) = self.input.take_if(|input| input.missing == 0) {
                return Ok(Some(Message::Stdin(input.order, input.pieces)));
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
                Some(ShimCommand::Input(order)) => {
                    let mut input = PartialInput { missing: order.size, order, pieces: Vec::new() };
                    let inbox = std::mem::take(&mut self.inbox);
                    self.inbox = input.take(&inbox).to_vec();
                    self.input = Some(input);
                }
                Some(order) => return Ok(Some(Message::ShimCommand(order))),
                None => {}
            }
        }
    }

    /// Removes the first bytes of the inbox, and gives its memory back when a large order is through.
    fn cut(&mut self, count: usize) -> Vec<u8> {
        let bytes = self.inbox.drain(..count).collect();
        self.searched = 0;
        if self.inbox.is_empty() {
            self.inbox = Vec::new();
        }
        bytes
    }

    /// Says something as soon as the other side takes it. What waits is bounded by what is ever said unasked: a few lines and a memo.
    pub(super) fn send(&mut self, report: &Report) {
        // Writing these types into memory cannot fail: no map has a key that is not text.
        if serde_json::to_writer(&mut self.outbox, report).is_ok() {
            self.outbox.push(b'\n');
        }
        self.flush();
    }

    /// Sends what the other side takes now.
    pub(super) fn flush(&mut self) {
        while !self.outbox.is_empty() && !self.closed {
            match self.stream.write(&self.outbox) {
                Ok(count) => drop(self.outbox.drain(..count)),
                Err(error) if would_block(&error) => return,
                Err(_broken) => self.closed = true,
            }
        }
        if self.outbox.is_empty() {
            // Its memory may be that of a whole memo.
            self.outbox = Vec::new();
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Not now, but perhaps the next time.
pub(super) fn would_block(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// The order of one line; none if it is one that only newer servers know.
fn parse_command(line: &[u8]) -> Result<Option<ShimCommand>, ProtocolError> {
    if let Ok(order) = serde_json::from_slice(line) {
        return Ok(Some(order));
    }
    // A known order that cannot be read may be followed by bytes of unknown number. To go on would be to take them for orders.
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

    /// The same, however it came in pieces.
    fn joined(messages: Message) -> Message {
        match messages {
            Message::Stdin(order, pieces) => Message::Stdin(order, vec![pieces.concat()]),
            Message::ShimCommand(_) => messages,
        }
    }

    fn conversation() -> Vec<u8> {
        let input = InputCommand { at: 7, size: 12, close: true, ..InputCommand::default() };
        let orders = [
            ShimCommand::Hello { protocol: PROTOCOL },
            ShimCommand::Start(Box::new(StartCommand { program: "/bin/true".into(), ..StartCommand::default() })),
            ShimCommand::Input(input),
            ShimCommand::Stop { grace_ms: 5 },
        ];
        let mut bytes = Vec::new();
        for order in orders {
            serde_json::to_writer(&mut bytes, &order).unwrap();
            bytes.push(b'\n');
            if matches!(order, ShimCommand::Input(_)) {
                bytes.extend_from_slice(b"{\"stop\":1}\n\n");
            }
        }
        bytes
    }

    #[test]
    fn every_order_has_its_name_in_the_list_of_the_known() {
        let orders = [
            ShimCommand::Hello { protocol: 1 },
            ShimCommand::Start(Box::default()),
            ShimCommand::Input(InputCommand::default()),
            ShimCommand::Ack { out: 0, err: 0 },
            ShimCommand::SetTimeLimit { left_ms: None },
            ShimCommand::Stop { grace_ms: 0 },
            ShimCommand::Release {},
        ];
        let names = orders.map(|order| match serde_json::to_value(order).unwrap() {
            serde_json::Value::Object(members) => members.into_iter().next().unwrap().0,
            other => panic!("not an object: {other}"),
        });
        assert_eq!(names, COMMAND_NAMES.map(str::to_owned));
    }

    #[test]
    fn the_bytes_of_an_input_are_never_taken_for_orders() {
        let messages = all(&mut wire_holding(&conversation()));
        assert_eq!(messages.len(), 4);
        assert!(matches!(&messages[2], Message::Stdin(input, pieces) if input.at == 7 && pieces.concat() == b"{\"stop\":1}\n\n"));
        assert_eq!(messages[3], Message::ShimCommand(ShimCommand::Stop { grace_ms: 5 }));
    }

    #[test]
    fn an_order_of_a_later_version_is_passed_over() {
        let mut connection = wire_holding(b"{\"sing\":{\"song\":1}}\n{\"stop\":{\"grace_ms\":1,\"softly\":true}}\n");
        assert_eq!(all(&mut connection), [Message::ShimCommand(ShimCommand::Stop { grace_ms: 1 })]);
    }

    #[test]
    fn what_is_no_order_ends_the_conversation() {
        for line in
            ["GET / HTTP/1.1", "", "[]", "7", "{}", "{\"input\":{\"at\":1}}", "{\"input\":{\"at\":1,\"size\":99999999999}}", "\"stop\""]
        {
            assert_eq!(wire_holding(format!("{line}\n").as_bytes()).next(), Err(ProtocolError), "{line}");
        }
        assert_eq!(wire_holding(&vec![b'x'; MAX_LINE + 1]).next(), Err(ProtocolError));
    }

    proptest! {
        #[test]
        fn however_it_is_cut_the_same_is_heard_and_an_unfinished_order_is_not(cuts in proptest::collection::vec(0_usize..200, 0..6), end in 0_usize..400) {
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
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut connection = wire_holding(&bytes);
            while let Ok(Some(_)) = connection.next() {}
        }
    }
}
