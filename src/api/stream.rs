//! What surrounds every stream that a reader holds open: its form, keep-alives, the limit on streams, and the question whether the reader
//! may still read.

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

/// After so long without an event a comment is sent: it keeps proxies from hanging up, and finds out readers that have gone.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The form that a reader wants: server-sent events, unless it accepts lines of JSON.
pub(super) fn framing(headers: &HeaderMap) -> Framing {
    if accepts(headers, header::ACCEPT, "application/x-ndjson") { Framing::Ndjson } else { Framing::Sse }
}

/// The `Last-Event-ID` of a reader that comes again; `None` if it has seen no event yet.
pub(super) fn last_event_id(headers: &HeaderMap) -> Option<&str> {
    // What is no text is no id of ours either, and is refused as such.
    headers.get("last-event-id").map(|value| value.to_str().unwrap_or("?")).filter(|text| !text.is_empty())
}

/// The answer to `principal` that streams `events`, which are in the form of `framing` already. It ends with them, with the token or key,
/// and within a keep-alive of the moment when `may_go_on` says no.
///
/// # Errors
/// 429 if the user has as many streams open as may be.
pub(super) fn answer(
    app: &AppState,
    principal: &Principal,
    framing: Framing,
    events: impl Stream<Item = Result<Bytes, StoreError>> + Send + Unpin + 'static,
    may_go_on: impl Fn() -> BoxFuture<'static, bool> + Send + 'static,
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
    let stream = permit.attach(while_allowed(principal.expires_in, keep_alive, events, may_go_on));
    Ok((headers, Body::from_stream(stream)).into_response())
}

/// `events` for as long as their reader may read them, whose token or key is good for `expires_in`, with `keep_alive` where they are
/// silent: what [`answer`] sends, for whoever counts the stream and makes the answer by themselves.
pub(super) fn while_allowed(
    expires_in: Option<Duration>,
    keep_alive: &'static [u8],
    events: impl Stream<Item = Result<Bytes, StoreError>> + Send + Unpin,
    may_go_on: impl Fn() -> BoxFuture<'static, bool> + Send,
) -> impl Stream<Item = Result<Bytes, StoreError>> + Send {
    let until = expires_in.and_then(|left| Instant::now().checked_add(left));
    watched(events, keep_alive, until, may_go_on)
}

/// The stream's bytes until it ends, or at `until`, when the reader's token or key does. Whether the reader may go on is asked as
/// often as a keep-alive is due, also while there is much to send: a logout, a revoked key, a removed user end what they began.
fn watched(
    events: impl Stream<Item = Result<Bytes, StoreError>> + Send + Unpin,
    keep_alive: &'static [u8],
    until: Option<Instant>,
    may_go_on: impl Fn() -> BoxFuture<'static, bool> + Send,
) -> impl Stream<Item = Result<Bytes, StoreError>> + Send {
    let ask_at = Instant::now() + KEEP_ALIVE;
    stream::unfold((Some(events), ask_at, may_go_on), move |(events, mut ask_at, may_go_on)| async move {
        let mut events = events.filter(|_| until.is_none_or(|until| Instant::now() < until))?;
        if Instant::now() >= ask_at {
            if !may_go_on().await {
                return None;
            }
            ask_at = Instant::now() + KEEP_ALIVE;
        }
        let silence = (Instant::now() + KEEP_ALIVE).min(ask_at);
        match timeout_at(until.map_or(silence, |until| silence.min(until)), events.next()).await {
            Err(_silence) => Some((Ok(Bytes::from_static(keep_alive)), (Some(events), ask_at, may_go_on))),
            Ok(Some(Ok(bytes))) => Some((Ok(bytes), (Some(events), ask_at, may_go_on))),
            Ok(Some(Err(error))) => {
                // Breaks the stream in the middle, so that the client comes again and misses nothing.
                tracing::error!(%error, "what a stream tells cannot be read");
                Some((Err(error), (None, ask_at, may_go_on)))
            }
            Ok(None) => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// How long a stream of these events goes on whose reader loses the right to it after a minute.
    async fn lasts(events: impl Stream<Item = Result<Bytes, StoreError>> + Send + Unpin) -> Duration {
        let began = Instant::now();
        let asked = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&asked);
        let may_go_on = move || -> BoxFuture<'static, bool> {
            told.store(true, Ordering::Relaxed);
            Box::pin(std::future::ready(began.elapsed() < Duration::from_mins(1)))
        };
        let stream = std::pin::pin!(watched(events, b"\n", None, may_go_on));
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
        let sent = watched(stream::pending(), b"\n", until, always).count().await;
        assert_eq!((sent, began.elapsed()), (2, Duration::from_secs(20)));
    }
}
