//! The loop that keeps one agent: everything that can happen, one thing after the other.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{WaitOptions, WaitStatus};

use super::connection::{Connection, Message};
use super::listener::{Inbound, Listener};
use super::process_files::ProcessFiles;
use super::spool::{ReadOutcome, Spool};
use super::stdin::Stdin;
use super::termination::{Next, Termination};
use super::time_limits::{TimeLimits, UNATTENDED_LIMIT};
use crate::process::shim::ProcessDir;
use crate::process::shim::protocol::{
    ExitRecord, Greeting, PROTOCOL, REPORTS_BEFORE_ACK, Report, ShimCommand, Spooled, StoppedBy, UNACKED_BYTES,
};
use crate::process::{Exit, Identity, Tail};

/// How much of stdout may wait for a connected server before the agent is read no further.
const MAX_UNACKED: u64 = 1024 * 1024;
/// Read at once; a Linux pipe holds as much.
const BUFFER: usize = 64 * 1024;
/// How often it is looked for orphans that have ended, since nothing tells of them, and the agent may wait for one to be gone.
const REAP_INTERVAL: Duration = Duration::from_secs(1);
/// How often it is tried again to write down how it ended.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How long a server that does not listen is waited for at the end. It finds all of it in the folder.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// An agent that was started, and what belongs to it.
pub(super) struct AgentProcess {
    pub(super) process_files: ProcessFiles,
    pub(super) agent: Identity,
    /// Tells of the agent's end, where the system has such a thing.
    pub(super) handle: Option<OwnedFd>,
    pub(super) input: Stdin,
    pub(super) out: Spool,
    pub(super) err: Spool,
    pub(super) err_tail: Tail,
    pub(super) termination: Termination,
    pub(super) time_limits: TimeLimits,
    pub(super) grace: Duration,
}

/// The shim's whole state, once its agent was started.
pub(super) struct EventLoop {
    agent: AgentProcess,
    listener: Listener,
    /// What is kept for a later server, in this memory and nowhere else.
    handover: String,
    /// How it all ended, once it is written down.
    ended: Option<Box<ExitRecord>>,
    /// The server has taken the end.
    released: bool,
    /// What the present server knows of the output.
    signalled: Spooled,
    /// How often it was told so since it last took something, and how far it had come with that.
    reports_since_ack: u32,
    acked: u64,
    buffer: Vec<u8>,
}

/// What there is to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Listener,
    Pending,
    Server,
    Stdin,
    Out,
    Err,
    Agent,
}

impl EventLoop {
    pub(super) fn new(agent: AgentProcess, listener: Listener, handover: String) -> Self {
        let (ended, released) = (None, false);
        Self {
            agent,
            listener,
            handover,
            ended,
            released,
            signalled: Spooled::default(),
            reports_since_ack: 0,
            acked: 0,
            buffer: vec![0; BUFFER],
        }
    }

    /// Keeps the agent until nothing of it is left and that is written down, and then what is to be remembered until it is not wanted.
    pub(super) fn append(&mut self) {
        let until = loop {
            let now = Instant::now();
            self.reap(now);
            self.receive_next(now);
            self.watch_limits(now);
            let next = self.agent.termination.advance(now, !(self.agent.out.has_ended() && self.agent.err.has_ended()));
            match next {
                Next::Over => break now,
                Next::AbandonPipes => {
                    self.agent.out.abandon();
                    self.agent.err.abandon();
                }
                Next::Wait(until) => {
                    self.report_progress();
                    self.wait(now, [until, self.limit()].into_iter().flatten().min());
                }
            }
        };
        self.report_end(until);
    }

    /// Waits until something happens, at most until `until`, and takes in what it is.
    fn wait(&mut self, now: Instant, until: Option<Instant>) {
        let ready = self.ready(now, until);
        for source in ready {
            match source {
                Source::Listener => self.listener.open(now),
                Source::Pending => self.listener.receive(true, &mut self.buffer),
                Source::Server => {
                    self.listener.flush();
                    self.listener.receive(false, &mut self.buffer);
                }
                Source::Stdin => self.agent.input.push(),
                Source::Out => self.read_stdout(),
                Source::Err => self.read_stderr(),
                // It is waited for with all others.
                Source::Agent => {}
            }
        }
    }

