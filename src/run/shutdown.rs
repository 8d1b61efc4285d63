//! Notifies drivers of a shutdown.

use std::sync::Arc;

use tokio::sync::watch;

use crate::types::OnShutdown;

/// The shutdown request that drivers wait for. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Shutdown {
    request: Arc<watch::Sender<Option<OnShutdown>>>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { request: Arc::new(watch::Sender::new(None)) }
    }
}

impl Shutdown {
    /// Requests the shutdown; `how` states what happens to the runs.
    pub(super) fn request(&self, how: OnShutdown) {
        self.request.send_replace(Some(how));
    }

    /// Whether a shutdown was requested.
    pub(super) fn is_requested(&self) -> bool {
        self.request.borrow().is_some()
    }

    /// Waits for a shutdown request. Cancel-safe.
    pub(super) async fn requested(&self) -> OnShutdown {
        let mut request = self.request.subscribe();
        match request.wait_for(Option::is_some).await.map(|how| *how) {
            Ok(Some(how)) => how,
            // Unreachable: `self` holds the sender.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }
}
