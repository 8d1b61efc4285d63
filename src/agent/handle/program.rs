//! An agent that is a program: one task that owns the connection to its shim, its output and its parser.
//!
//! `borrowing` continues this module with the output that the shim lends, `ending` with everything that brings the program to its end.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::task::TaskTracker;

use super::connection::{Connection, Event};
use super::decoder::OutputDecoder;
use super::end_state::{Deadline, EndState, Finish, Gone};
use super::lending::Lending;
use super::replay::{Outputs, Replayed, Stream, received, replay};
use super::{
    AgentEnd, AgentHandle, Command, Control, Delivery, Link, Logged, OutputCheckpoint, ReattachedAgent, Restrictions, SLACK, Update, link,
    millis,
};
use crate::agent::input_files::InputPlace;
use crate::agent::{Item, Parser};
use crate::process::shim::{
    self, CommandSender, Found, ProcessDir, Report, ReportReceiver, ShimCommand, Spooled, StoppedBy, UNACKED_BYTES,
};
use crate::process::{Leftovers, Marker};
use crate::types::{Cause, Failure};

/// Maximum output in bytes that is decoded ahead of the driver.
///
/// The output that gathers while the driver waits for the disk becomes one batch, and the larger a batch, the cheaper the commit per
/// event. A shim keeps twice as much ready, so neither waits for the other. One read may exceed the maximum; reads are far smaller.
const AHEAD: u64 = 512 * 1024;

/// How long a program may take to end by itself.
#[derive(Clone, Copy, Debug)]
pub struct GracePeriods {
    /// From the end of its work, when no further message follows, to its exit.
    pub exit: Duration,
    /// From TERM to KILL.
    pub stop: Duration,
}

/// The program of one run, and the files that its shim keeps.
#[derive(Clone, Debug)]
pub(in crate::agent) struct RunningProgram {
    pub(in crate::agent) dir: ProcessDir,
    pub(in crate::agent) marker: Marker,
    pub(in crate::agent) grace: GracePeriods,
    /// What is enforced on it.
    pub(in crate::agent) restrictions: Restrictions,
    /// Where it finds the files of further messages; `None` if it can be given none.
    pub(in crate::agent) inputs: Option<Arc<InputPlace>>,
}

/// Spawns the task of a program whose shim has been sent a start command.
pub(in crate::agent) fn start(
    program: RunningProgram,
    shim: (CommandSender, ReportReceiver),
    parser: Box<dyn Parser>,
    tasks: &TaskTracker,
) -> AgentHandle {
    let (mut handle, link) = link(Some(Leftovers::of_earlier_server(program.marker.clone())), program.restrictions.clone());
    handle.inputs.clone_from(&program.inputs);
    let connection = Connection::new(program.dir.clone(), program.marker.clone(), Some(shim), 0);
    let mut supervisor = Supervisor::new(program, OutputDecoder::new(parser), connection, link);
    supervisor.decoder.open();
    tasks.spawn(supervisor.run());
    handle
}

/// Reattaches to a program that an earlier server started: running with its shim, ended, or lost with it.
///
/// `logged` is what the log covers, `has_handover` whether its shim was given a handover to keep. `None` if no program was ever
/// started; none will be, then.
///
/// # Errors
/// A [`Failure`] if the handover is lost. The output is not read then, because the secrets to mask in it are unknown.
pub(in crate::agent) async fn reattach(
    program: RunningProgram,
    parser: Box<dyn Parser>,
    logged: Logged,
    has_handover: bool,
    tasks: &TaskTracker,
) -> Result<Option<ReattachedAgent>, Failure> {
    let Some(found) = shim::find(&program.dir, &program.marker).await else { return Ok(None) };
    let handover = match &found {
        shim::Found::Alive { greeting, .. } => greeting.handover.clone(),
        shim::Found::Ended(_) | shim::Found::Lost(_) => String::new(),
    };
    if has_handover && handover.is_empty() {
        let message = "the agent's shim was killed while no server was running; the values of env and mcp_servers, which only the shim \
                       kept, are lost, so the rest of the output cannot be masked";
        return Err(Failure::new(Cause::NodeLost, message));
    }
    let (mut handle, link) = link(Some(Leftovers::of_earlier_server(program.marker.clone())), program.restrictions.clone());
    handle.inputs.clone_from(&program.inputs);
    tasks.spawn(async move {
        let (dir, stored) = (program.dir.clone(), logged.checkpoint);
        // Off the runtime's threads, because a long output takes a while.
        let replayed = tokio::task::spawn_blocking(move || replay(&dir, parser, logged)).await;
        match replayed.unwrap_or_else(|panic| Err(std::io::Error::other(panic))) {
            Ok(replayed) => Supervisor::reattached(program, found, replayed, link).run().await,
            Err(error) => end_unreadable(program, found, &error, stored, link).await,
        }
    });
    Ok(Some(ReattachedAgent { handle, handover }))
}