    fn ready(&self, now: Instant, until: Option<Instant>) -> Vec<Source> {
        let AgentProcess { input, out, err, handle, .. } = &self.agent;
        let (server, pending) = (self.listener.server(), self.listener.pending());
        let watched = [
            (Source::Listener, self.listener.listener(now).map(AsFd::as_fd), PollFlags::IN),
            (Source::Pending, pending.map(AsFd::as_fd), PollFlags::IN),
            (Source::Server, server.map(AsFd::as_fd), server.map_or(PollFlags::IN, Connection::wants)),
            (Source::Stdin, input.pipe(), PollFlags::OUT),
            (Source::Out, out.pipe().filter(|_| !self.is_server_behind()), PollFlags::IN),
            (Source::Err, err.pipe(), PollFlags::IN),
            (Source::Agent, handle.as_ref().map(AsFd::as_fd), PollFlags::IN),
        ];
        let open = watched.into_iter().filter_map(|(source, handle, wants)| Some((source, PollFd::from_borrowed_fd(handle?, wants))));
        let (sources, mut all): (Vec<Source>, Vec<PollFd<'_>>) = open.unzip();

        let left = until.map_or(REAP_INTERVAL, |until| until.saturating_duration_since(now).min(REAP_INTERVAL));
        // The clock counts finer than the system waits: a little too long is better than a round for nothing.
        let left = Timespec::try_from(left + Duration::from_millis(1)).ok();
        match poll(&mut all, left.as_ref()) {
            Ok(_) => sources.into_iter().zip(&all).filter(|(_, looked)| !looked.revents().is_empty()).map(|(source, _)| source).collect(),
            // Interrupted, or out of memory for a moment.
            Err(_) => Vec::new(),
        }
    }

    /// A server is there and slow: the agent waits for it. Never while nobody is there, and never once the agent is to end.
    fn is_server_behind(&self) -> bool {
        self.listener.server().is_some()
            && self.agent.termination.is_running()
            && self.agent.out.stored().saturating_sub(self.acked) > MAX_UNACKED
    }

    fn read_stdout(&mut self) {
        let stop = match self.agent.out.take(&mut self.buffer) {
            ReadOutcome::Nothing | ReadOutcome::Kept(_) => return,
            ReadOutcome::Full(_) => StoppedBy::OutputFull,
            ReadOutcome::NoDisk(_) => StoppedBy::Disk,
        };
        self.stop(stop);
    }

    fn read_stderr(&mut self) {
        match self.agent.err.take(&mut self.buffer) {
            ReadOutcome::Nothing => {}
            ReadOutcome::Kept(bytes) | ReadOutcome::Full(bytes) => self.agent.err_tail.push(bytes),
            ReadOutcome::NoDisk(bytes) => {
                self.agent.err_tail.push(bytes);
                self.stop(StoppedBy::Disk);
            }
        }
    }

    /// Ends the agent of our own accord. Said again and again by whoever has reason to; the first time counts.
    fn stop(&mut self, by: StoppedBy) {
        if self.agent.termination.is_running() {
            self.agent.termination.stop(Instant::now(), by, self.agent.grace);
        }
    }

    /// Takes every ended child away: the agent, and orphans that came to us.
    fn reap(&mut self, now: Instant) {
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            if pid.as_raw_nonzero().get() == self.agent.agent.pid && self.agent.termination.exit().is_none() {
                let exit = exit_of(status);
                self.agent.handle = None;
                self.agent.termination.exited(now, exit);
                self.listener.send(&Report::Exited { exit });
            }
        }
    }

    fn receive_next(&mut self, now: Instant) {
        loop {
            match self.listener.receive_next() {
                Inbound::NewServer => self.send_greeting(now),
                Inbound::Message(Message::ShimCommand(order)) => self.handle_command(now, &order),
                Inbound::Message(Message::Stdin(order, pieces)) => {
                    if self.agent.input.accept(&order, pieces).is_err() {
                        self.stop(StoppedBy::Disk);
                    }
                }
                Inbound::Nothing => break,
            }
        }
        self.agent.time_limits.set_attended(now, self.listener.server().is_some());
    }

    fn handle_command(&mut self, now: Instant, order: &ShimCommand) {
        match *order {
            ShimCommand::Ack { out, err: _ } => {
                (self.acked, self.reports_since_ack) = (out, 0);
            }
            ShimCommand::SetTimeLimit { left_ms } => self.agent.time_limits.set(now, left_ms.map(Duration::from_millis)),
            ShimCommand::Stop { grace_ms } => self.agent.termination.stop(now, StoppedBy::Command, Duration::from_millis(grace_ms)),
            ShimCommand::Release {} => self.released = self.ended.is_some(),
            // Said once already. An input comes with its bytes, elsewhere.
            ShimCommand::Hello { .. } | ShimCommand::Start(_) | ShimCommand::Input(_) => {}
        }
    }

