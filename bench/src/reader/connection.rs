//! One stream: its socket, where it stands, and what was read of it.

use std::io;
use std::net::SocketAddrV4;

use memchr::memchr_iter;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect, recv, send, socket_with};

use super::Streams;
use super::http::Answer;
use crate::histogram::Histogram;
use crate::mark::{Search, now, number};

/// Marks older than this are late, in nanoseconds.
const LATE: u64 = 1_000_000_000;

/// What all streams together have read.
pub(super) struct Counters {
    search: Search,
    pub(super) latency: Histogram,
    pub(super) marks: u64,
    pub(super) bytes: u64,
    pub(super) missing: u64,
    pub(super) repeated: u64,
    pub(super) disorder: u64,
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
            disorder: 0,
            late: 0,
            first_written: u64::MAX,
            last_read: 0,
        }
    }
}

/// A stream.
pub(super) struct Connection {
    pub(super) socket: OwnedFd,
    answer: Answer,
    asked: bool,
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
    place: Place,
}

/// Where in its log a stream is.
struct Place {
    /// The number of the last event; 0 as long as there is none.
    id: u64,
    /// The mark that comes next.
    next: u64,
    until: u64,
}

/// What came of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Connected or about to be; the answer's head has not come.
    Asking,
    Open,
    /// Has all it wanted.
    Whole,
    Refused(u16),
    /// Ended too early.
    Cut,
}

impl Connection {
    /// Begins to connect.
    ///
    /// # Errors
    /// If the system has no socket left.
    pub(super) fn begin(address: SocketAddrV4, streams: &Streams) -> io::Result<Self> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        match connect(&socket, &address) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        let place = Place { id: streams.after, next: streams.first, until: streams.until };
        Ok(Self { socket, answer: Answer::new(), asked: false, partial: Vec::new(), place })
    }

    /// Sends the request, once the socket takes it.
    ///
    /// # Errors
    /// If the connection was refused.
    pub(super) fn ask(&mut self, request: &[u8]) -> io::Result<()> {
        if !self.asked {
            // A request is far smaller than a socket's buffer.
            self.asked = send(&self.socket, request, SendFlags::NOSIGNAL)? == request.len();
        }
        Ok(())
    }

    pub(super) fn has_asked(&self) -> bool {
        self.asked
    }

    /// Marks that have not come, of a stream that was let in. One that was not has lost nothing: it is counted as failed.
    pub(super) fn wanting(&self) -> u64 {
        if self.answer.status() == Some(200) { self.place.until.saturating_sub(self.place.next) } else { 0 }
    }

    /// Reads what is there, once.
    pub(super) fn read(&mut self, buffer: &mut [u8], counters: &mut Counters) -> State {
        let count = match recv(&self.socket, &mut *buffer, RecvFlags::empty()) {
            Ok((0, _)) => return self.state_at_end(),
            Ok((count, _)) => count,
            Err(Errno::AGAIN | Errno::INTR) => return self.state(),
            Err(_reset) => return self.state_at_end(),
        };
        counters.bytes += count as u64;
        let moment = now();
        let Self { answer, partial, place, .. } = self;
        if answer.take(&buffer[..count], |bytes| take_lines(partial, bytes, |line| place.line(line, moment, counters))).is_err() {
            return State::Cut;
        }
        if self.answer.is_over() { self.state_at_end() } else { self.state() }
    }

    fn state(&self) -> State {
        match self.answer.status() {
            None => State::Asking,
            Some(200) if self.place.next >= self.place.until => State::Whole,
            Some(200) => State::Open,
            Some(status) => State::Refused(status),
        }
    }

    fn state_at_end(&self) -> State {
        match self.state() {
            State::Asking | State::Open => State::Cut,
            other => other,
        }
    }
}

impl Place {
    fn line(&mut self, line: &[u8], moment: u64, counters: &mut Counters) {
        if let Some(id) = line.strip_prefix(b"id: ") {
            let id = number(id).unwrap_or(0);
            counters.disorder += u64::from(id != self.id + 1);
            self.id = id;
        } else if let Some(mark) = counters.search.find(line) {
            counters.marks += 1;
            match mark.number.checked_sub(self.next) {
                Some(skipped) => {
                    counters.missing += skipped;
                    self.next = mark.number + 1;
                }
                None => counters.repeated += 1,
            }
            let age = moment.saturating_sub(mark.nanos);
            counters.latency.add(age);
            counters.late += u64::from(age > LATE);
            counters.first_written = counters.first_written.min(mark.nanos);
            counters.last_read = counters.last_read.max(moment);
        }
    }
}

/// Cuts bytes into lines without copying those that are whole.
fn take_lines(partial: &mut Vec<u8>, bytes: &[u8], mut line: impl FnMut(&[u8])) {
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

    fn frame(id: u64, mark: u64) -> String {
        let mut text = vec![0; mark::LEN];
        Mark { number: mark, nanos: 1 }.write(&mut text);
        format!("id: {id}\nevent: token\ndata: {{\"content\":\"{}\"}}\n\n", String::from_utf8(text).unwrap())
    }

    fn counted(frames: &[(u64, u64)], piece: usize) -> (u64, u64, u64, u64) {
        let stream: String = frames.iter().map(|(id, mark)| frame(*id, *mark)).collect();
        let (mut counters, mut partial) = (Counters::new(), Vec::new());
        let mut place = Place { id: 4, next: 0, until: 10 };
        for bytes in stream.as_bytes().chunks(piece) {
            take_lines(&mut partial, bytes, |line| place.line(line, 2, &mut counters));
        }
        (counters.marks, counters.missing, counters.repeated, counters.disorder)
    }

    #[test]
    fn what_is_missing_and_what_comes_twice_is_counted() {
        for piece in [1, 7, 1000] {
            assert_eq!(counted(&[(5, 0), (6, 1), (7, 2)], piece), (3, 0, 0, 0));
            assert_eq!(counted(&[(5, 0), (8, 3), (9, 4)], piece), (3, 2, 0, 1));
            assert_eq!(counted(&[(5, 0), (6, 1), (6, 1), (7, 2)], piece), (4, 0, 1, 1));
        }
    }
}
