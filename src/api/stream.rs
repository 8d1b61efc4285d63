//! Common parts of all event streams: format, keep-alives, the limit on open streams, and the reader's access.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, Stream, StreamExt};
use tokio::time::{Instant, timeout_at};

use super::negotiation::accepts;
use super::{ApiError, AppState};
use crate::auth::Principal;
use crate::run::events::Framing;
use crate::run::store::StoreError;

/// Interval of comments on an idle stream. They keep proxies from closing the connection, and detect readers that have disconnected.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The format that the reader accepts: server-sent events by default, or NDJSON.
pub(super) fn framing(headers: &HeaderMap) -> Framing {
    if accepts(headers, header::ACCEPT, "application/x-ndjson") { Framing::Ndjson } else { Framing::Sse }
}

/// The `Last-Event-ID` of a reader that reconnects; `None` if it has received no event.
pub(super) fn last_event_id(headers: &HeaderMap) -> Option<&str> {
    // A value that is not text is not an id either, and is rejected as such.
    headers.get("last-event-id").map(|value| value.to_str().unwrap_or("?")).filter(|text| !text.is_empty())
}

/// A response that streams `events`, which are encoded for `framing`. It ends with the events, when the token or key of `principal` expires,
/// and within a keep-alive interval after `has_access` returns false.
///
/// # Errors
/// 429 if the user has too many open streams.
pub(super) fn respond(
    app: &AppState,
    principal: &Principal,
    framing: Framing,
    events: impl Stream<Item = Result<Bytes, StoreError>> + Send + Unpin + 'static,
    has_access: impl Fn() -> BoxFuture<'static, bool> + Send + 'static,
) -> Result<Response, ApiError> {
    let permit = app.limits.streams.open(&principal.caller.user)?;
    let (content_type, keep_alive) = match framing {
        Framing::Sse => ("text/event-stream", &b": keep-alive\n\n"[..]),
        Framing::Ndjson => ("application/x-ndjson", &b"\n"[..]),
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    let stream = permit.attach(while_allowed(principal.expires_in, keep_alive, events, has_access));
    Ok((headers, Body::from_stream(stream)).into_response())
}

/// `events` for as long as the reader has access and the token or key has not expired, with `keep_alive` while there are none. For handlers
/// that build the response themselves instead of using [`respond`].
pub(super) fn while_allowed(
    expires_in: Option<Duration>,
    keep_alive: &'static [u8],
    events: impl Stream<Item = Result<Bytes, StoreError>> + Send + Unpin,
    has_access: impl Fn() -> BoxFuture<'static, bool> + Send,
) -> impl Stream<Item = Result<Bytes, StoreError>> + Send {
    let until = expires_in.and_then(|left| Instant::now().checked_add(left));
    guarded(events, keep_alive, until, has_access)
}

/// The bytes of the stream until it ends, or until `until`. Access is checked once per keep-alive interval, also on a busy stream, so that a
/// logout, a revoked key or a removed user ends it.
fn guarded(
    events: impl Stream<Item = Result<Bytes, StoreError>> + Send + Unpin,
    keep_alive: &'static [u8],
    until: Option<Instant>,
    has_access: impl Fn() -> BoxFuture<'static, bool> + Send,
) -> impl Stream<Item = Result<Bytes, StoreError>> + Send {
    let check_at = Instant::now() + KEEP_ALIVE;
    stream::unfold((Some(events), check_at, has_access), move |(events, mut check_at, has_access)| async move {
        let mut events = events.filter(|_| until.is_none_or(|until| Instant::now() < until))?;
        if Instant::now() >= check_at {
            if !has_access().await {
                return None;
            }
            check_at = Instant::now() + KEEP_ALIVE;
        }
        let keep_alive_at = (Instant::now() + KEEP_ALIVE).min(check_at);
        match timeout_at(until.map_or(keep_alive_at, |until| keep_alive_at.min(until)), events.next()).await {
            Err(_idle) => Some((Ok(Bytes::from_static(keep_alive)), (Some(events), check_at, has_access))),
            Ok(Some(Ok(bytes))) => Some((Ok(bytes), (Some(events), check_at, has_access))),
            Ok(Some(Err(error))) => {
                // Interrupts the stream, so that the client reconnects and misses nothing.
                tracing::error!(%error, "cannot read the events of a stream");
                Some((Err(error), (None, check_at, has_access)))
            }
            Ok(None) => None,
        }
    })
}

#[cfg(test)]
mod tests {
    //! Rules: I2.

    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// The duration of a stream of these events whose reader loses access after a minute.
    async fn duration_of(events: impl Stream<Item = Result<Bytes, StoreError>> + Send + Unpin) -> Duration {
        let started = Instant::now();
        let was_checked = Arc::new(AtomicBool::new(false));
        let checked = Arc::clone(&was_checked);
        let has_access = move || -> BoxFuture<'static, bool> {
            checked.store(true, Ordering::Relaxed);
            Box::pin(std::future::ready(started.elapsed() < Duration::from_mins(1)))
        };
        let stream = std::pin::pin!(guarded(events, b"\n", None, has_access));
        stream.for_each(async |sent| assert!(sent.is_ok())).await;
        assert!(was_checked.load(Ordering::Relaxed));
        started.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_stream_ends_within_a_keep_alive_interval_after_access_is_lost() {
        let duration = duration_of(stream::pending()).await;
        assert!(duration >= Duration::from_mins(1) && duration <= Duration::from_mins(1) + KEEP_ALIVE, "{duration:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_stream_ends_within_a_keep_alive_interval_after_access_is_lost() {
        let busy = stream::unfold((), async |()| {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Some((Ok(Bytes::from_static(b"x")), ()))
        });
        let duration = duration_of(Box::pin(busy)).await;
        assert!(duration >= Duration::from_mins(1) && duration <= Duration::from_mins(1) + KEEP_ALIVE, "{duration:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_exactly_when_its_token_expires() {
        let started = Instant::now();
        let always = || -> BoxFuture<'static, bool> { Box::pin(std::future::ready(true)) };
        let until = Some(started + Duration::from_secs(20));
        let sent = guarded(stream::pending(), b"\n", until, always).count().await;
        assert_eq!((sent, started.elapsed()), (2, Duration::from_secs(20)));
    }
}
