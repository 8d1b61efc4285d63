//! Brings a program to its end: finish, stop, detach, abandon, and the final report.
//!
//! ```text
//! finish   close stdin ─ exit grace ─────────────────────┐
//! stop     interrupt ─ end of the turn, or INTERRUPT ────┴─ stop command: TERM ─ grace ─ KILL
//! abandon  stop command: KILL at once
//! ```

use std::time::Duration;

use tokio::time::Instant;

use super::connection::Event;
use super::end_state::{Deadline, Finish, Gone};
use super::program::Supervisor;
use super::{AgentEnd, Command, Update, millis};
use crate::process::shim::{self, ShimCommand, StoppedBy};
use crate::process::{Exit, launch};
use crate::types::{Cause, Failure, Level, NoticeCode};

/// How long an interrupted turn may take to end before the program is ended by signals.
const INTERRUPT: Duration = Duration::from_secs(3);
/// How long a shim may take to carry out its last command when the driver has gone or detaches.
const LAST_COMMAND: Duration = Duration::from_secs(10);

impl Supervisor {
    /// Closes stdin, because no further message follows. The program must exit within the grace period.
    pub(super) fn finish(&mut self) {
        if self.ending.finish != Finish::No {
            return;
        }
        self.ending.finish = Finish::Requested;
        self.carry_out(&Command::Finish);
        if self.ending.deadline.is_none() && !self.exited {
            self.start_exit_grace();
        }
        self.set_time_limit(Some(self.program.grace.exit));
    }

    pub(super) fn start_exit_grace(&mut self) {
        self.ending.deadline = Some(Deadline::ExitGrace(Instant::now() + self.program.grace.exit));
    }

    /// Interrupts the turn first: an agent that ends its turn itself also ends its tools and keeps its conversation consistent.
    pub(super) fn stop(&mut self, reason: String, grace: Duration) {
        if !std::mem::replace(&mut self.ending.stop_recorded, true) {
            self.carry_out(&Command::Stop { reason });
        }
        let may_interrupt = self.ending.stop_sent.is_none() && self.ending.after_turn.is_none() && !grace.is_zero() && self.stdin_open;
        if may_interrupt && self.carry_out(&Command::Interrupt) {
            let wait = grace.min(INTERRUPT);
            self.ending.after_turn = Some(grace);
            self.ending.deadline = Some(Deadline::Interrupt(Instant::now() + wait));
            // If this server dies now, the shim completes the stop.
            self.set_time_limit(Some(wait));
        } else {
            self.end_program(grace);
        }
    }

    /// Ends the program if its turn, which was to be the last, is over.
    pub(super) fn end_program_after_turn(&mut self) {
        if let Some(grace) = self.ending.after_turn.filter(|_| self.decoder.turn_is_over()) {
            self.ending.after_turn = None;
            self.ending.cancel_deadline();
            self.end_program(grace);
        }
    }

    /// Sends the shim a stop command. A further one is sent only if its grace period is shorter.
    pub(super) fn end_program(&mut self, grace: Duration) {
        if self.ending.stop_sent.is_none_or(|sent| grace < sent) {
            self.ending.stop_sent = Some(grace);
            self.send_to_shim(&ShimCommand::Stop { grace_ms: millis(grace) });
            self.limit_unreachable();
        }
    }

    /// Limits how long a program that is to stop waits for a shim that cannot be reached.
    pub(super) fn limit_unreachable(&mut self) {
        if let Some(grace) = self.ending.stop_sent.filter(|_| self.connection.is_broken()) {
            // Treat an overflowing grace period as zero.
            let at = Instant::now() + LAST_COMMAND;
            self.ending.deadline = Some(Deadline::Unreachable(at.checked_add(grace).unwrap_or(at)));
        }
    }

