//! The event loop around one agent.

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
use crate::process::identity::boot_id;
use crate::process::shim::ProcessDir;
use crate::process::shim::protocol::{
    ExitRecord, Greeting, InputCommand, LENDS, PROTOCOL, REPORTS_BEFORE_ACK, Report, ShimCommand, Spooled, StoppedBy, UNACKED_BYTES,
};
use crate::process::{Exit, Identity, Tail};

/// Unacknowledged bytes of stdout beyond which the shim stops reading from the agent, while a server is connected.
const MAX_UNACKED: u64 = 1024 * 1024;
/// Bytes per read, as much as a Linux pipe holds.
const BUFFER_SIZE: usize = 64 * 1024;
/// Interval for reaping orphans: no event reports their exit, and the agent may wait for one to disappear.
const REAP_INTERVAL: Duration = Duration::from_secs(1);
/// Interval between attempts to write the exit record.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How long the shim waits after the agent's exit for a server to return the lent output. A server that lives returns it at once.
const RETURN_TIMEOUT: Duration = Duration::from_secs(1);
/// How long it waits after the exit for a server that was stopped while it moved output, and how often it tries. Open pipes are waited for
/// a little longer.
const SEIZE_TIMEOUT: Duration = Duration::from_millis(1900);
const SEIZE_INTERVAL: Duration = Duration::from_millis(20);
/// How long the shim waits at the end for a server that does not read. The server finds the same in the process directory.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// A started agent and its resources.
pub(super) struct AgentProcess {
    pub(super) process_files: ProcessFiles,
    pub(super) agent: Identity,
    /// Whether this process only waits for the agent, and passes its exit status on.
    pub(super) is_monitor: bool,
    /// Becomes readable when the agent exits, where the system supports it.
    pub(super) exit_handle: Option<OwnedFd>,
    pub(super) input: Stdin,
    pub(super) out: Spool,
    pub(super) err: Spool,
    pub(super) err_tail: Tail,
    pub(super) termination: Termination,
    pub(super) time_limits: TimeLimits,
    pub(super) grace: Duration,
}

/// The state of a shim with a started agent.
pub(super) struct EventLoop {
    agent: AgentProcess,
    listener: Listener,
    /// Secrets for a later server, kept in memory only.
    handover: String,
    /// The exit record, once it is on disk.
    ended: Option<Box<ExitRecord>>,
    /// Whether the server has released the shim.
    released: bool,
    /// Whether the names of the files in the process directory are on the disk.
    names_are_durable: bool,
    /// The output that the connected server knows about.
    reported: Spooled,
    /// When the output is taken back from a server that does not return it, and from when regardless of what that server does.
    take_back_at: Option<(Instant, Instant)>,
    /// Reports since the last acknowledgement, and the acknowledged length of stdout.
    reports_since_ack: u32,
    acked: u64,
    buffer: Vec<u8>,
}