/// Ends a program whose output cannot be read up to where the log covers it, so that the state of its parser is lost.
///
/// If its shim is dead, so is the program, and there is no output that the log lacks: the run is interrupted. If its shim is alive, the
/// disk is at fault, and the program is killed.
async fn end_unreadable(program: RunningProgram, found: Found, error: &std::io::Error, stored: OutputCheckpoint, mut link: Link) {
    // No command can be carried out. The driver must not wait for that, or for the capacity of the channel.
    link.commands.close();
    let marker = program.marker.value();
    let lost = || Some(format!("the agent's shim is dead, and its output is incomplete: {error}"));
    let end = match &found {
        Found::Alive { .. } => {
            tracing::error!(run.id = marker, %error, "agent output unreadable; ending the agent");
            let left_behind = shim::kill_leftovers(&program.dir, &program.marker).await.count;
            let failure = Failure::new(Cause::Storage, format!("the agent's output cannot be read again: {error}"));
            AgentEnd { failure: Some(failure), left_behind, ..AgentEnd::default() }
        }
        Found::Ended(record) => AgentEnd { lost: lost(), left_behind: record.left_behind, ..AgentEnd::default() },
        Found::Lost(survivors) => AgentEnd { lost: lost(), left_behind: survivors.count, ..AgentEnd::default() },
    };
    let dir = program.dir.clone();
    // Messages that the agent has received are not reported as undelivered.
    let history = Box::new(tokio::task::spawn_blocking(move || received(&dir)).await.unwrap_or_default());
    if link.updates.send(Update::Restored { history, checkpoint: stored, left: None }).await.is_ok() {
        let _ = link.updates.send(Update::Ended(end)).await;
    }
}

pub(super) struct Supervisor {
    pub(super) program: RunningProgram,
    /// `None` once reading failed.
    pub(super) outputs: Option<Outputs>,
    pub(super) connection: Connection,
    pub(super) decoder: OutputDecoder,
    /// How much of the output and of the commands the decoder has processed.
    checkpoint: OutputCheckpoint,
    /// How much output there is.
    pub(super) spooled: Spooled,
    /// How much of it the driver has taken: bytes of stdout and stderr.
    taken: (u64, u64),
    /// How much of it was acknowledged to the shim.
    acknowledged: (u64, u64),
    /// Reports of new output since then, and how many of them the shim sends without an acknowledgement.
    unacknowledged: u32,
    max_unacknowledged: u32,
    pub(super) lending: Lending,
    /// Output was read since the last update.
    active: bool,
    pub(super) stdin_open: bool,
    /// When the program has been silent for as long as its parser allows.
    silence_at: Option<Instant>,
    /// The process has exited. Processes that it started may remain; the shim ends them.
    pub(super) exited: bool,
    pub(super) gone: Option<Gone>,
    pub(super) ending: EndState,
    /// The first update of a reattached agent.
    restored: Option<Update>,
    pub(super) link: Link,
}

impl Supervisor {
    fn new(program: RunningProgram, decoder: OutputDecoder, connection: Connection, link: Link) -> Self {
        Self {
            outputs: Some(Outputs::new(program.dir.clone())),
            program,
            connection,
            decoder,
            checkpoint: OutputCheckpoint::default(),
            spooled: Spooled::default(),
            taken: (0, 0),
            acknowledged: (0, 0),
            unacknowledged: 0,
            max_unacknowledged: 1,
            lending: Lending::default(),
            active: false,
            stdin_open: true,
            silence_at: None,
            exited: false,
            gone: None,
            ending: EndState::default(),
            restored: None,
            link,
        }
    }