    pub(super) fn handle_deadline(&mut self) {
        match self.ending.deadline.take() {
            Some(Deadline::ExitGrace(_)) => {
                self.ending.finish = Finish::GraceExpired;
                let exit_grace = self.program.grace.exit.as_secs();
                let message = format!("the agent was still running {exit_grace} s after its result and was stopped");
                self.decoder.emit_notice(Level::Warning, NoticeCode::ExitGraceExpired, message);
                self.end_program(self.program.grace.stop);
            }
            Some(Deadline::Interrupt(_)) => {
                let grace = self.ending.after_turn.take().unwrap_or_default();
                self.end_program(grace);
            }
            Some(Deadline::Unreachable(_)) => {
                tracing::warn!(run.id = self.program.marker.value(), "a shim that is to stop its agent cannot be reached; killing both");
                self.connection.kill_shim();
            }
            None => {}
        }
    }

    /// Sends the last update.
    pub(super) async fn report_end(mut self) {
        // Commands are rejected from here on. A driver that waits for a reply must get none now, since the send below may wait for it.
        self.link.commands.close();
        while self.link.commands.try_recv().is_ok() {}
        let mut end = AgentEnd { exit_grace_expired: self.ending.finish == Finish::GraceExpired, ..AgentEnd::default() };
        let mut leaked_pipe = false;
        match self.gone.take() {
            Some(Gone::Ended(record)) => {
                end.exit = record.exit;
                end.stderr_tail = record.stderr_tail;
                end.left_behind = record.left_behind;
                end.stopped_by = record.stopped_by;
                end.out_of_memory = record.out_of_memory;
                leaked_pipe = record.leaked_pipe;
            }
            Some(Gone::NotStarted { message, resource_exhausted }) => {
                let cause = if resource_exhausted { Cause::Storage } else { Cause::Crashed };
                end.failure = Some(Failure::new(cause, format!("the process could not be started: {message}")));
            }
            Some(Gone::Lost { left_behind, reason }) => (end.lost, end.left_behind) = (Some(reason), left_behind),
            None => {}
        }
        // The shim's limit ran out in place of the exit grace period, because no server was connected.
        if self.ending.finish != Finish::No && end.stopped_by == Some(StoppedBy::Limit) {
            (end.stopped_by, end.exit_grace_expired) = (None, true);
        }
        if leaked_pipe {
            let message = "the agent has exited, but a process that it started kept its output open and was stopped";
            self.decoder.emit_notice(Level::Warning, NoticeCode::LeakedPipe, message);
        }
        if let Some(exit) = end.exit {
            self.decoder.handle_exit(exit);
        }
        if end.left_behind > 0 {
            let message = format!("{} processes of this run could not be ended", end.left_behind);
            self.decoder.emit_notice(Level::Error, NoticeCode::LeftBehind, message);
        }
        end.items = self.decoder.take_items();
        if let Some(exit) = end.exit
            && !self.decoder.turn_ended
        {
            end.failure = launch_failure(exit, &end.stderr_tail).or_else(|| self.decoder.diagnose(exit, &end.stderr_tail));
        }
        // Fails only if the driver has gone.
        let _ = self.link.updates.send(Update::Ended(end)).await;
    }

    /// Leaves the program to its shim, once all queued commands have reached it.
    pub(super) async fn detach(&mut self) {
        if tokio::time::timeout(LAST_COMMAND, self.connection.flush()).await.is_err() {
            tracing::warn!(run.id = self.program.marker.value(), "shim did not take the last commands; detached anyway");
        }
    }

    /// Kills the program, because the handle was dropped.
    pub(super) async fn abandon(mut self) {
        self.end_program(Duration::ZERO);
        let last_command = async {
            while self.gone.is_none() {
                let event: Event = self.connection.event().await;
                self.handle_event(event);
            }
        };
        if tokio::time::timeout(LAST_COMMAND, last_command).await.is_err() {
            shim::kill_leftovers(&self.program.dir, &self.program.marker).await;
        }
    }
}

/// The failure of our own launcher, which could not execute the program.
fn launch_failure(exit: Exit, stderr_tail: &str) -> Option<Failure> {
    let complaint = stderr_tail.lines().find(|line| line.starts_with(launch::ERROR_PREFIX))?;
    (exit == Exit::Code(launch::NOT_STARTED)).then(|| Failure::new(Cause::NotInstalled, complaint))
}
