//! The stream of a run's events.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, Stream, StreamExt};
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};
use utoipa::IntoParams;

use super::super::{ApiError, AppState, Path, Query};
use super::params::RunPath;
use crate::auth::Principal;
use crate::run::events::{Follower, Framing};
use crate::run::store::StoreError;
use crate::types::RunId;

/// After so long without an event a comment is sent: it keeps proxies from hanging up, and finds out readers that have gone.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct FollowQuery {
    /// Go on after the event of this number; 0, or nothing, is the beginning. `Last-Event-ID` counts before it.
    after: Option<u64>,
    // Refused whatever it says, so it is no part of the description: other servers know it, and it must not be ignored here.
    #[param(ignore)]
    format: Option<String>,
}

/// Follows the events of a run, from the first or after a given one up to `done`.
#[utoipa::path(get, path = "/api/runs/{id}/events", operation_id = "follow_events", tag = "runs",
    summary = "Follows the events of a run, from the first or after a given one up to `done`.",
    description = include_str!("../openapi/stream.md"),
    params(RunPath, FollowQuery,
        ("Last-Event-ID" = Option<u64>, Header, description = "Go on after the event of this number, as its `id` told."),
        ("access_token" = Option<String>, Query, description = "A ticket for this stream, or a token, for a browser's `EventSource`, which cannot send headers.")),
    extensions(("x-error-codes" = json!(["not_found", "too_many_streams"]))),
    responses(
        (status = 200, description = "The stream. It ends after `done`, or when its reader has lost the right to it.",
            content((ref("#/components/schemas/EventFrame") = "text/event-stream"), (ref("#/components/schemas/Event") = "application/x-ndjson"))),
        (status = 204, description = "The run has ended and every event was seen: an `EventSource` does not come again.")))]
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
    let stream = counted.around(following(app, principal, run, follower, keep_alive));
    Ok((headers, Body::from_stream(stream)).into_response())
}

/// What a follower reads for somebody, for as long as they may read it, with `keep_alive` where it is silent.
pub(super) fn following(
    app: AppState,
    principal: Principal,
    run: RunId,
    follower: Follower,
    keep_alive: &'static [u8],
) -> impl Stream<Item = Result<Bytes, StoreError>> + Send + Unpin {
    let until = principal.expires_in.and_then(|left| Instant::now().checked_add(left));
    let may_go_on = move || -> BoxFuture<'static, bool> { Box::pin(may_follow(app.clone(), principal.clone(), run)) };
    Box::pin(events(log(follower), keep_alive, until, may_go_on))
}

/// Whether the reader would still be let in, and to this run. A store that cannot say so ends the stream: the client comes again.
async fn may_follow(app: AppState, principal: Principal, run: RunId) -> bool {
    match app.auth.recheck(&principal).await {
        Ok(now) => app.runs.get(&now.caller, run).await.is_ok(),
        Err(_refused) => false,
    }
}

/// What a follower reads, as a stream.
fn log(follower: Follower) -> impl Stream<Item = Result<Bytes, StoreError>> + Send + Unpin {
    Box::pin(stream::unfold(follower, async |mut follower| Some((follower.next().await?, follower))))
}

/// The stream's bytes until the log ends, or at `until`, when the reader's token or key does. Whether the reader may go on is asked as
/// often as a keep-alive is due, also while there is much to send: a logout, a revoked key, a removed user end what they began.
fn events(
    log: impl Stream<Item = Result<Bytes, StoreError>> + Send + Unpin,
    keep_alive: &'static [u8],
    until: Option<Instant>,
    may_go_on: impl Fn() -> BoxFuture<'static, bool> + Send,
) -> impl Stream<Item = Result<Bytes, StoreError>> + Send {
    let ask_at = Instant::now() + KEEP_ALIVE;
    stream::unfold((Some(log), ask_at, may_go_on), move |(log, mut ask_at, may_go_on)| async move {
        let mut log = log.filter(|_| until.is_none_or(|until| Instant::now() < until))?;
        if Instant::now() >= ask_at {
            if !may_go_on().await {
                return None;
            }
            ask_at = Instant::now() + KEEP_ALIVE;
        }
        let silence = (Instant::now() + KEEP_ALIVE).min(ask_at);
        match timeout_at(until.map_or(silence, |until| silence.min(until)), log.next()).await {
            Err(_silence) => Some((Ok(Bytes::from_static(keep_alive)), (Some(log), ask_at, may_go_on))),
            Ok(Some(Ok(bytes))) => Some((Ok(bytes), (Some(log), ask_at, may_go_on))),
            Ok(Some(Err(error))) => {
                // Breaks the stream in the middle, so that the client comes again and misses nothing.
                tracing::error!(%error, "a run's log cannot be read");
                Some((Err(error), (None, ask_at, may_go_on)))
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// How long a stream of such a log goes on whose reader loses the right to it after a minute.
    async fn lasts(log: impl Stream<Item = Result<Bytes, StoreError>> + Send + Unpin) -> Duration {
        let began = Instant::now();
        let asked = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&asked);
        let may_go_on = move || -> BoxFuture<'static, bool> {
            told.store(true, Ordering::Relaxed);
            Box::pin(std::future::ready(began.elapsed() < Duration::from_mins(1)))
        };
        let stream = std::pin::pin!(events(log, b"\n", None, may_go_on));
        stream.for_each(async |sent| assert!(sent.is_ok())).await;
        assert!(asked.load(Ordering::Relaxed));
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn i2_a_silent_stream_ends_within_a_keep_alive_of_its_readers_right() {
        let lasted = lasts(stream::pending()).await;
        assert!(lasted >= Duration::from_mins(1) && lasted <= Duration::from_mins(1) + KEEP_ALIVE, "{lasted:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn i2_a_busy_stream_ends_within_a_keep_alive_of_its_readers_right() {
        let busy = stream::unfold((), async |()| {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Some((Ok(Bytes::from_static(b"x")), ()))
        });
        let lasted = lasts(Box::pin(busy)).await;
        assert!(lasted >= Duration::from_mins(1) && lasted <= Duration::from_mins(1) + KEEP_ALIVE, "{lasted:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_with_its_token_to_the_moment() {
        let began = Instant::now();
        let always = || -> BoxFuture<'static, bool> { Box::pin(std::future::ready(true)) };
        let until = Some(began + Duration::from_secs(20));
        let sent = events(stream::pending(), b"\n", until, always).count().await;
        assert_eq!((sent, began.elapsed()), (2, Duration::from_secs(20)));
    }
}