    fn reattached(program: RunningProgram, found: Found, replayed: Replayed, link: Link) -> Self {
        let (shim, rest) = match found {
            Found::Alive { commands, reports, greeting } => (Some((commands, reports)), Ok(greeting)),
            Found::Ended(record) => (None, Err(Gone::Ended(record))),
            Found::Lost(survivors) => (None, Err(Gone::killed(survivors.count))),
        };
        let connection = Connection::new(program.dir.clone(), program.marker.clone(), shim, replayed.recorded);
        let mut this = Self::new(program, replayed.decoder, connection, link);
        this.checkpoint = replayed.checkpoint;
        this.stdin_open = !replayed.stdin_closed;
        this.ending.stop_recorded = replayed.history.stopped.is_some();
        let mut left = None;
        match rest {
            Ok(greeting) => {
                this.spooled = greeting.spooled;
                this.max_unacknowledged = greeting.reports_before_ack;
                this.lending.note_greeting(&greeting);
                this.exited = greeting.exit.is_some();
                this.ending.stop_sent = (greeting.stopping == Some(StoppedBy::Command)).then_some(this.program.grace.stop);
                left = greeting.left_ms.map(|left| Duration::from_millis(left).saturating_sub(SLACK));
            }
            Err(gone) => this.set_gone(gone),
        }
        if replayed.history.finished {
            this.ending.finish = Finish::Requested;
            if this.gone.is_none() && !this.exited {
                this.start_exit_grace();
            }
        }
        this.restored = Some(Update::Restored { history: Box::new(replayed.history), checkpoint: this.checkpoint, left });
        this
    }

    async fn run(mut self) {
        let updates = self.link.updates.clone();
        if let Some(restored) = self.restored.take()
            && updates.send(restored).await.is_err()
        {
            return Box::pin(self.abandon()).await;
        }
        self.send_input(None);
        self.acknowledge();
        self.borrow_output();
        self.restart_silence();
        while !self.is_over() {
            let deadline = self.ending.deadline_at();
            // Output that has not been read yet, or that a broken connection does not report, is no silence.
            let is_idle = !self.has_unread() && !self.has_unnoted_output() && !self.connection.is_broken();
            let silence = self.silence_at.filter(|_| self.outputs.is_some() && is_idle);
            tokio::select! {
                permit = updates.reserve(), if self.decoder.has_items() || self.active => match permit {
                    Ok(permit) => {
                        self.active = false;
                        if self.decoder.has_items() {
                            permit.send(Update::Items { items: self.decoder.take_items(), checkpoint: self.checkpoint });
                            self.acknowledge();
                        } else {
                            permit.send(Update::Activity);
                        }
                    }
                    Err(_driver_gone) => return Box::pin(self.abandon()).await,
                },
                // No further read while that much waits for the driver: without an acknowledgement the shim stops reading, too.
                () = tokio::task::yield_now(), if self.may_read() => self.read(),
                event = self.connection.event(), if self.connection.is_open() => {
                    self.handle_event(event);
                    // Read at once, without another round of the loop, which would add to the latency of a lone event.
                    if self.may_read() {
                        self.read();
                    }
                },
                command = self.link.commands.recv() => match command {
                    Some(Control::Detach { done }) => {
                        self.detach().await;
                        let _ = done.send(());
                        return;
                    }
                    Some(command) => self.handle_control(command),
                    None => return Box::pin(self.abandon()).await,
                },
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => self.handle_deadline(),
                () = sleep_until(silence.unwrap_or_else(Instant::now)), if silence.is_some() => {
                    self.carry_out(&Command::Silence);
                }
            }
        }
        Box::pin(self.report_end()).await;
    }

    /// The end is reported only after all output before it was decoded and taken.
    fn is_over(&self) -> bool {
        self.gone.is_some() && !self.has_unread() && !self.decoder.has_items()
    }

    fn has_unread(&self) -> bool {
        let (read, spooled) = (&self.checkpoint, &self.spooled);
        read.out < spooled.out || read.err < spooled.err || spooled.out_ended && !read.out_ended || spooled.err_ended && !read.err_ended
    }

    fn may_read(&self) -> bool {
        self.has_unread() && self.ahead() < AHEAD
    }

    /// How much output was decoded since the driver last took items. Zero if the output yielded no items.
    fn ahead(&self) -> u64 {
        self.checkpoint.out - self.taken.0 + (self.checkpoint.err - self.taken.1)
    }

