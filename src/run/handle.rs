//! The way to a live run.

use tokio::sync::{mpsc, watch};

use super::state::StopReason;
use crate::types::RunStatus;

/// Commands that may wait for a run's driver.
const COMMANDS: usize = 16;

/// Talks to the driver of one run. Dropping it changes nothing: the run belongs to the server, not to whoever asked for it.
#[derive(Clone, Debug)]
pub(super) struct RunHandle {
    commands: mpsc::Sender<Command>,
    status: watch::Receiver<RunStatus>,
}

#[derive(Debug)]
pub(super) enum Command {
    Stop(StopReason),
}

/// The driver's end.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) status: watch::Sender<RunStatus>,
}

pub(super) fn link() -> (RunHandle, Inbox) {
    let (commands, inbox) = mpsc::channel(COMMANDS);
    let (status, seen) = watch::channel(RunStatus::Queued);
    (RunHandle { commands, status: seen }, Inbox { commands: inbox, status })
}

impl RunHandle {
    /// Asks the run to stop. A run that has just ended does not mind.
    pub(super) async fn stop(&self, reason: StopReason) {
        let _ = self.commands.send(Command::Stop(reason)).await;
    }

    pub(super) fn status(&self) -> RunStatus {
        *self.status.borrow()
    }

    /// Waits until nothing more is written about the run.
    pub(super) async fn over(&self) {
        let mut status = self.status.clone();
        // An error means that the driver has gone, which is the end as well.
        let _ = status.wait_for(|status| status.is_ended()).await;
        while status.changed().await.is_ok() {}
    }

    /// Waits until the run has begun to stop, or has ended.
    pub(super) async fn stopping(&self) {
        let mut status = self.status.clone();
        let _ = status.wait_for(|status| status.is_ended() || *status == RunStatus::Stopping).await;
    }
}
