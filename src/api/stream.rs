//! Common parts of all event streams: format, keep-alives, the limit on open streams, and the reader's access.

use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, Stream, StreamExt};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::negotiation::accepts;
use super::{ApiError, AppState};
use crate::auth::Principal;
use crate::run::events::Framing;
use crate::run::store::StoreError;
use crate::types::{Level, NoticeCode, StreamEvent};

/// Interval of comments on an idle stream. They keep proxies from closing the connection, and detect readers that have disconnected.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The type of server-sent events. Some clients assume another encoding than UTF-8 if none is declared.
pub(super) const EVENT_STREAM: &str = "text/event-stream; charset=utf-8";

/// The format that the reader accepts: server-sent events by default, or NDJSON.
pub(super) fn framing(headers: &HeaderMap) -> Framing {
    if accepts(headers, header::ACCEPT, "application/x-ndjson") { Framing::Ndjson } else { Framing::Sse }
}

/// The `Last-Event-ID` of a reader that reconnects; `None` if it has received no event.
pub(super) fn last_event_id(headers: &HeaderMap) -> Option<&str> {
    // A value that is not text is not an id either, and is rejected as such.
    headers.get("last-event-id").map(|value| value.to_str().unwrap_or("?")).filter(|text| !text.is_empty())
}

/// Why a stream ends before its events do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AccessEnd {
    /// The token or key has expired.
    Expired,
    /// The token or key is no longer valid: a logout, a new password, a revoked key, or the user was removed.
    Revoked,
    /// The user may no longer read this, because of another role.
    Forbidden,
}

impl AccessEnd {
    /// The value of `reason` in the notice.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Forbidden => "forbidden",
        }
    }

    /// The last event of the stream. It is not part of the log, so it has neither number nor time.
    fn notice(self, framing: Framing) -> Bytes {
        let message = match self {
            Self::Expired => "the token or key of this stream has expired",
            Self::Revoked => "the token or key of this stream is no longer valid",
            Self::Forbidden => "you may no longer read this run",
        };
        let (level, code) = (Level::Warning, NoticeCode::AccessEnded);
        let notice = StreamEvent::Notice { level, code, message: message.to_owned(), data: Some(json!({ "reason": self.as_str() })) };
        let line = serde_json::to_string(&notice).unwrap_or_default();
        Bytes::from(match framing {
            Framing::Sse => format!("event: notice\ndata: {line}\n\n"),
            Framing::Ndjson => line + "\n",
        })
    }
}

/// Checks whether the reader of a stream still has access.
pub(super) type CheckAccess = Box<dyn Fn() -> BoxFuture<'static, Result<(), AccessEnd>> + Send>;

/// The access of a stream's reader.
pub(super) struct Access {
    /// When the token or key expires.
    until: Option<Instant>,
    /// Something that may end the access of a reader has changed.
    changes: watch::Receiver<()>,
    check: CheckAccess,
    /// Whether the stream ends with a notice.
    is_announced: bool,
}

impl Access {
    /// The access of `principal`, which `check` checks: at first, after every change of users, tokens and keys, and once per keep-alive
    /// interval, in case a report is missing.
    pub(super) fn new(app: &AppState, principal: &Principal, check: CheckAccess) -> Self {
        let until = principal.expires_in.and_then(|left| Instant::now().checked_add(left));
        Self { until, changes: app.auth.access_changes(), check, is_announced: true }
    }

    /// Ends the stream without a notice, for streams that have no such event.
    pub(super) fn unannounced(self) -> Self {
        Self { is_announced: false, ..self }
    }

    fn is_expired(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }

    /// Waits until access is to be checked again.
    async fn changed(&mut self) {
        if self.changes.changed().await.is_err() {
            // The service is gone, and with it the server.
            std::future::pending::<()>().await;
        }
    }
}

