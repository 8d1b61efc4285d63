//! Tells one listener which runs have ended.

use std::sync::OnceLock;

use tokio::sync::mpsc;

use crate::types::RunId;

/// Ends that may wait for the listener. Only ids wait, so a listener that stands still costs no more than this.
const WAITING: usize = 1024;

/// The way to the listener.
#[derive(Debug, Default)]
pub(super) struct Completions {
    listener: OnceLock<mpsc::Sender<RunId>>,
}

impl Completions {
    /// Begins to listen: the ends from now on, in their order. `None` if somebody listens already.
    pub(super) fn listen(&self) -> Option<mpsc::Receiver<RunId>> {
        let (tell, told) = mpsc::channel(WAITING);
        self.listener.set(tell).ok().map(|()| told)
    }

    /// Tells that a run has ended, or that its driver has let it go: the row says which. Never waits; whom the listener has no room for is
    /// told by nobody.
    pub(super) fn tell(&self, run: RunId) {
        if let Some(listener) = self.listener.get()
            && let Err(mpsc::error::TrySendError::Full(run)) = listener.try_send(run)
        {
            tracing::debug!(run.id = %run, "nobody has room for the end of the run");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_that_stands_still_holds_nobody_up_and_has_a_bound() {
        let completions = Completions::default();
        completions.tell(RunId::new());
        let mut told = completions.listen().unwrap();
        assert!(completions.listen().is_none(), "there is one");
        let runs: Vec<_> = (0..=WAITING).map(|_| RunId::new()).collect();
        for run in &runs {
            completions.tell(*run);
        }
        let heard: Vec<_> = std::iter::from_fn(|| told.try_recv().ok()).collect();
        assert_eq!(heard, runs[..WAITING]);
    }
}
