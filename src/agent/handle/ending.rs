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
        let (mut leaked_pipe, mut has_output) = (false, true);
        match self.gone.take() {
            Some(Gone::Ended(record)) => {
                end.exit = record.exit;
                end.stderr_tail = record.stderr_tail;
                end.left_behind = record.left_behind;
                end.stopped_by = record.stopped_by;
                end.out_of_memory = record.out_of_memory;
                leaked_pipe = record.leaked_pipe;
                has_output = record.spooled.out > 0;
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
            end.failure = launch_failure(exit, &end.stderr_tail, has_output).or_else(|| self.decoder.diagnose(exit, &end.stderr_tail));
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

/// The failure of our own launcher, which could not execute the program, or of the program that isolates it.
fn launch_failure(exit: Exit, stderr_tail: &str, has_output: bool) -> Option<Failure> {
    let line_with = |prefix: &str| stderr_tail.lines().find(|line| line.starts_with(prefix));
    if exit == Exit::Code(launch::NOT_STARTED) {
        return line_with(launch::ERROR_PREFIX).map(|complaint| {
            let is_isolation = complaint.strip_prefix(launch::ERROR_PREFIX).is_some_and(|rest| rest.starts_with(launch::ISOLATION_ERROR));
            Failure::new(if is_isolation { Cause::Crashed } else { Cause::NotInstalled }, complaint)
        });
    }
    // An agent's own sandbox may use the same program, but then the agent has written something.
    let complaint = line_with(launch::PREFIX_ERROR).filter(|_| !has_output && exit == Exit::Code(1))?;
    Some(Failure::new(Cause::Crashed, format!("the agent could not be isolated: {complaint}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_start_is_distinguished_from_a_failed_agent() {
        let cause = |code, tail: &str, has_output| launch_failure(Exit::Code(code), tail, has_output).map(|failure| failure.cause);
        assert_eq!(cause(127, "openrunner: the agent could not be started: no such file\n", false), Some(Cause::NotInstalled));
        let isolation = "openrunner: the agent could not be started: isolation: /data is not hidden from the agent\n";
        assert_eq!(cause(127, isolation, false), Some(Cause::Crashed));
        assert_eq!(cause(1, "bwrap: Can't mount proc on /newroot/proc\n", false), Some(Cause::Crashed));
        assert_eq!(cause(1, "bwrap: Can't mount proc on /newroot/proc\n", true), None, "the agent has written something");
        assert_eq!(cause(3, "bwrap: x\n", false), None);
        assert_eq!(cause(127, "sh: no such file\n", false), None);
    }
}
