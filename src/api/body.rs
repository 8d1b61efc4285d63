//! Limits on request bodies, in one place: the whole body is read before a handler runs.
//!
//! Almost all bodies are small JSON documents, so streaming has no benefit, and no handler can omit a limit. Authentication comes first:
//! what a client without a token may send is much smaller. Uploads are the exception: their handlers receive them with [`receive`], piece by
//! piece, within limits of their own.

use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::{MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::sync::mpsc;

use super::limits::{ConnectionHandle, LimitExceeded, RateKey};
use super::{ApiError, AppState};
use crate::auth::{ClientOrigin, Principal};
use crate::run::{MAX_ATTACHMENT_BYTES, MAX_UPLOAD_BYTES};
use crate::workspace::files::Piece;

/// Maximum size of a body, in bytes.
const MAX_BYTES: usize = 2 * 1024 * 1024;

/// The same for a new run or a message, whose images and files are in the body. Only for a declared length, so that the length that is reserved for a body
/// of unknown length stays small.
const MAX_BYTES_WITH_ATTACHMENTS: usize = MAX_BYTES + MAX_ATTACHMENT_BYTES.div_ceil(3) * 4;

/// The same on routes that need no token, such as the login.
const MAX_BYTES_WITHOUT_TOKEN: usize = 16 * 1024;

/// Time limit for receiving a body.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The routes whose bodies are files. Their requests need a Bearer token, which no form of another site can send.
const UPLOADS: [(Method, &str); 2] = [(Method::PUT, "/api/runs/{id}/files/{*path}"), (Method::POST, "/api/files")];

/// Maximum size of an uploaded file, in bytes.
const MAX_UPLOAD: u64 = MAX_UPLOAD_BYTES;

/// Time limit for receiving an upload. It may also pause for no longer than [`TIMEOUT`].
const UPLOAD_TIMEOUT: Duration = Duration::from_mins(10);

/// Number of pieces of an upload in memory.
const UPLOAD_QUEUE: usize = 4;

/// Size of the first allocation for a body, in bytes.
const FIRST_ALLOCATION: usize = 4 * 1024;

/// Reads the whole body within the limits and passes it on. Its memory counts towards the budget for bodies until the response has begun.
pub(super) async fn read_whole(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    if is_upload(&parts.method, parts.extensions.get::<MatchedPath>()) {
        return next.run(Request::from_parts(parts, body)).await;
    }
    if body.is_end_stream() {
        return handle(Request::from_parts(parts, body), next).await;
    }
    let origin = || parts.extensions.get::<ClientOrigin>().copied().unwrap_or_default();
    let (sender, max) = match parts.extensions.get::<Principal>() {
        Some(principal) => (RateKey::User(principal.caller.user.name.clone()), MAX_BYTES),
        None => (RateKey::Client(origin().network()), MAX_BYTES_WITHOUT_TOKEN),
    };
    let declared = parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let max_declared = if max == MAX_BYTES && may_have_attachments(&parts) { MAX_BYTES_WITH_ATTACHMENTS } else { max };
    let size = match declared.map(usize::try_from) {
        None => max,
        Some(Ok(declared)) if declared <= max_declared => declared,
        Some(_) => return too_large(max_declared).into_response(),
    };
    let _memory = match app.limits.bodies.reserve(sender, size).await {
        Ok(memory) => memory,
        Err(limited) => return ApiError::from(limited).into_response(),
    };
    match read(body, size).await {
        Ok(bytes) => handle(Request::from_parts(parts, Body::from(bytes)), next).await,
        Err(error) => error.into_response(),
    }
}

/// Whether the request creates a run or sends a message to one, so that its body may contain images and files.
fn may_have_attachments(parts: &Parts) -> bool {
    let path = parts.uri.path();
    let is_message = || path.strip_prefix("/api/runs/").and_then(|rest| rest.strip_suffix("/messages")).is_some();
    parts.method == Method::POST && (matches!(path, "/api/runs" | "/v1/chat/completions") || is_message())
}

/// Whether the body of a request is a file.
pub(super) fn is_upload(method: &Method, route: Option<&MatchedPath>) -> bool {
    route.is_some_and(|route| UPLOADS.iter().any(|(upload, path)| upload == method && *path == route.as_str()))
}

/// A channel for the body of an upload.
pub(super) fn upload_channel() -> (mpsc::Sender<Piece>, mpsc::Receiver<Piece>) {
    mpsc::channel(UPLOAD_QUEUE)
}

/// Receives the body of an upload and sends it on, piece by piece. If the receiver is dropped, the rest is not read: the receiver knows why.
///
/// # Errors
/// 413 if it is larger than [`MAX_UPLOAD`], 408 if it takes too long, 400 if it is incomplete. [`Piece::End`] is not sent then.
pub(super) async fn receive(request: Request, sender: mpsc::Sender<Piece>) -> Result<(), ApiError> {
    let (parts, body) = request.into_parts();
    let declared = parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let max = usize::try_from(MAX_UPLOAD).unwrap_or(usize::MAX);
    if declared.is_some_and(|declared| declared > MAX_UPLOAD) {
        return Err(too_large(max));
    }
    let mut body = Limited::new(body, max);
    let received = tokio::time::timeout(UPLOAD_TIMEOUT, async {
        loop {
            let frame = tokio::select! {
                frame = tokio::time::timeout(TIMEOUT, body.frame()) => frame.map_err(|_elapsed| timed_out(TIMEOUT))?,
                () = sender.closed() => return Ok(()),
            };
            let Some(frame) = frame else { break };
            match frame {
                Ok(frame) => {
                    let Ok(data) = frame.into_data() else { continue };
                    if sender.send(Piece::Data(data)).await.is_err() {
                        return Ok(());
                    }
                }
                Err(error) if error.is::<LengthLimitError>() => return Err(too_large(max)),
                Err(_broken) => return Err(unreadable()),
            }
        }
        let is_handled = parts.extensions.get::<ConnectionHandle>().is_none_or(ConnectionHandle::received);
        if !is_handled {
            return Err(LimitExceeded::Connections.into());
        }
        let _ = sender.send(Piece::End).await;
        Ok(())
    });
    received.await.unwrap_or_else(|_elapsed| Err(timed_out(UPLOAD_TIMEOUT)))
}

/// Passes on a request that has arrived as a whole, unless its connection is being closed.
async fn handle(request: Request, next: Next) -> Response {
    match request.extensions().get::<ConnectionHandle>() {
        Some(connection) if !connection.received() => ApiError::from(LimitExceeded::Connections).into_response(),
        _ => next.run(request).await,
    }
}

async fn read(body: Body, max: usize) -> Result<Bytes, ApiError> {
    let whole = tokio::time::timeout(TIMEOUT, collect(body, max)).await;
    whole.unwrap_or_else(|_elapsed| Err(timed_out(TIMEOUT)))
}

fn timed_out(limit: Duration) -> ApiError {
    let detail = format!("the body did not arrive within {} seconds", limit.as_secs());
    ApiError::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", detail)
}

fn unreadable() -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "body_unreadable", "the body is incomplete or has the wrong encoding")
}

