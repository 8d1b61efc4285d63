//! The fields of a run that commands act on.

use std::time::Duration;

use serde::Deserialize;

use super::Client;
use crate::cli::api_error::ClientError;
use crate::types::{Clock, RunStatus, SystemClock, Timestamp};

/// A run as `GET /api/runs/{id}` shows it, reduced to what commands act on.
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct RunSummary {
    /// Its status.
    pub(in crate::cli) status: RunStatus,
    /// Number of its last event.
    pub(in crate::cli) last_seq: u64,
    created_at: Timestamp,
}

impl RunSummary {
    /// Fetches a run.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(in crate::cli) async fn fetch(client: &Client, id: &str) -> Result<Self, ClientError> {
        let run = client.get(&format!("/api/runs/{id}")).await?;
        serde_json::from_value(run).map_err(|_| client.unexpected("its answer cannot be parsed"))
    }

    /// The time since its creation.
    pub(in crate::cli) fn age(&self) -> Duration {
        let millis = SystemClock.now().as_millis().saturating_sub(self.created_at.as_millis());
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }
}