    pub(super) fn handle_event(&mut self, event: Event) {
        match event {
            Event::Report(report) => self.handle_report(report),
            Event::Output => self.note_output(),
            Event::Broken => {
                tracing::warn!(run.id = self.program.marker.value(), "the connection to a shim broke");
                self.limit_unreachable();
            }
            Event::Found(Found::Alive { commands, reports, greeting }) => {
                tracing::info!(run.id = self.program.marker.value(), "reconnected to a shim");
                (self.acknowledged, self.unacknowledged) = (self.taken, 0);
                self.connection.resume(commands, reports, self.taken);
                self.max_unacknowledged = greeting.reports_before_ack;
                self.lending.note_greeting(&greeting);
                self.ending.deadline.take_if(|deadline| matches!(deadline, Deadline::Unreachable(_)));
                if let Some(grace) = self.ending.stop_sent.filter(|_| greeting.stopping.is_none()) {
                    self.send_to_shim(&ShimCommand::Stop { grace_ms: millis(grace) });
                }
                self.handle_report(Report::Spooled(greeting.spooled));
                match greeting.exit {
                    Some(exit) => self.handle_report(Report::Exited { exit }),
                    None => self.borrow_output(),
                }
            }
            Event::Found(Found::Ended(record)) => self.set_gone(Gone::Ended(record)),
            Event::Found(Found::Lost(survivors)) => self.set_gone(Gone::killed(survivors.count)),
        }
    }

    fn handle_report(&mut self, report: Report) {
        match report {
            Report::Spooled(spooled) if self.outputs.is_some() => {
                // The shim does not know the length of output that it has lent.
                let out = self.spooled.out.max(spooled.out);
                self.borrow_output_again(out - self.spooled.out);
                (self.spooled, self.unacknowledged) = (Spooled { out, ..spooled }, self.unacknowledged + 1);
            }
            Report::Hello(greeting) => {
                self.max_unacknowledged = greeting.reports_before_ack;
                self.lending.note_greeting(&greeting);
            }
            Report::Started { .. } => self.borrow_output(),
            Report::Lent { out, max_out } => self.accept_output(out, max_out),
            Report::Spooled(_) => {}
            Report::Exited { .. } => {
                self.exited = true;
                self.return_output();
                self.ending.cancel_deadline();
            }
            Report::NotStarted { message, resource_exhausted } => self.set_gone(Gone::NotStarted { message, resource_exhausted }),
            Report::Ended(record) => self.set_gone(Gone::Ended(record)),
        }
    }

    /// Nothing of the program remains. Its unread output is still read.
    fn set_gone(&mut self, gone: Gone) {
        self.connection.close();
        self.ending.cancel_deadline();
        if let Some(outputs) = &self.outputs {
            self.spooled = match &gone {
                Gone::Ended(record) => Spooled { out_ended: true, err_ended: true, ..record.spooled },
                Gone::NotStarted { .. } => self.spooled,
                Gone::Lost { .. } => {
                    let (out, err) = outputs.lengths();
                    Spooled { out, err, out_ended: true, err_ended: true }
                }
            };
        }
        self.gone = Some(gone);
    }

    /// Decodes one more piece of each output.
    fn read(&mut self) {
        let Some(outputs) = &mut self.outputs else { return };
        let (checkpoint, spooled) = (&mut self.checkpoint, self.spooled);
        let mut read = Ok(());
        self.active |= checkpoint.out < spooled.out || checkpoint.err < spooled.err;
        if checkpoint.out < spooled.out {
            read = outputs.read(Stream::Stdout, checkpoint.out, spooled.out).map(|bytes| {
                checkpoint.out += bytes.len() as u64;
                self.decoder.decode_stdout(bytes);
            });
        } else if spooled.out_ended && !checkpoint.out_ended {
            checkpoint.out_ended = true;
            self.decoder.finish_stdout();
        }
        if read.is_ok() && checkpoint.err < spooled.err {
            read = outputs.read(Stream::Stderr, checkpoint.err, spooled.err).map(|bytes| {
                checkpoint.err += bytes.len() as u64;
                self.decoder.decode_stderr(bytes);
            });
        } else if spooled.err_ended && !checkpoint.err_ended {
            checkpoint.err_ended = true;
            self.decoder.finish_stderr();
        }
        if let Err(error) = read {
            self.abandon_output(&error);
        }
        if let Some(lent) = self.connection.lent() {
            lent.set_read(self.checkpoint.out);
        }
        self.send_input(None);
        self.restart_silence();
        if !self.decoder.has_items() {
            self.acknowledge();
        }
    }

