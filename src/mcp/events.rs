//! Reads a part of a run's log.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::Value;
use tokio::time::timeout;

use super::backend::{Backend, BackendError};

/// The media type of a log with an event per line.
const NDJSON: &str = "application/x-ndjson";

/// Limit for waiting for the next part of the log, which is stored already.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Some events of a log.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Events {
    /// The events, in order.
    pub(super) items: Vec<Value>,
    /// The number of the last event that was read; that after which they were requested if there are none.
    pub(super) last: u64,
}

/// The events of `run` after number `after`, up to number `tip`, which must be stored: at most `limit`, and at most `max_bytes` after the
/// first one.
///
/// # Errors
/// As [`Backend::stream`], and if the log does not arrive.
pub(super) async fn read(
    backend: &dyn Backend,
    run: &str,
    after: u64,
    tip: u64,
    limit: usize,
    max_bytes: usize,
) -> Result<Events, BackendError> {
    let mut events = Events { items: Vec::new(), last: after };
    if after >= tip || limit == 0 {
        return Ok(events);
    }
    let mut body = backend.stream(&format!("/api/runs/{run}/events?after={after}"), NDJSON).await?;
    let (mut line, mut bytes) = (Vec::new(), 0);
    loop {
        let part =
            timeout(READ_TIMEOUT, body.next()).await.map_err(|_elapsed| BackendError::Unavailable("the log does not arrive".into()))?;
        let Some(part) = part.transpose()? else { return Ok(events) };
        let mut pieces = part.split(|byte| *byte == b'\n');
        line.extend_from_slice(pieces.next().unwrap_or_default());
        for piece in pieces {
            let event = serde_json::from_slice::<Value>(&line).unwrap_or_default();
            bytes += line.len();
            line.clear();
            line.extend_from_slice(piece);
            // A keep-alive is an empty line.
            let Some(seq) = event["seq"].as_u64() else { continue };
            if !events.items.is_empty() && bytes > max_bytes {
                return Ok(events);
            }
            events.items.push(event);
            events.last = seq;
            if seq >= tip || events.items.len() >= limit {
                return Ok(events);
            }
        }
    }
}
