//! What the system asks of the server.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::types::OnShutdown;

/// Exit code of a server that was told twice to stop: what a shell gives for one that died of an interrupt.
const TOLD_TWICE: i32 = 130;

/// The word for a server to go, and what becomes of its runs then. Cloning gives another handle; the first word counts.
#[derive(Clone, Debug)]
pub struct Stop {
    told: watch::Sender<Option<OnShutdown>>,
}

impl Default for Stop {
    fn default() -> Self {
        Self { told: watch::Sender::new(None) }
    }
}

impl Stop {
    /// Tells the server to go. `false` if it was told before.
    pub fn tell(&self, how: OnShutdown) -> bool {
        self.told.send_if_modified(|told| {
            let first = told.is_none();
            told.get_or_insert(how);
            first
        })
    }

    /// Waits until the server is told to go, and gives what becomes of its runs. May be dropped at any time.
    pub async fn told(&self) -> OnShutdown {
        let mut told = self.told.subscribe();
        match told.wait_for(Option::is_some).await.map(|how| *how) {
            Ok(Some(how)) => how,
            // We hold the sender ourselves.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }
}

/// A word that is given at the first TERM, as `on_terminate` says, or INT: who ends a server at a terminal expects that nothing of it
/// stays, so then the runs end, too. The second signal ends the process at once; what is left of the runs is the next server's.
///
/// # Errors
/// If the system does not let us listen for signals.
pub fn stop_on_signal(on_terminate: OnShutdown) -> std::io::Result<Stop> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = Stop::default();
    let tell = stop.clone();
    let listener = async move {
        for _ in 0..2 {
            let how = tokio::select! {
                _ = terminate.recv() => on_terminate,
                _ = interrupt.recv() => OnShutdown::Stop,
            };
            if !tell.tell(how) {
                tracing::warn!("told again to stop: leaving at once");
                std::process::exit(TOLD_TWICE);
            }
        }
    };
    #[expect(clippy::disallowed_methods, reason = "it outlives everything that shutdown waits for, and must")]
    tokio::spawn(listener);
    Ok(stop)
}