/// A response that streams `events`, which are encoded for `framing`. It ends with the events, or as soon as the reader loses access.
///
/// # Errors
/// 429 if the user has too many open streams.
pub(super) fn respond(
    app: &AppState,
    principal: &Principal,
    framing: Framing,
    events: impl Stream<Item = Result<Bytes, StoreError>> + Send + Unpin + 'static,
    access: Access,
) -> Result<Response, ApiError> {
    let permit = app.limits.streams.open(&principal.caller.user.name)?;
    let content_type = match framing {
        Framing::Sse => EVENT_STREAM,
        Framing::Ndjson => "application/x-ndjson; charset=utf-8",
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    let stream = permit.attach(while_allowed(framing, events, access));
    Ok((headers, Body::from_stream(stream)).into_response())
}

/// `events` for as long as the reader has access, with keep-alives while there are none. For handlers that build the response themselves
/// instead of using [`respond`].
pub(super) fn while_allowed(
    framing: Framing,
    events: impl Stream<Item = Result<Bytes, StoreError>> + Send + Unpin,
    access: Access,
) -> impl Stream<Item = Result<Bytes, StoreError>> + Send {
    let now = Instant::now();
    let guarded = Guarded { framing, events, access, arrived: Poll::Pending, check_at: now, keep_alive_at: now + KEEP_ALIVE };
    stream::unfold(Some(guarded), async |guarded| guarded?.next().await)
}

/// A stream whose reader may lose access.
struct Guarded<E> {
    framing: Framing,
    events: E,
    access: Access,
    /// What `events` returned while access was checked, if it did.
    arrived: Poll<Option<Result<Bytes, StoreError>>>,
    /// When access is checked, also on a busy stream and without a change.
    check_at: Instant,
    keep_alive_at: Instant,
}

impl<E: Stream<Item = Result<Bytes, StoreError>> + Send + Unpin> Guarded<E> {
    /// The next bytes, and the stream unless these are the last; `None` at the end.
    async fn next(mut self) -> Option<(Result<Bytes, StoreError>, Option<Self>)> {
        loop {
            if let Err(end) = self.check().await {
                return self.access.is_announced.then(|| (Ok(end.notice(self.framing)), None));
            }
            if let Poll::Ready(event) = std::mem::replace(&mut self.arrived, Poll::Pending) {
                return self.deliver(event);
            }
            let wake_at = self.keep_alive_at.min(self.check_at);
            let wake_at = self.access.until.map_or(wake_at, |until| wake_at.min(until));
            tokio::select! {
                biased;
                () = self.access.changed() => self.check_at = Instant::now(),
                event = timeout_at(wake_at, self.events.next()) => match event {
                    Err(_idle) if Instant::now() >= self.keep_alive_at => {
                        self.keep_alive_at = Instant::now() + KEEP_ALIVE;
                        return Some((Ok(Bytes::from_static(keep_alive(self.framing))), Some(self)));
                    }
                    Err(_idle) => {}
                    Ok(event) => return self.deliver(event),
                },
            }
        }
    }

    fn deliver(mut self, event: Option<Result<Bytes, StoreError>>) -> Option<(Result<Bytes, StoreError>, Option<Self>)> {
        let bytes = event?.inspect_err(|error| tracing::error!(%error, "cannot read the events of a stream"));
        self.keep_alive_at = Instant::now() + KEEP_ALIVE;
        // An error interrupts the stream, so that the client reconnects and misses nothing.
        let rest = bytes.is_ok().then_some(self);
        Some((bytes, rest))
    }

    /// Checks access if it is time.
    async fn check(&mut self) -> Result<(), AccessEnd> {
        if self.access.is_expired() {
            return Err(AccessEnd::Expired);
        }
        // Without waiting, because a busy stream has always an event.
        let has_changed = self.access.changes.has_changed().unwrap_or(false);
        if has_changed || Instant::now() >= self.check_at {
            // Before the check, so that a change during it causes another one.
            self.access.changes.mark_unchanged();
            let mut check = (self.access.check)();
            loop {
                // The events are read meanwhile: a read that has begun may hold what the check waits for, such as a connection to the database.
                tokio::select! {
                    biased;
                    result = &mut check => break result?,
                    event = self.events.next(), if self.arrived.is_pending() => self.arrived = Poll::Ready(event),
                }
            }
            self.check_at = Instant::now() + KEEP_ALIVE;
        }
        Ok(())
    }
}

fn keep_alive(framing: Framing) -> &'static [u8] {
    match framing {
        Framing::Sse => b": keep-alive\n\n",
        Framing::Ndjson => b"\n",
    }
}

#[cfg(test)]
mod tests {
    //! Rules: I2, I11.

    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Semaphore;

    use super::*;