    fn send_greeting(&mut self, now: Instant) {
        let left = self.agent.time_limits.left(now);
        let greeting = Greeting {
            protocol: PROTOCOL,
            agent: Some(self.agent.agent),
            exit: self.agent.termination.exit(),
            left_ms: left.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
            stopping: self.agent.termination.stopped_by(),
            spooled: self.spooled(),
            handover: self.handover.clone(),
            reports_before_ack: REPORTS_BEFORE_ACK,
        };
        self.listener.send(&Report::Hello(greeting));
        if let Some(record) = &self.ended {
            self.listener.send(&Report::Ended(record.clone()));
        }
        (self.signalled, self.reports_since_ack, self.acked) = (Spooled::default(), 0, 0);
    }

    fn spooled(&self) -> Spooled {
        let AgentProcess { out, err, .. } = &self.agent;
        Spooled { out: out.stored(), err: err.stored(), out_ended: out.has_ended(), err_ended: err.has_ended() }
    }

    /// Tells how far the output has come, unless the server was told much, or often, and has not yet done anything about it. That there
    /// is no more is told at once.
    fn report_progress(&mut self) {
        let spooled = self.spooled();
        let ended = (spooled.out_ended, spooled.err_ended) != (self.signalled.out_ended, self.signalled.err_ended);
        let waits = self.reports_since_ack >= REPORTS_BEFORE_ACK
            || (self.reports_since_ack > 0 && self.signalled.out.saturating_sub(self.acked) >= UNACKED_BYTES);
        if ended || (!waits && spooled != self.signalled) {
            self.listener.send(&Report::Spooled(spooled));
            (self.signalled, self.reports_since_ack) = (spooled, self.reports_since_ack + 1);
        }
    }

    /// When the agent's time is over, if it goes on.
    fn limit(&self) -> Option<Instant> {
        self.agent.time_limits.end().filter(|_| self.agent.termination.is_running())
    }

    fn watch_limits(&mut self, now: Instant) {
        if self.limit().is_some_and(|limit| now >= limit) {
            self.stop(StoppedBy::Limit);
        }
    }

    /// Writes down how it ended and tells the server, whichever of the two can be done: a full disk is waited for while nobody is
    /// there to be told.
    fn report_end(&mut self, since: Instant) {
        let record = ExitRecord {
            exit: self.agent.termination.exit(),
            stopped_by: self.agent.termination.stopped_by(),
            leaked_pipe: self.agent.termination.leaked_pipe(),
            left_behind: self.agent.termination.left_behind(),
            out_of_memory: self.agent.termination.ran_out_of_memory(),
            spooled: self.spooled(),
            stderr_tail: self.agent.err_tail.text(),
        };
        self.agent.termination.remove_group();
        while let Err(error) = self.agent.process_files.put(ProcessDir::exit, &record)
            && self.listener.server().is_none()
        {
            let now = Instant::now();
            // Where the folder is gone, nobody will ever look for it.
            if now >= since + UNATTENDED_LIMIT || error.kind() == io::ErrorKind::NotFound {
                break;
            }
            self.wait(now, Some(now + RETRY_INTERVAL));
            self.reap(now);
            self.receive_next(now);
        }
        let record = Box::new(record);
        self.listener.send(&Report::Ended(record.clone()));
        self.ended = Some(record);
        let told_by = Instant::now() + FLUSH_TIMEOUT;
        if self.handover.is_empty() {
            self.agent.process_files.remove_socket();
        }
        let mut now = Instant::now();
        while let Some(until) = self.lingers_until(now, told_by).filter(|until| now < *until) {
            self.wait(now, Some(until));
            now = Instant::now();
            self.reap(now);
            self.receive_next(now);
        }
        self.agent.process_files.remove_socket();
    }

    /// How long we are needed after the end, unless something happens; `None` if no longer.
    fn lingers_until(&self, now: Instant, told_by: Instant) -> Option<Instant> {
        if self.handover.is_empty() {
            // It finds all of it in the folder, too.
            return self.listener.server().filter(|server| !server.is_flushed()).map(|_| told_by);
        }
        let released_by = self.agent.time_limits.unattended_until().unwrap_or(now + UNATTENDED_LIMIT);
        (!self.released).then_some(released_by)
    }
}

/// How a child that was waited for has ended.
fn exit_of(status: WaitStatus) -> Exit {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        // Only ended children are waited for, and they have one or the other.
        (None, None) => Exit::Code(-1),
    }
}
