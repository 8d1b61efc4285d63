//! The reading itself: all sockets in one epoll, one buffer for all.

use std::fmt::Write as _;
use std::io::{self, BufRead, Write};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::time::Timespec;

use super::connection::{Connection, Counters, State};
use super::{Plan, Ready, Report, Word};
use crate::histogram::Histogram;
use crate::mark::now;

/// How much is read at once, for whichever stream it is.
const BUFFER: usize = 256 * 1024;
/// Connections whose answer has not begun, where they do not come as a storm: less than servers keep waiting.
const ASKING: usize = 256;
/// Longest time without a look at the clock.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// Carries out a plan.
///
/// # Errors
/// If the system refuses sockets, or the driver has gone.
pub(super) fn read(plan: &Plan) -> anyhow::Result<()> {
    let mut reader = Reader::new(plan)?;
    let deadline = Instant::now() + Duration::from_secs(plan.patience);
    while reader.has_to_connect() && Instant::now() < deadline {
        reader.connect()?;
        reader.turn()?;
    }
    say(&Word::Ready(reader.ready()))?;
    if plan.held {
        io::stdin().lock().read_line(&mut String::new())?;
        reader.let_go()?;
    }
    let deadline = Instant::now() + Duration::from_secs(plan.patience);
    while reader.open > 0 && Instant::now() < deadline {
        reader.turn()?;
    }
    say(&Word::Report(reader.report()))?;
    // Whoever measures decides when the connections go.
    io::stdin().lock().read_line(&mut String::new())?;
    Ok(())
}

fn say(word: &Word) -> anyhow::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{}", serde_json::to_string(word)?)?;
    Ok(out.flush()?)
}

struct Reader<'a> {
    plan: &'a Plan,
    epoll: OwnedFd,
    events: Vec<Event>,
    buffer: Vec<u8>,
    /// The streams of the plan, one by one, by the place of their kind in it.
    wanted: Vec<usize>,
    requests: Vec<Vec<u8>>,
    connections: Vec<(Connection, State)>,
    counters: Counters,
    begun: u64,
    whole_after: Histogram,
    asking: usize,
    open: usize,
    ready: Ready,
    whole: usize,
}

impl<'a> Reader<'a> {
    fn new(plan: &'a Plan) -> io::Result<Self> {
        let wanted = plan.streams.iter().enumerate().flat_map(|(at, streams)| std::iter::repeat_n(at, streams.count)).collect();
        let request = |streams: &super::Streams| {
            let mut request = format!("GET {} HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\n", streams.path, plan.address);
            if !plan.token.is_empty() {
                let _ = write!(request, "Authorization: Bearer {}\r\n", plan.token);
            }
            if streams.after > 0 {
                let _ = write!(request, "Last-Event-ID: {}\r\n", streams.after);
            }
            (request + "\r\n").into_bytes()
        };
        Ok(Self {
            plan,
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            events: Vec::with_capacity(1024),
            buffer: vec![0; BUFFER],
            wanted,
            requests: plan.streams.iter().map(request).collect(),
            connections: Vec::new(),
            counters: Counters::new(),
            begun: now(),
            whole_after: Histogram::new(),
            asking: 0,
            open: 0,
            ready: Ready::default(),
            whole: 0,
        })
    }

    fn has_to_connect(&self) -> bool {
        self.connections.len() < self.wanted.len() || self.asking > 0
    }

    /// Begins as many connections as may be begun.
    fn connect(&mut self) -> io::Result<()> {
        while self.connections.len() < self.wanted.len() && (self.plan.storm || self.asking < ASKING) {
            let at = self.connections.len();
            let connection = Connection::begin(self.plan.address, &self.plan.streams[self.wanted[at]])?;
            epoll::add(&self.epoll, &connection.socket, EventData::new_u64(at as u64), EventFlags::OUT)?;
            self.connections.push((connection, State::Asking));
            self.asking += 1;
        }
        Ok(())
    }

    /// Waits for something to happen and deals with it.
    fn turn(&mut self) -> io::Result<()> {
        let mut events = std::mem::take(&mut self.events);
        match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&LOOK)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in events.drain(..) {
            self.happened(usize::try_from(event.data.u64()).unwrap_or(usize::MAX))?;
        }
        self.events = events;
        Ok(())
    }

    fn happened(&mut self, at: usize) -> io::Result<()> {
        let (connection, before) = &mut self.connections[at];
        let data = EventData::new_u64(at as u64);
        let after = if connection.has_asked() {
            connection.read(&mut self.buffer, &mut self.counters)
        } else {
            match connection.ask(&self.requests[self.wanted[at]]) {
                Ok(()) => {
                    epoll::modify(&self.epoll, &connection.socket, data, EventFlags::IN)?;
                    State::Asking
                }
                Err(_refused) => State::Cut,
            }
        };
        let before = std::mem::replace(before, after);
        if before == after {
            return Ok(());
        }
        if before == State::Asking {
            self.asking -= 1;
            self.ready.open += usize::from(matches!(after, State::Open | State::Whole));
            self.open += 1;
        }
        match after {
            State::Open if self.plan.held => epoll::delete(&self.epoll, &connection.socket)?,
            State::Asking | State::Open => {}
            State::Whole | State::Refused(_) | State::Cut => {
                self.open -= 1;
                self.ended(at, after)?;
            }
        }
        Ok(())
    }

    fn ended(&mut self, at: usize, state: State) -> io::Result<()> {
        match state {
            State::Refused(status) => *self.ready.refused.entry(status).or_default() += 1,
            State::Whole => {
                self.whole += 1;
                self.whole_after.add(now() - self.begun);
            }
            _ => self.ready.failed += 1,
        }
        // Not closed: a reader that goes away costs the server something, too, and not now.
        Ok(epoll::delete(&self.epoll, &self.connections[at].0.socket)?)
    }

    /// Those that were held back are read from now on.
    fn let_go(&mut self) -> io::Result<()> {
        for (at, (connection, state)) in self.connections.iter().enumerate() {
            if *state == State::Open {
                epoll::add(&self.epoll, &connection.socket, EventData::new_u64(at as u64), EventFlags::IN)?;
            }
        }
        Ok(())
    }

    fn ready(&self) -> Ready {
        let silent = self.asking + self.wanted.len() - self.connections.len();
        Ready { failed: self.ready.failed + silent, ..self.ready.clone() }
    }

    fn report(&self) -> Report {
        let wanting: u64 = self.connections.iter().map(|(connection, _)| connection.wanting()).sum();
        Report {
            whole: self.whole,
            marks: self.counters.marks,
            bytes: self.counters.bytes,
            missing: self.counters.missing + wanting,
            repeated: self.counters.repeated,
            disorder: self.counters.disorder,
            late: self.counters.late,
            latency: self.counters.latency.summary(),
            first_written: self.counters.first_written,
            last_read: self.counters.last_read,
            whole_after: self.whole_after.summary(),
        }
    }
}