/// Collects a body of at most `max` bytes, in at most as much memory.
async fn collect(body: Body, max: usize) -> Result<Bytes, ApiError> {
    // The bytes are counted as they arrive, because a chunked body declares no length.
    let mut body = Limited::new(body, max);
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame {
            // Copied, because a small frame keeps the connection's whole buffer.
            Ok(frame) => frame.into_data().into_iter().for_each(|data| append(&mut whole, &data, max)),
            Err(error) if error.is::<LengthLimitError>() => return Err(too_large(max)),
            Err(_broken) => return Err(unreadable()),
        }
    }
    Ok(whole.into())
}

/// Appends `data`, so that the capacity grows with what has arrived and never beyond `max`.
fn append(whole: &mut Vec<u8>, data: &[u8], max: usize) {
    let needed = whole.len() + data.len();
    if needed > whole.capacity() {
        let capacity = needed.max(whole.capacity() * 2).max(FIRST_ALLOCATION).min(max);
        whole.reserve_exact(capacity.saturating_sub(whole.len()));
    }
    whole.extend_from_slice(data);
}

/// Checks the size of a body without its images and files.
///
/// # Errors
/// 413 if it exceeds that of other bodies.
pub(super) fn check_rest(size: usize) -> Result<(), ApiError> {
    if size <= MAX_BYTES { Ok(()) } else { Err(too_large(MAX_BYTES)) }
}

