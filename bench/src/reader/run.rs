//! The reader's main loop: all sockets in one epoll instance, one buffer for all.

use std::fmt::Write as _;
use std::io::{self, BufRead, Write};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::time::Timespec;

use super::connection::{Connection, Counters, State};
use super::plan::{Message, Plan, Ready, Report, Streams};
use crate::histogram::Histogram;
use crate::mark::now;

/// Size of the read buffer, in bytes.
const BUFFER_SIZE: usize = 256 * 1024;
/// Maximum number of pending connections, unless all connect at once: smaller than the backlog of servers.
const MAX_PENDING: usize = 256;
/// Maximum time between two checks of the deadline.
const POLL_INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// Runs the reader with the plan from standard input.
///
/// # Errors
/// If there is no valid plan, the system cannot create sockets, or the driver has exited.
pub(crate) fn run() -> anyhow::Result<()> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let plan: Plan = serde_json::from_str(&line)?;
    let mut reader = Reader::new(&plan)?;
    let deadline = Instant::now() + Duration::from_secs(plan.timeout_secs);
    while reader.is_connecting() && Instant::now() < deadline {
        reader.connect()?;
        reader.poll()?;
    }
    send(&Message::Ready(reader.ready()))?;
    if plan.hold {
        io::stdin().lock().read_line(&mut String::new())?;
        reader.start_held()?;
    }
    let deadline = Instant::now() + Duration::from_secs(plan.timeout_secs);
    while reader.open > 0 && Instant::now() < deadline {
        reader.poll()?;
    }
    send(&Message::Report(reader.report()))?;
    // The connections stay open until the driver closes standard input.
    io::stdin().lock().read_line(&mut String::new())?;
    Ok(())
}

fn send(message: &Message) -> anyhow::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{}", serde_json::to_string(message)?)?;
    Ok(out.flush()?)
}

struct Reader<'a> {
    plan: &'a Plan,
    epoll: OwnedFd,
    events: Vec<Event>,
    buffer: Vec<u8>,
    /// For each connection, the index of its `Streams` in the plan.
    stream_indices: Vec<usize>,
    /// The request of each `Streams`.
    requests: Vec<Vec<u8>>,
    connections: Vec<(Connection, State)>,
    counters: Counters,
    started: u64,
    time_to_complete: Histogram,
    pending: usize,
    open: usize,
    ready: Ready,
    complete: usize,
}

impl<'a> Reader<'a> {
    fn new(plan: &'a Plan) -> io::Result<Self> {
        let indices = plan.streams.iter().enumerate().flat_map(|(index, streams)| std::iter::repeat_n(index, streams.count));
        let request = |streams: &Streams| {
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
            buffer: vec![0; BUFFER_SIZE],
            stream_indices: indices.collect(),
            requests: plan.streams.iter().map(request).collect(),
            connections: Vec::new(),
            counters: Counters::new(),
            started: now(),
            time_to_complete: Histogram::new(),
            pending: 0,
            open: 0,
            ready: Ready::default(),
            complete: 0,
        })
    }

    fn is_connecting(&self) -> bool {
        self.connections.len() < self.stream_indices.len() || self.pending > 0
    }

    /// Starts as many connections as allowed.
    fn connect(&mut self) -> io::Result<()> {
        while self.connections.len() < self.stream_indices.len() && (self.plan.connect_at_once || self.pending < MAX_PENDING) {
            let index = self.connections.len();
            let connection = Connection::start(self.plan.address, &self.plan.streams[self.stream_indices[index]])?;
            epoll::add(&self.epoll, &connection.socket, EventData::new_u64(index as u64), EventFlags::OUT)?;
            self.connections.push((connection, State::Pending));
            self.pending += 1;
        }
        Ok(())
    }

    /// Waits for socket events and handles them.
    fn poll(&mut self) -> io::Result<()> {
        let mut events = std::mem::take(&mut self.events);
        match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&POLL_INTERVAL)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in events.drain(..) {
            self.handle_event(usize::try_from(event.data.u64()).unwrap_or(usize::MAX))?;
        }
        self.events = events;
        Ok(())
    }

    fn handle_event(&mut self, index: usize) -> io::Result<()> {
        let (connection, before) = &mut self.connections[index];
        let data = EventData::new_u64(index as u64);
        let after = if connection.has_requested() {
            connection.read(&mut self.buffer, &mut self.counters)
        } else {
            match connection.send_request(&self.requests[self.stream_indices[index]]) {
                Ok(()) => {
                    epoll::modify(&self.epoll, &connection.socket, data, EventFlags::IN)?;
                    State::Pending
                }
                Err(_refused) => State::Disconnected,
            }
        };
        let before = std::mem::replace(before, after);
        if before == after {
            return Ok(());
        }
        if before == State::Pending {
            self.pending -= 1;
            self.ready.open += usize::from(matches!(after, State::Open | State::Complete));
            self.open += 1;
        }
        match after {
            State::Open if self.plan.hold => epoll::delete(&self.epoll, &connection.socket)?,
            State::Pending | State::Open => {}
            State::Complete | State::Refused(_) | State::Disconnected => {
                self.open -= 1;
                self.handle_end(index, after)?;
            }
        }
        Ok(())
    }

    fn handle_end(&mut self, index: usize, state: State) -> io::Result<()> {
        match state {
            State::Refused(status) => *self.ready.refused.entry(status).or_default() += 1,
            State::Complete => {
                self.complete += 1;
                self.time_to_complete.add(now() - self.started);
            }
            _ => self.ready.failed += 1,
        }
        // The socket stays open: closing it now would cost the server time during the measurement.
        Ok(epoll::delete(&self.epoll, &self.connections[index].0.socket)?)
    }

    /// Starts reading the streams that the plan held back.
    fn start_held(&mut self) -> io::Result<()> {
        for (index, (connection, state)) in self.connections.iter().enumerate() {
            if *state == State::Open {
                epoll::add(&self.epoll, &connection.socket, EventData::new_u64(index as u64), EventFlags::IN)?;
            }
        }
        Ok(())
    }

    fn ready(&self) -> Ready {
        let unanswered = self.pending + self.stream_indices.len() - self.connections.len();
        Ready { failed: self.ready.failed + unanswered, ..self.ready.clone() }
    }

    fn report(&self) -> Report {
        let missing: u64 = self.connections.iter().map(|(connection, _)| connection.missing()).sum();
        Report {
            complete: self.complete,
            marks: self.counters.marks,
            bytes: self.counters.bytes,
            missing: self.counters.missing + missing,
            repeated: self.counters.repeated,
            out_of_order: self.counters.out_of_order,
            late: self.counters.late,
            latency: self.counters.latency.summary(),
            first_written: self.counters.first_written,
            last_read: self.counters.last_read,
            time_to_complete: self.time_to_complete.summary(),
        }
    }
}