/// What the loop waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Listener,
    Pending,
    Server,
    Stdin,
    Out,
    Err,
    Agent,
    Exits,
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
            names_are_durable: false,
            reported: Spooled::default(),
            take_back_at: None,
            reports_since_ack: 0,
            acked: 0,
            buffer: vec![0; BUFFER_SIZE],
        }
    }

    /// Runs until no process of the run is left and the exit record is on disk, and then as long as a handover is needed.
    pub(super) fn run(&mut self) {
        let until = loop {
            let now = Instant::now();
            self.reap(now);
            self.receive_next(now);
            self.enforce_limits(now);
            self.seize_output(now);
            let next = self.agent.termination.advance(now, !(self.agent.out.has_ended() && self.agent.err.has_ended()));
            match next {
                Next::Over => break now,
                Next::AbandonPipes => {
                    self.agent.out.abandon();
                    self.agent.err.abandon();
                }
                Next::Wait(until) => {
                    self.report_progress();
                    self.wait(now, [until, self.limit(), self.take_back_at.map(|(at, _)| at)].into_iter().flatten().min());
                }
            }
        };
        self.report_end(until);
    }

    /// Waits for events until `until`, and handles them.
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
                // Reaped together with all other children, and seen by the next step of the termination.
                Source::Agent | Source::Exits => {}
            }
        }
    }

    fn ready(&self, now: Instant, until: Option<Instant>) -> Vec<Source> {
        let AgentProcess { input, out, err, exit_handle, termination, .. } = &self.agent;
        let (server, pending) = (self.listener.server(), self.listener.pending());
        let watched = [
            (Source::Listener, self.listener.socket(now).map(AsFd::as_fd), PollFlags::IN),
            (Source::Pending, pending.map(AsFd::as_fd), PollFlags::IN),
            (Source::Server, server.map(AsFd::as_fd), server.map_or(PollFlags::IN, Connection::wants)),
            (Source::Stdin, input.pipe(), PollFlags::OUT),
            (Source::Out, out.pipe().filter(|_| !self.is_server_behind()), PollFlags::IN),
            (Source::Err, err.pipe(), PollFlags::IN),
            (Source::Agent, exit_handle.as_ref().map(AsFd::as_fd), PollFlags::IN),
            (Source::Exits, termination.exits(), PollFlags::IN),
        ];
        let open = watched.into_iter().filter_map(|(source, handle, wants)| Some((source, PollFd::from_borrowed_fd(handle?, wants))));
        let (sources, mut all): (Vec<Source>, Vec<PollFd<'_>>) = open.unzip();

        let left = until.map_or(REAP_INTERVAL, |until| until.saturating_duration_since(now).min(REAP_INTERVAL));
        // `poll` counts in milliseconds: waking slightly late is better than waking for nothing.
        let left = Timespec::try_from(left + Duration::from_millis(1)).ok();
        match poll(&mut all, left.as_ref()) {
            Ok(_) => sources.into_iter().zip(&all).filter(|(_, polled)| !polled.revents().is_empty()).map(|(source, _)| source).collect(),
            // Interrupted, or temporarily out of memory.
            Err(_) => Vec::new(),
        }
    }

    /// Whether a connected server is behind, so that the agent has to wait. Never without a server, and never once the agent is being
    /// killed.
    fn is_server_behind(&self) -> bool {
        self.listener.server().is_some()
            && self.agent.termination.is_running()
            && self.agent.out.stored().saturating_sub(self.acked) > MAX_UNACKED
    }

    fn read_stdout(&mut self) {
        let stop = match self.agent.out.take(&mut self.buffer) {
            ReadOutcome::Nothing | ReadOutcome::Stored(_) => return,
            ReadOutcome::Full(_) => StoppedBy::OutputFull,
            ReadOutcome::NoDisk(_) => StoppedBy::Disk,
        };
        self.stop(stop);
    }

    fn read_stderr(&mut self) {
        match self.agent.err.take(&mut self.buffer) {
            ReadOutcome::Nothing => {}
            ReadOutcome::Stored(bytes) | ReadOutcome::Full(bytes) => self.agent.err_tail.push(bytes),
            ReadOutcome::NoDisk(bytes) => {
                self.agent.err_tail.push(bytes);
                self.stop(StoppedBy::Disk);
            }
        }
    }

    /// Kills the agent on the shim's own decision. Only the first call counts.
    fn stop(&mut self, by: StoppedBy) {
        if self.agent.termination.is_running() {
            self.agent.termination.stop(Instant::now(), by, self.agent.grace);
        }
    }

    /// Reaps every exited child: the agent, and orphans of its tree.
    fn reap(&mut self, now: Instant) {
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            if pid.as_raw_nonzero().get() == self.agent.agent.pid && self.agent.termination.exit().is_none() {
                let exit = if self.agent.is_monitor { exit_of(status).of_monitored() } else { exit_of(status) };
                self.agent.exit_handle = None;
                self.agent.termination.exited(now, exit);
                self.take_back_at = self.agent.out.is_lent().then_some((now + RETURN_TIMEOUT, now + SEIZE_TIMEOUT));
                self.listener.send(&Report::Exited { exit });
            }
        }
    }

    fn receive_next(&mut self, now: Instant) {
        loop {
            match self.listener.receive_next() {
                Inbound::NewServer => {
                    self.take_back_output();
                    self.send_greeting(now);
                }
                Inbound::Message(Message::Command(command)) => self.handle_command(now, &command),
                Inbound::Message(Message::Input(command, pieces)) => {
                    if self.accept_input(&command, pieces).is_err() {
                        self.stop(StoppedBy::Disk);
                    }
                }
                Inbound::Nothing => break,
            }
        }
        if self.listener.server().is_none() {
            self.take_back_output();
        }
        self.agent.time_limits.set_attended(now, self.listener.server().is_some());
    }

    /// Lends the agent's stdout to the server. Not to one that it may not return it in time: the end is handled here alone.
    fn lend_output(&mut self) {
        if !LENDS || !self.agent.termination.is_running() {
            return;
        }
        let out = &mut self.agent.out;
        let Some(pipe) = out.lendable() else { return };
        if self.listener.send_with(&Report::Lent { out: out.stored(), max_out: out.max() }, pipe) {
            out.set_lent();
        }
    }

    fn take_back_output(&mut self) {
        self.agent.out.take_back();
        self.take_back_at = None;
    }

    /// Takes the output of an agent that has exited back from a server that has not returned it in time.
    fn seize_output(&mut self, now: Instant) {
        let Some((_, by)) = self.take_back_at.filter(|(at, _)| now >= *at) else { return };
        if self.agent.out.seize() || now >= by {
            self.take_back_output();
        } else {
            self.take_back_at = Some((now + SEIZE_INTERVAL, by));
        }
    }

    /// Records input and passes it to the agent. A command is on the disk first: after a crash of the machine the next server must know
    /// which messages the agent has received.
    fn accept_input(&mut self, command: &InputCommand, pieces: Vec<Vec<u8>>) -> io::Result<()> {
        if command.call.is_some() && !self.names_are_durable {
            self.agent.process_files.sync_names()?;
            self.names_are_durable = true;
        }
        self.agent.input.accept(command, pieces)
    }

    fn handle_command(&mut self, now: Instant, command: &ShimCommand) {
        match *command {
            ShimCommand::Ack { out, err: _ } => {
                (self.acked, self.reports_since_ack) = (out, 0);
            }
            ShimCommand::SetTimeLimit { left_ms } => self.agent.time_limits.set(now, left_ms.map(Duration::from_millis)),
            ShimCommand::Stop { grace_ms } => self.agent.termination.stop(now, StoppedBy::Command, Duration::from_millis(grace_ms)),
            ShimCommand::Lend {} => self.lend_output(),
            ShimCommand::Return {} => self.take_back_output(),
            ShimCommand::Release {} => self.released = self.ended.is_some(),
            // Already handled. Input arrives with its bytes, as another message.
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
            lends: LENDS,
        };
        self.listener.send(&Report::Hello(greeting));
        if let Some(record) = &self.ended {
            self.listener.send(&Report::Ended(record.clone()));
        }
        (self.reported, self.reports_since_ack, self.acked) = (Spooled::default(), 0, 0);
    }

    fn spooled(&self) -> Spooled {
        let AgentProcess { out, err, .. } = &self.agent;
        Spooled { out: out.stored(), err: err.stored(), out_ended: out.has_ended(), err_ended: err.has_ended() }
    }

    /// Reports the length of the output, unless the server has not acknowledged much, or many reports. The end of output is reported
    /// immediately.
    fn report_progress(&mut self) {
        let spooled = self.spooled();
        let ended = (spooled.out_ended, spooled.err_ended) != (self.reported.out_ended, self.reported.err_ended);
        let is_waiting = self.reports_since_ack >= REPORTS_BEFORE_ACK
            || (self.reports_since_ack > 0 && self.reported.out.saturating_sub(self.acked) >= UNACKED_BYTES);
        if ended || (!is_waiting && spooled != self.reported) {
            self.listener.send(&Report::Spooled(spooled));
            (self.reported, self.reports_since_ack) = (spooled, self.reports_since_ack + 1);
        }
    }

    /// When the agent has to be killed, if it is running.
    fn limit(&self) -> Option<Instant> {
        self.agent.time_limits.end().filter(|_| self.agent.termination.is_running())
    }

    fn enforce_limits(&mut self, now: Instant) {
        if self.limit().is_some_and(|limit| now >= limit) {
            self.stop(StoppedBy::Limit);
        }
    }

    /// Writes the exit record and reports it to the server, as far as possible: without a server, the shim waits for space on a full disk.
    fn report_end(&mut self, since: Instant) {
        let mut record = ExitRecord {
            exit: self.agent.termination.exit(),
            stopped_by: self.agent.termination.stopped_by(),
            leaked_pipe: self.agent.termination.leaked_pipe(),
            left_behind: self.agent.termination.left_behind(),
            out_of_memory: self.agent.termination.ran_out_of_memory(),
            spooled: self.spooled(),
            stderr_tail: self.agent.err_tail.text(),
            boot: boot_id(),
            durable: false,
        };
        self.agent.termination.remove_group();
        while let Err(error) = self.agent.process_files.put(ProcessDir::exit, &record)
            && self.listener.server().is_none()
        {
            let now = Instant::now();
            // Without its directory no server will ever look for it.
            if now >= since + UNATTENDED_LIMIT || error.kind() == io::ErrorKind::NotFound {
                break;
            }
            self.wait(now, Some(now + RETRY_INTERVAL));
            self.reap(now);
            self.receive_next(now);
        }
        self.listener.send(&Report::Ended(Box::new(record.clone())));
        if self.handover.is_empty() {
            self.agent.process_files.remove_socket();
            // A server stores the end now. Without one the files must last until there is one, even if the machine crashes before.
            if self.listener.server().is_none() {
                record.durable = true;
                // If that fails, the first record stays, which is valid until the machine crashes.
                let _ = self.agent.process_files.put_last(ProcessDir::exit, &record);
            }
        }
        self.ended = Some(Box::new(record));
        let flush_by = Instant::now() + FLUSH_TIMEOUT;
        let mut now = Instant::now();
        while let Some(until) = self.stays_until(now, flush_by).filter(|until| now < *until) {
            self.wait(now, Some(until));
            now = Instant::now();
            self.reap(now);
            self.receive_next(now);
        }
        self.agent.process_files.remove_socket();
    }

    /// How long the shim stays after the end; `None` if it can exit.
    fn stays_until(&self, now: Instant, flush_by: Instant) -> Option<Instant> {
        if self.handover.is_empty() {
            // The server finds the same in the process directory.
            return self.listener.server().filter(|server| !server.is_flushed()).map(|_| flush_by);
        }
        let release_by = self.agent.time_limits.unattended_until().unwrap_or(now + UNATTENDED_LIMIT);
        (!self.released).then_some(release_by)
    }
}

/// The exit status of a reaped child.
fn exit_of(status: WaitStatus) -> Exit {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        // Only exited children are reaped, and they have one or the other.
        (None, None) => Exit::Code(-1),
    }
}
