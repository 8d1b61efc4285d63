//! Waits for a run, and reports its progress meanwhile.

use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::service::{Peer, RequestContext};
use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use super::backend::{Backend, BackendError, Call};
use super::{input_requests, summary};

/// For how long one request waits, in seconds. An open permission request is noticed after that time.
const POLL_SECS: u64 = 2;

/// A run, and its open requests.
#[derive(Debug)]
pub(super) struct Awaited {
    /// The run.
    pub(super) run: Value,
    /// What it waits for.
    pub(super) requests: Vec<Value>,
}

/// Tells the client how a run goes on, if the client has asked for it.
#[derive(Debug)]
pub(super) struct Progress {
    peer: Peer<RoleServer>,
    token: Option<ProgressToken>,
    /// The last value sent; each one must be higher.
    last: Option<u64>,
}

impl Progress {
    /// The progress of a request.
    pub(super) fn of(context: &RequestContext<RoleServer>) -> Self {
        Self { peer: context.peer.clone(), token: context.meta.get_progress_token(), last: None }
    }

    /// The number of the run's last event is the measure; a run has no known total.
    async fn report(&mut self, run: &Value) {
        let seq = run["last_seq"].as_u64().unwrap_or_default();
        let Some(token) = self.token.clone().filter(|_token| self.last.is_none_or(|last| last < seq)) else { return };
        self.last = Some(seq);
        #[expect(clippy::cast_precision_loss, reason = "the protocol's numbers; a log has fewer events")]
        let progress = ProgressNotificationParam::new(token, seq as f64);
        // A client that has left hears nothing, and its request is cancelled.
        if let Err(error) = self.peer.notify_progress(progress.with_message(format!("{}, {seq} events", summary::status(run)))).await {
            tracing::debug!(%error, "could not report progress to an MCP client");
        }
    }
}

/// Waits until `run` has ended or waits for an answer, for `limit` at most. Cancel-safe: the run is not affected.
///
/// # Errors
/// As [`Backend::json`].
pub(super) async fn wait(backend: &dyn Backend, run: &str, limit: Duration, mut progress: Progress) -> Result<Awaited, BackendError> {
    let deadline = Instant::now() + limit;
    let mut seconds = 0;
    loop {
        let asked = Instant::now();
        let awaited = state(backend, run, seconds).await?;
        progress.report(&awaited.run).await;
        let remaining = deadline.saturating_duration_since(Instant::now()).as_secs();
        if summary::is_ended(&awaited.run) || !awaited.requests.is_empty() || remaining == 0 {
            return Ok(awaited);
        }
        // A server that is shutting down answers at once.
        if seconds > 0 {
            sleep_until(asked + Duration::from_secs(1)).await;
        }
        seconds = remaining.min(POLL_SECS);
    }
}

/// The run after `seconds` or at its end, with its open requests.
///
/// # Errors
/// As [`Backend::json`].
pub(super) async fn state(backend: &dyn Backend, run: &str, seconds: u64) -> Result<Awaited, BackendError> {
    let run_now = backend.json(Call::get(format!("/api/runs/{run}?wait={seconds}"))).await?;
    let requests = match summary::status(&run_now) {
        "waiting" => input_requests::open(backend, run).await?,
        _ => Vec::new(),
    };
    Ok(Awaited { run: run_now, requests })
}
