//! What a person types while a run goes on: lines, and Ctrl-C.

use std::io::{self, BufRead};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

/// How long after a Ctrl-C another one takes it back.
pub(super) const SECOND_THOUGHT: Duration = Duration::from_secs(2);

/// What a Ctrl-C comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pressed {
    /// The run is to be cancelled in a moment, unless another one comes.
    CancelSoon,
    /// The run is to be cancelled now.
    CancelNow,
    /// The run is to be left as it is.
    Leave,
}

/// Where the person stands with ending the run: once cancels it, twice leaves it running.
#[derive(Debug)]
pub(super) struct Interrupts {
    /// Whether the run can go on without this command, and a person is there for second thoughts.
    can_wait: bool,
    cancel_at: Option<Instant>,
    is_cancelled: bool,
}

impl Interrupts {
    pub(super) fn new(can_wait: bool) -> Self {
        Self { can_wait, cancel_at: None, is_cancelled: false }
    }

    /// Takes a Ctrl-C.
    pub(super) fn pressed(&mut self, now: Instant) -> Pressed {
        if self.is_cancelled || self.cancel_at.is_some() {
            self.cancel_at = None;
            return Pressed::Leave;
        }
        if self.can_wait {
            self.cancel_at = Some(now + SECOND_THOUGHT);
            return Pressed::CancelSoon;
        }
        self.is_cancelled = true;
        Pressed::CancelNow
    }

    /// When the run is to be cancelled, if that has been decided.
    pub(super) fn cancel_at(&self) -> Option<Instant> {
        self.cancel_at
    }

    /// The moment has come.
    pub(super) fn cancelled(&mut self) {
        self.cancel_at = None;
        self.is_cancelled = true;
    }
}

/// The lines that a person types, read by a thread of its own: a terminal cannot be read otherwise without changing how it works for
/// every program that shares it. The thread ends with the process.
pub(super) struct Lines(mpsc::Receiver<String>);

impl Lines {
    /// Begins to read.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(super) fn start() -> io::Result<Self> {
        let (tell, lines) = mpsc::channel(8);
        std::thread::Builder::new().name("typed".to_owned()).spawn(move || {
            for line in io::stdin().lock().lines().map_while(Result::ok) {
                if tell.blocking_send(line).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self(lines))
    }

    /// The next line; none when there will be no more. Nothing is lost if the future is dropped.
    pub(super) async fn next(&mut self) -> Option<String> {
        self.0.recv().await
    }

    /// Forgets lines that were typed before anything was asked.
    pub(super) fn forget(&mut self) {
        while self.0.try_recv().is_ok() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_cancels_after_a_moment_and_twice_leaves_it_running() {
        let now = Instant::now();
        let mut once = Interrupts::new(true);
        assert_eq!((once.pressed(now), once.cancel_at()), (Pressed::CancelSoon, Some(now + SECOND_THOUGHT)));
        let mut twice = Interrupts::new(true);
        assert_eq!([twice.pressed(now), twice.pressed(now)], [Pressed::CancelSoon, Pressed::Leave]);
        assert_eq!(twice.cancel_at(), None, "it is not cancelled any more");
    }

    #[test]
    fn a_run_that_is_being_cancelled_can_be_left_to_it() {
        let mut interrupts = Interrupts::new(true);
        interrupts.pressed(Instant::now());
        interrupts.cancelled();
        assert_eq!(interrupts.pressed(Instant::now()), Pressed::Leave);
    }

    #[test]
    fn a_run_that_cannot_go_on_alone_is_cancelled_at_once() {
        let mut interrupts = Interrupts::new(false);
        assert_eq!([interrupts.pressed(Instant::now()), interrupts.pressed(Instant::now())], [Pressed::CancelNow, Pressed::Leave]);
    }
}
