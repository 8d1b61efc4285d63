//! The stream of a run's events.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use super::super::{ApiError, AppState, Path, Query};
use crate::auth::Principal;
use crate::run::events::{Follower, Framing};
use crate::run::store::StoreError;
use crate::types::RunId;

/// After so long without an event a comment is sent: it keeps proxies from hanging up, and finds out readers that have gone.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

#[derive(Deserialize)]
pub(in crate::api) struct FollowQuery {
    after: Option<u64>,
    format: Option<String>,
}

/// `GET /api/runs/{id}/events`
pub(in crate::api) async fn follow(
    State(app): State<AppState>,
    principal: Principal,
    Path(run): Path<RunId>,
    Query(query): Query<FollowQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if let Some(format) = query.format {
        return Err(ApiError::invalid_field("format", format!("{format:?} is not a form that events can be had in; leave it out")));
    }
    // The header is the newer word: a browser that reconnects sends it with the address that it first came by.
    let after = last_event_id(&headers)?.or(query.after).unwrap_or(0);
    let framing = if wants_ndjson(&headers) { Framing::Ndjson } else { Framing::Sse };
    let mut follower = app.runs.follow(&principal.caller, run, after, framing).await?;
    if framing == Framing::Sse && follower.is_exhausted() {
        // By the standard of server-sent events this tells a browser not to come again.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let counted = app.limits.streams.open(&principal.caller.user)?;
    let (content_type, keep_alive) = match framing {
        Framing::Sse => ("text/event-stream", &b": keep-alive\n\n"[..]),
        Framing::Ndjson => ("application/x-ndjson", &b"\n"[..]),
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    let until = Instant::now() + principal.expires_in;
    Ok((headers, Body::from_stream(counted.around(events(follower, keep_alive, until)))).into_response())
}

/// The stream's bytes until the log ends, or at `until`, when the reader's token does.
fn events(follower: Follower, keep_alive: &'static [u8], until: Instant) -> impl Stream<Item = Result<Bytes, StoreError>> {
    stream::unfold(Some(follower), move |follower| async move {
        let mut follower = follower.filter(|_| Instant::now() < until)?;
        let silence = Instant::now() + KEEP_ALIVE;
        match timeout_at(silence.min(until), follower.next()).await {
            Err(_silence) => Some((Ok(Bytes::from_static(keep_alive)), Some(follower))),
            Ok(Some(Ok(bytes))) => Some((Ok(bytes), Some(follower))),
            Ok(Some(Err(error))) => {
                // Breaks the stream in the middle, so that the client comes again and misses nothing.
                tracing::error!(%error, "a run's log cannot be read");
                Some((Err(error), None))
            }
            Ok(None) => None,
        }
    })
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let text = value.to_str().unwrap_or("?");
    if text.is_empty() {
        return Ok(None); // no event has been seen yet
    }
    text.parse().map(Some).map_err(|_| ApiError::invalid_field("Last-Event-ID", "must be the number of an event, as its `id` told"))
}

fn wants_ndjson(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|kind| kind.split(';').next().is_some_and(|kind| kind.trim() == "application/x-ndjson"))
}