    fn restart_silence(&mut self) {
        self.silence_at = self.decoder.max_silence().map(|limit| Instant::now() + limit);
    }

    /// Ends a program whose output cannot be read any more. If its shim is dead, what was read is all there is.
    fn abandon_output(&mut self, error: &std::io::Error) {
        self.outputs = None;
        self.return_output();
        match self.gone.take() {
            None => {
                let failure = Failure::new(Cause::Storage, format!("the agent's output cannot be read: {error}"));
                self.decoder.output.items.push(Item::TurnEnded(Err(failure)));
                self.end_program(self.program.grace.stop);
            }
            Some(gone) => {
                self.decoder.finish_stdout();
                self.decoder.finish_stderr();
                (self.checkpoint.out_ended, self.checkpoint.err_ended) = (true, true);
                let reason = format!("the agent's shim is dead, and its output is incomplete: {error}");
                self.gone = Some(Gone::Lost { left_behind: gone.left_behind(), reason });
            }
        }
        let OutputCheckpoint { out, err, .. } = self.checkpoint;
        self.spooled = Spooled { out, err, ..Spooled::default() };
    }

    /// Notes that the driver has taken all that was decoded, and acknowledges it to the shim before the shim would wait for that.
    ///
    /// Not every time: each acknowledgement costs a lone event a quarter of its latency, and the shim as much as the event itself.
    fn acknowledge(&mut self) {
        self.taken = (self.checkpoint.out, self.checkpoint.err);
        let is_much = self.connection.lent().is_none() && self.taken.0 - self.acknowledged.0 >= UNACKED_BYTES / 2;
        let due = self.unacknowledged >= self.max_unacknowledged.div_ceil(2) || is_much;
        if due && self.taken != self.acknowledged {
            self.send_acknowledgement();
        }
    }

    pub(super) fn send_acknowledgement(&mut self) {
        (self.acknowledged, self.unacknowledged) = (self.taken, 0);
        self.send_to_shim(&ShimCommand::Ack { out: self.taken.0, err: self.taken.1 });
    }

    pub(super) fn send_to_shim(&mut self, command: &ShimCommand) {
        self.connection.send(command);
    }

    /// Sends what the parser wants written to stdin, with the command that caused it.
    fn send_input(&mut self, command: Option<&Command>) {
        self.end_program_after_turn();
        let mut send = std::mem::take(&mut self.decoder.output.send);
        let close = std::mem::take(&mut self.decoder.output.close_stdin) || matches!(command, Some(Command::Finish));
        if !self.stdin_open {
            send.clear();
        }
        let close = close && self.stdin_open;
        self.stdin_open &= !close;
        if command.is_some() || close || !send.is_empty() {
            // Always succeeds: a command consists of strings and numbers.
            let command = command.and_then(|command| serde_json::to_value(command).ok());
            self.connection.input(self.checkpoint.out, command, close, send);
        }
    }

    /// Carries out a command if the program supports it now. Returns whether it did.
    pub(super) fn carry_out(&mut self, command: &Command) -> bool {
        let done = self.decoder.carry_out(command);
        if done {
            self.checkpoint.calls += 1;
            self.send_input(Some(command));
        }
        self.restart_silence();
        done
    }

    fn handle_control(&mut self, control: Control) {
        match control {
            Control::Answer { request, answer } => {
                self.carry_out(&Command::Answer { request, answer });
            }
            Control::Message { message, delivery, done } => {
                let command = match delivery {
                    Delivery::NextTurn => Command::Message(message),
                    Delivery::IntoTurn => Command::Steer(message),
                };
                let _ = done.send(self.stdin_open && self.carry_out(&command));
            }
            Control::Interrupt { done } => {
                let _ = done.send(self.stdin_open && self.carry_out(&Command::Interrupt));
            }
            Control::SetTimeLimit(left) => self.set_time_limit(left),
            Control::Finish => self.finish(),
            Control::Stop { reason, grace } => self.stop(reason, grace),
            Control::Detach { .. } => {} // handled by the loop
        }
    }

    pub(super) fn set_time_limit(&mut self, left: Option<Duration>) {
        self.connection.set_time_limit(left.map(|left| left.saturating_add(SLACK)));
    }
}