    /// Access that is lost after a minute, and the number of its checks.
    fn minute(changes: watch::Receiver<()>) -> (Access, Arc<AtomicUsize>) {
        let (started, checks) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&checks);
        let check: CheckAccess = Box::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            let has_access = started.elapsed() < Duration::from_mins(1);
            Box::pin(std::future::ready(if has_access { Ok(()) } else { Err(AccessEnd::Revoked) }))
        });
        (Access { until: None, changes, check, is_announced: true }, checks)
    }

    fn busy() -> impl Stream<Item = Result<Bytes, StoreError>> + Send + Unpin {
        Box::pin(stream::unfold((), async |()| {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Some((Ok(Bytes::from_static(b"x")), ()))
        }))
    }

    /// Reads the whole stream, and returns how long it took and its last item.
    async fn read(events: impl Stream<Item = Result<Bytes, StoreError>> + Send + Unpin, access: Access) -> (Duration, Bytes) {
        let (started, mut last) = (Instant::now(), Bytes::new());
        let mut stream = std::pin::pin!(while_allowed(Framing::Ndjson, events, access));
        while let Some(item) = stream.next().await {
            last = item.unwrap();
        }
        (started.elapsed(), last)
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_or_busy_stream_ends_within_a_keep_alive_interval_without_a_report() {
        let (_unused, changes) = watch::channel(());
        let (access, _checks) = minute(changes.clone());
        let (idle, last) = read(stream::pending(), access).await;
        assert!(std::str::from_utf8(&last).unwrap().contains(r#""code":"access_ended""#), "{last:?}");
        let (access, checks) = minute(changes);
        let (busy, _last) = read(busy(), access).await;
        for duration in [idle, busy] {
            assert!(duration >= Duration::from_mins(1) && duration <= Duration::from_mins(1) + KEEP_ALIVE, "{duration:?}");
        }
        assert!(checks.load(Ordering::Relaxed) < 9, "access is not checked for every event");
    }

    #[tokio::test(start_paused = true)]
    async fn a_report_ends_idle_and_busy_streams_at_once_and_delays_no_keep_alive() {
        for is_busy in [false, true] {
            let (report, changes) = watch::channel(());
            let (access, _checks) = minute(changes);
            let reporting = async {
                // Reports before access is lost end nothing.
                for _ in 0..13 {
                    tokio::time::sleep(Duration::from_secs(5)).await;
                    report.send_replace(());
                }
                std::future::pending::<()>().await;
            };
            let events = if is_busy { busy().left_stream() } else { stream::pending().right_stream() };
            let reading = async {
                let mut sent = Vec::new();
                let mut stream = std::pin::pin!(while_allowed(Framing::Ndjson, events, access));
                while let Some(item) = stream.next().await {
                    sent.push((Instant::now(), item.unwrap()));
                }
                sent
            };
            let started = Instant::now();
            let sent = tokio::select! {
                () = reporting => unreachable!("it does not end"),
                sent = reading => sent,
            };
            assert!(started.elapsed() <= Duration::from_millis(60_100), "busy: {is_busy}: {:?}", started.elapsed());
            if !is_busy {
                let mut at: Vec<u64> = sent.iter().map(|(at, _)| (*at - started).as_secs()).collect();
                at.dedup(); // access ends exactly when a keep-alive is due
                assert_eq!(at, [15, 30, 45, 60], "keep-alives and the notice");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_does_not_wait_for_a_read_that_waits_for_the_check() {
        let connection = Arc::new(Semaphore::new(1));
        let (report, changes) = watch::channel(());
        let for_check = Arc::clone(&connection);
        let check: CheckAccess = Box::new(move || {
            let connection = Arc::clone(&for_check);
            Box::pin(async move { connection.acquire().await.map(drop).map_err(|_closed| AccessEnd::Revoked) })
        });
        let access = Access { until: None, changes, check, is_announced: true };
        let events = stream::once(async {
            tokio::task::yield_now().await;
            let _held = connection.acquire().await.unwrap();
            tokio::task::yield_now().await;
            Ok(Bytes::from_static(b"event"))
        });
        let (_duration, last) = {
            let mut reading = std::pin::pin!(read(Box::pin(events), access));
            assert!(futures_util::poll!(&mut reading).is_pending());
            let other = connection.acquire().await.unwrap();
            // The read waits for the connection, then the check.
            assert!(futures_util::poll!(&mut reading).is_pending());
            report.send_replace(());
            assert!(futures_util::poll!(&mut reading).is_pending());
            drop(other);
            tokio::time::timeout(Duration::from_mins(1), reading).await.expect("the stream goes on")
        };
        assert_eq!(last, "event");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_of_a_reader_without_access_sends_no_event() {
        let (_unused, changes) = watch::channel(());
        let (access, _checks) = minute(changes);
        tokio::time::advance(Duration::from_mins(2)).await;
        let (_duration, last) = read(stream::iter([Ok(Bytes::from_static(b"secret"))]), access).await;
        assert_ne!(last, "secret");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_exactly_when_its_token_expires() {
        let started = Instant::now();
        let (_unused, changes) = watch::channel(());
        let check: CheckAccess = Box::new(|| Box::pin(std::future::ready(Ok(()))));
        let access = Access { until: Some(started + Duration::from_secs(20)), changes, check, is_announced: true };
        let sent = while_allowed(Framing::Ndjson, stream::pending(), access).collect::<Vec<_>>().await;
        assert_eq!((sent.len(), started.elapsed()), (2, Duration::from_secs(20)));
        assert!(std::str::from_utf8(sent[1].as_ref().unwrap()).unwrap().contains(r#""reason":"expired""#));
    }
}
