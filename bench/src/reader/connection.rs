//! One stream: its socket, its position, and what was read from it.

use std::io;
use std::net::SocketAddrV4;

use memchr::memchr_iter;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect, recv, send, socket_with};

use super::http::ResponseParser;
use super::plan::Streams;
use crate::histogram::Histogram;
use crate::mark::{Search, now, parse_number};

/// Marks older than this are late, in nanoseconds.
const LATE_NANOS: u64 = 1_000_000_000;

/// Totals of all streams.
pub(super) struct Counters {
    search: Search,
    pub(super) latency: Histogram,
    pub(super) marks: u64,
    pub(super) bytes: u64,
    pub(super) missing: u64,
    pub(super) repeated: u64,
    pub(super) out_of_order: u64,
    pub(super) late: u64,
    pub(super) first_written: u64,
    pub(super) last_read: u64,
}

impl Counters {
    pub(super) fn new() -> Self {
        Self {
            search: Search::new(),
            latency: Histogram::new(),
            marks: 0,
            bytes: 0,
            missing: 0,
            repeated: 0,
            out_of_order: 0,
            late: 0,
            first_written: u64::MAX,
            last_read: 0,
        }
    }
}

/// A stream.
pub(super) struct Connection {
    pub(super) socket: OwnedFd,
    response: ResponseParser,
    requested: bool,
    /// The start of an incomplete line.
    partial: Vec<u8>,
    cursor: Cursor,
}

/// The position of a stream.
struct Cursor {
    /// Sequence number of the last event; 0 before the first.
    seq: u64,
    /// The next expected mark.
    next: u64,
    until: u64,
}

/// State of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// No response headers yet.
    Pending,
    Open,
    /// Received all expected marks.
    Complete,
    /// Received a status other than 200.
    Refused(u16),
    /// Ended before it was complete.
    Disconnected,
}

impl Connection {
    /// Starts to connect, without waiting.
    ///
    /// # Errors
    /// If the system cannot create the socket.
    pub(super) fn start(address: SocketAddrV4, streams: &Streams) -> io::Result<Self> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        match connect(&socket, &address) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        let cursor = Cursor { seq: streams.after, next: streams.first, until: streams.until };
        Ok(Self { socket, response: ResponseParser::new(), requested: false, partial: Vec::new(), cursor })
    }

    /// Sends the request once the socket is writable.
    ///
    /// # Errors
    /// If the connection failed.
    pub(super) fn send_request(&mut self, request: &[u8]) -> io::Result<()> {
        if !self.requested {
            // A request always fits into the socket's buffer.
            self.requested = send(&self.socket, request, SendFlags::NOSIGNAL)? == request.len();
        }
        Ok(())
    }

    pub(super) fn has_requested(&self) -> bool {
        self.requested
    }

    /// Marks not received at the end of an open stream. Other streams are counted as failed instead.
    pub(super) fn missing(&self) -> u64 {
        if self.response.status() == Some(200) { self.cursor.until.saturating_sub(self.cursor.next) } else { 0 }
    }

    /// Reads available data once.
    pub(super) fn read(&mut self, buffer: &mut [u8], counters: &mut Counters) -> State {
        let count = match recv(&self.socket, &mut *buffer, RecvFlags::empty()) {
            Ok((0, _)) => return self.state_at_end(),
            Ok((count, _)) => count,
            Err(Errno::AGAIN | Errno::INTR) => return self.state(),
            Err(_reset) => return self.state_at_end(),
        };
        counters.bytes += count as u64;
        let read_at = now();
        let Self { response, partial, cursor, .. } = self;
        let mut handle_body = |bytes: &[u8]| split_lines(partial, bytes, |line| cursor.handle_line(line, read_at, counters));
        if response.feed(&buffer[..count], &mut handle_body).is_err() {
            return State::Disconnected;
        }
        if self.response.is_complete() { self.state_at_end() } else { self.state() }
    }

    fn state(&self) -> State {
        match self.response.status() {
            None => State::Pending,
            Some(200) if self.cursor.next >= self.cursor.until => State::Complete,
            Some(200) => State::Open,
            Some(status) => State::Refused(status),
        }
    }

    fn state_at_end(&self) -> State {
        match self.state() {
            State::Pending | State::Open => State::Disconnected,
            other => other,
        }
    }
}

impl Cursor {
    fn handle_line(&mut self, line: &[u8], read_at: u64, counters: &mut Counters) {
        if let Some(id) = line.strip_prefix(b"id: ") {
            let seq = parse_number(id).unwrap_or(0);
            counters.out_of_order += u64::from(seq != self.seq + 1);
            self.seq = seq;
        } else if let Some(mark) = counters.search.find(line) {
            counters.marks += 1;
            match mark.number.checked_sub(self.next) {
                Some(skipped) => {
                    counters.missing += skipped;
                    self.next = mark.number + 1;
                }
                None => counters.repeated += 1,
            }
            let age = read_at.saturating_sub(mark.nanos);
            counters.latency.add(age);
            counters.late += u64::from(age > LATE_NANOS);
            counters.first_written = counters.first_written.min(mark.nanos);
            counters.last_read = counters.last_read.max(read_at);
        }
    }
}

/// Splits bytes into lines, without copying lines that are complete in `bytes`.
fn split_lines(partial: &mut Vec<u8>, bytes: &[u8], mut line: impl FnMut(&[u8])) {
    let mut start = 0;
    for end in memchr_iter(b'\n', bytes) {
        if partial.is_empty() {
            line(&bytes[start..end]);
        } else {
            partial.extend_from_slice(&bytes[start..end]);
            line(partial);
            partial.clear();
        }
        start = end + 1;
    }
    partial.extend_from_slice(&bytes[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mark::{self, Mark};

    fn frame(seq: u64, mark: u64) -> String {
        let mut text = vec![0; mark::LEN];
        Mark { number: mark, nanos: 1 }.write(&mut text);
        format!("id: {seq}\nevent: token\ndata: {{\"content\":\"{}\"}}\n\n", String::from_utf8(text).unwrap())
    }

    fn count(frames: &[(u64, u64)], chunk_size: usize) -> (u64, u64, u64, u64) {
        let stream: String = frames.iter().map(|(seq, mark)| frame(*seq, *mark)).collect();
        let (mut counters, mut partial) = (Counters::new(), Vec::new());
        let mut cursor = Cursor { seq: 4, next: 0, until: 10 };
        for bytes in stream.as_bytes().chunks(chunk_size) {
            split_lines(&mut partial, bytes, |line| cursor.handle_line(line, 2, &mut counters));
        }
        (counters.marks, counters.missing, counters.repeated, counters.out_of_order)
    }

    #[test]
    fn missing_and_repeated_marks_are_counted() {
        for size in [1, 7, 1000] {
            assert_eq!(count(&[(5, 0), (6, 1), (7, 2)], size), (3, 0, 0, 0));
            assert_eq!(count(&[(5, 0), (8, 3), (9, 4)], size), (3, 2, 0, 1));
            assert_eq!(count(&[(5, 0), (6, 1), (6, 1), (7, 2)], size), (4, 0, 1, 1));
        }
    }
}
