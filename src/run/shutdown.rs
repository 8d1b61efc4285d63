//! How drivers hear that the server goes away.

use std::sync::Arc;

use tokio::sync::watch;

use crate::types::OnShutdown;

/// What drivers wait for. Cloning gives another handle to the same.
#[derive(Clone, Debug)]
pub(super) struct Shutdown {
    told: Arc<watch::Sender<Option<OnShutdown>>>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { told: Arc::new(watch::Sender::new(None)) }
    }
}

impl Shutdown {
    /// The server goes away, and this is what becomes of its runs.
    pub(super) fn tell(&self, how: OnShutdown) {
        self.told.send_replace(Some(how));
    }

    /// Whether it was told to.
    pub(super) fn is_told(&self) -> bool {
        self.told.borrow().is_some()
    }

    /// Waits until it is told to, and gives what becomes of the runs. May be dropped at any time.
    pub(super) async fn told(&self) -> OnShutdown {
        let mut told = self.told.subscribe();
        match told.wait_for(Option::is_some).await.map(|how| *how) {
            Ok(Some(how)) => how,
            // We hold the sender ourselves.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }
}
