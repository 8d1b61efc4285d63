//! One connection to a server: orders in, reports out, never waiting for the other side.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use rustix::event::PollFlags;
use serde_json::value::RawValue;

use crate::process::shim::protocol::{InputOrder, MAX_INPUT, MAX_LINE, Order, Report};

/// The orders of this version: what is none of them comes from a newer server and is passed over.
const KNOWN: [&str; 7] = ["hello", "start", "input", "taken", "limit", "stop", "release"];

/// A server at the other end of a stream.
#[derive(Debug)]
pub(super) struct Wire {
    stream: UnixStream,
    inbox: Vec<u8>,
    /// So much of the inbox holds no end of a line.
    searched: usize,
    /// An input whose bytes are not all there yet.
    input: Option<Unfinished>,
    outbox: Vec<u8>,
    /// Nothing comes or goes any more; what is in the inbox still counts.
    closed: bool,
}

#[derive(Debug)]
struct Unfinished {
    order: InputOrder,
    pieces: Vec<Vec<u8>>,
    missing: u64,
}

impl Unfinished {
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
pub(super) enum Heard {
    /// An order without bytes. Never [`Order::Input`].
    Order(Order),
    /// Bytes for the agent, in pieces as they came: one large block would stay with the allocator for the rest of our life.
    Input(InputOrder, Vec<Vec<u8>>),
}

/// What the other side says is not this protocol, and nothing after it can be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Garbage;

impl Wire {
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
            Err(error) if is_for_later(&error) => {}
            Err(_broken) => self.closed = true,
        }
    }

    /// The next order that is whole. One that a dying server left unfinished is never given.
    ///
    /// # Errors
    /// If the other side speaks something else: then the connection is of no more use.
    pub(super) fn next(&mut self) -> Result<Option<Heard>, Garbage> {
        loop {
            if let Some(input) = self.input.take_if(|input| input.missing == 0) {
                return Ok(Some(Heard::Input(input.order, input.pieces)));
            }
            if self.input.is_some() {
                return Ok(None);
            }
            let Some(end) = memchr::memchr(b'\n', &self.inbox[self.searched..]) else {
                self.searched = self.inbox.len();
                return if self.searched > MAX_LINE { Err(Garbage) } else { Ok(None) };
            };
            let mut line = self.cut(self.searched + end + 1);
            line.pop();
            match understand(&line)? {
                Some(Order::Input(input)) if input.size > MAX_INPUT => return Err(Garbage),
                Some(Order::Input(order)) => {
                    let mut input = Unfinished { missing: order.size, order, pieces: Vec::new() };
                    let inbox = std::mem::take(&mut self.inbox);
                    self.inbox = input.take(&inbox).to_vec();
                    self.input = Some(input);
                }
                Some(order) => return Ok(Some(Heard::Order(order))),
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
    pub(super) fn say(&mut self, report: &Report) {
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
                Err(error) if is_for_later(&error) => return,
                Err(_broken) => self.closed = true,
            }
        }
        if self.outbox.is_empty() {
            // Its memory may be that of a whole memo.
            self.outbox = Vec::new();
        }
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Not now, but perhaps the next time.
pub(super) fn is_for_later(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// The order of one line; none if it is one that only newer servers know.
fn understand(line: &[u8]) -> Result<Option<Order>, Garbage> {
    if let Ok(order) = serde_json::from_slice(line) {
        return Ok(Some(order));
    }
    // A known order that cannot be read may be followed by bytes of unknown number. To go on would be to take them for orders.
    let named: BTreeMap<String, &RawValue> = serde_json::from_slice(line).map_err(|_| Garbage)?;
    if named.len() == 1 && named.keys().all(|name| !KNOWN.contains(&name.as_str())) { Ok(None) } else { Err(Garbage) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::process::shim::{PROTOCOL, StartOrder};

    fn wire_holding(bytes: &[u8]) -> Wire {
        let (stream, _other) = UnixStream::pair().unwrap();
        Wire { inbox: bytes.to_vec(), ..Wire::new(stream).unwrap() }
    }

    fn all(wire: &mut Wire) -> Vec<Heard> {
        std::iter::from_fn(|| wire.next().unwrap()).collect()
    }

    /// The same, however it came in pieces.
    fn joined(heard: Heard) -> Heard {
        match heard {
            Heard::Input(order, pieces) => Heard::Input(order, vec![pieces.concat()]),
            Heard::Order(_) => heard,
        }
    }

    fn conversation() -> Vec<u8> {
        let input = InputOrder { at: 7, size: 12, close: true, ..InputOrder::default() };
        let orders = [
            Order::Hello { protocol: PROTOCOL },
            Order::Start(Box::new(StartOrder { program: "/bin/true".into(), ..StartOrder::default() })),
            Order::Input(input),
            Order::Stop { grace_ms: 5 },
        ];
        let mut bytes = Vec::new();
        for order in orders {
            serde_json::to_writer(&mut bytes, &order).unwrap();
            bytes.push(b'\n');
            if matches!(order, Order::Input(_)) {
                bytes.extend_from_slice(b"{\"stop\":1}\n\n");
            }
        }
        bytes
    }

    #[test]
    fn every_order_has_its_name_in_the_list_of_the_known() {
        let orders = [
            Order::Hello { protocol: 1 },
            Order::Start(Box::default()),
            Order::Input(InputOrder::default()),
            Order::Taken { out: 0, err: 0 },
            Order::Limit { left_ms: None },
            Order::Stop { grace_ms: 0 },
            Order::Release {},
        ];
        let names = orders.map(|order| match serde_json::to_value(order).unwrap() {
            serde_json::Value::Object(members) => members.into_iter().next().unwrap().0,
            other => panic!("not an object: {other}"),
        });
        assert_eq!(names, KNOWN.map(str::to_owned));
    }

    #[test]
    fn the_bytes_of_an_input_are_never_taken_for_orders() {
        let heard = all(&mut wire_holding(&conversation()));
        assert_eq!(heard.len(), 4);
        assert!(matches!(&heard[2], Heard::Input(input, pieces) if input.at == 7 && pieces.concat() == b"{\"stop\":1}\n\n"));
        assert_eq!(heard[3], Heard::Order(Order::Stop { grace_ms: 5 }));
    }

    #[test]
    fn an_order_of_a_later_version_is_passed_over() {
        let mut wire = wire_holding(b"{\"sing\":{\"song\":1}}\n{\"stop\":{\"grace_ms\":1,\"softly\":true}}\n");
        assert_eq!(all(&mut wire), [Heard::Order(Order::Stop { grace_ms: 1 })]);
    }

    #[test]
    fn what_is_no_order_ends_the_conversation() {
        for line in
            ["GET / HTTP/1.1", "", "[]", "7", "{}", "{\"input\":{\"at\":1}}", "{\"input\":{\"at\":1,\"size\":99999999999}}", "\"stop\""]
        {
            assert_eq!(wire_holding(format!("{line}\n").as_bytes()).next(), Err(Garbage), "{line}");
        }
        assert_eq!(wire_holding(&vec![b'x'; MAX_LINE + 1]).next(), Err(Garbage));
    }

    proptest! {
        #[test]
        fn however_it_is_cut_the_same_is_heard_and_an_unfinished_order_is_not(cuts in proptest::collection::vec(0_usize..200, 0..6), end in 0_usize..400) {
            let whole = conversation();
            let said = &whole[..end.min(whole.len())];
            let (stream, mut other) = UnixStream::pair().unwrap();
            let mut wire = Wire::new(stream).unwrap();
            let (mut heard, mut rest) = (Vec::new(), said);
            for cut in cuts.into_iter().chain([usize::MAX]) {
                let (now, later) = rest.split_at(cut.min(rest.len()));
                other.write_all(now).unwrap();
                wire.receive(&mut [0; 1000]);
                heard.extend(all(&mut wire).into_iter().map(joined));
                rest = later;
            }
            let expected: Vec<Heard> = all(&mut wire_holding(&whole)).into_iter().map(joined).collect();
            prop_assert_eq!(&heard[..], &expected[..heard.len()]);
            prop_assert_eq!(heard.len() == expected.len(), said.len() == whole.len());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut wire = wire_holding(&bytes);
            while let Ok(Some(_)) = wire.next() {}
        }
    }
}