fn too_large(max: usize) -> ApiError {
    let without = if max < MAX_BYTES { " for requests without a token" } else { "" };
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", format!("the body exceeds the limit of {max} bytes{without}"))
}

#[cfg(test)]
mod tests {
    //! Rules: D8, D9.

    use futures_util::stream;

    use super::*;

    fn chunks(count: usize, size: usize) -> Body {
        Body::from_stream(stream::iter((0..count).map(move |_| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; size])))))
    }

    #[tokio::test]
    async fn bytes_are_counted_as_they_arrive() {
        assert_eq!(read(chunks(2, 1024 * 1024), MAX_BYTES).await.unwrap().len(), MAX_BYTES);
        assert_eq!(read(chunks(3, 1024 * 1024), MAX_BYTES).await.unwrap_err().status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(read(chunks(17, 1024), MAX_BYTES_WITHOUT_TOKEN).await.unwrap_err().status(), StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[test]
    fn a_body_takes_no_more_memory_than_it_may_have() {
        for (count, size, max) in [(10_000, 1, 10_000), (3, 5_000, 16_384), (1, 16_384, 16_384), (100, 160, 16_384), (1, 1, 1)] {
            let mut whole = Vec::new();
            for _ in 0..count {
                append(&mut whole, &vec![b' '; size], max);
                assert!(whole.capacity() <= max.min((2 * whole.len()).max(FIRST_ALLOCATION)), "{} of {}", whole.len(), whole.capacity());
            }
            assert_eq!(whole.len(), count * size);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_arrive_times_out() {
        let body = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(read(body, MAX_BYTES).await.unwrap_err().status(), StatusCode::REQUEST_TIMEOUT);
    }

    /// What the receiver gets of an upload: the number of bytes, and whether it is complete.
    async fn uploaded(body: Body) -> (Result<(), ApiError>, u64, bool) {
        let (sender, mut pieces) = upload_channel();
        let counting = async {
            let (mut size, mut is_complete) = (0, false);
            while let Some(piece) = pieces.recv().await {
                match piece {
                    Piece::Data(data) => size += data.len() as u64,
                    Piece::End => is_complete = true,
                }
            }
            (size, is_complete)
        };
        let (received, (size, is_complete)) = tokio::join!(receive(Request::new(body), sender), counting);
        (received, size, is_complete)
    }

    #[tokio::test]
    async fn an_upload_has_a_limit_of_its_own_and_ends_only_if_all_of_it_has_arrived() {
        let (received, size, is_complete) = uploaded(chunks(20, 1024 * 1024)).await;
        assert!(received.is_ok() && size == MAX_UPLOAD && is_complete);
        let (received, size, is_complete) = uploaded(chunks(21, 1024 * 1024)).await;
        assert_eq!(received.unwrap_err().status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert!(size <= MAX_UPLOAD && !is_complete);
        let broken = [Ok(Bytes::from_static(b"x")), Err(std::io::Error::other("reset"))];
        let (received, size, is_complete) = uploaded(Body::from_stream(stream::iter(broken))).await;
        assert_eq!((received.unwrap_err().status(), size, is_complete), (StatusCode::BAD_REQUEST, 1, false));
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_that_pauses_times_out() {
        let (received, _size, is_complete) = uploaded(Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>())).await;
        assert_eq!((received.unwrap_err().status(), is_complete), (StatusCode::REQUEST_TIMEOUT, false));
    }

    #[tokio::test]
    async fn an_incomplete_body_is_a_bad_request() {
        let body = Body::from_stream(stream::iter([Err::<Bytes, _>(std::io::Error::other("reset"))]));
        assert_eq!(read(body, MAX_BYTES).await.unwrap_err().status(), StatusCode::BAD_REQUEST);
    }
}
