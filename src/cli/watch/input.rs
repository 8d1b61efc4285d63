//! Input while a run is followed: typed lines, Ctrl-C and SIGTERM.

use std::io::{self, BufRead};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

/// How long a second Ctrl-C can prevent the cancellation.
pub(super) const CANCEL_DELAY: Duration = Duration::from_secs(2);

/// The effect of Ctrl-C or SIGTERM.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum InterruptAction {
    /// Cancel the run after [`CANCEL_DELAY`], unless a second interrupt follows.
    ScheduleCancel,
    /// Cancel the run now.
    Cancel,
    /// Leave the run as it is and end the command.
    Detach,
}

/// The interrupts so far: the first one cancels the run, the second one detaches from it.
#[derive(Debug)]
pub(super) struct Interrupts {
    /// Whether a second interrupt is possible: the run can continue without this command, and a person is at the terminal.
    has_delay: bool,
    cancel_at: Option<Instant>,
    is_cancelled: bool,
}

impl Interrupts {
    pub(super) fn new(has_delay: bool) -> Self {
        Self { has_delay, cancel_at: None, is_cancelled: false }
    }

    /// Handles Ctrl-C or SIGTERM.
    pub(super) fn handle_interrupt(&mut self, now: Instant) -> InterruptAction {
        if self.is_cancelled || self.cancel_at.is_some() {
            self.cancel_at = None;
            return InterruptAction::Detach;
        }
        if self.has_delay {
            self.cancel_at = Some(now + CANCEL_DELAY);
            return InterruptAction::ScheduleCancel;
        }
        self.is_cancelled = true;
        InterruptAction::Cancel
    }

    /// When to cancel the run, if that is scheduled.
    pub(super) fn cancel_at(&self) -> Option<Instant> {
        self.cancel_at
    }

    /// Records that the run is being cancelled.
    pub(super) fn set_cancelled(&mut self) {
        self.cancel_at = None;
        self.is_cancelled = true;
    }
}

/// Typed lines, read by a thread: reading a terminal asynchronously would change its mode for every program that shares it. The
/// thread ends with the process.
pub(super) struct Lines(mpsc::Receiver<String>);

impl Lines {
    /// Starts reading.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub(super) fn start() -> io::Result<Self> {
        let (sender, lines) = mpsc::channel(8);
        std::thread::Builder::new().name("stdin".to_owned()).spawn(move || {
            for line in io::stdin().lock().lines().map_while(Result::ok) {
                if sender.blocking_send(line).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self(lines))
    }

    /// The next line. None at the end of the input. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<String> {
        self.0.recv().await
    }

    /// Discards lines that were typed before the prompt was shown.
    pub(super) fn discard(&mut self) {
        while self.0.try_recv().is_ok() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_interrupt_schedules_a_cancellation_and_the_second_detaches() {
        let now = Instant::now();
        let mut once = Interrupts::new(true);
        assert_eq!((once.handle_interrupt(now), once.cancel_at()), (InterruptAction::ScheduleCancel, Some(now + CANCEL_DELAY)));
        let mut twice = Interrupts::new(true);
        assert_eq!([twice.handle_interrupt(now), twice.handle_interrupt(now)], [InterruptAction::ScheduleCancel, InterruptAction::Detach]);
        assert_eq!(twice.cancel_at(), None, "the cancellation is revoked");
    }

    #[test]
    fn an_interrupt_during_cancellation_detaches() {
        let mut interrupts = Interrupts::new(true);
        interrupts.handle_interrupt(Instant::now());
        interrupts.set_cancelled();
        assert_eq!(interrupts.handle_interrupt(Instant::now()), InterruptAction::Detach);
    }

    #[test]
    fn without_a_delay_the_run_is_cancelled_immediately() {
        let mut interrupts = Interrupts::new(false);
        let actions = [interrupts.handle_interrupt(Instant::now()), interrupts.handle_interrupt(Instant::now())];
        assert_eq!(actions, [InterruptAction::Cancel, InterruptAction::Detach]);
    }
}
