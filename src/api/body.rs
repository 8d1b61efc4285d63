//! Limits on request bodies, in one place: the whole body is read before a handler runs.
//!
//! All bodies are small JSON documents, so streaming has no benefit, and no handler can omit a limit.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::ApiError;

/// Maximum size of a body, in bytes.
const MAX_BYTES: usize = 2 * 1024 * 1024;

/// Time limit for receiving a body.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Reads the whole body within the limits and passes it on.
pub(super) async fn read_whole(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let declared = parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > MAX_BYTES as u64) {
        return too_large().into_response();
    }
    match collect(body).await {
        Ok(bytes) => next.run(Request::from_parts(parts, Body::from(bytes))).await,
        Err(error) => error.into_response(),
    }
}

async fn collect(body: Body) -> Result<Bytes, ApiError> {
    // The bytes are counted as they arrive, because the declared length may be wrong.
    match tokio::time::timeout(TIMEOUT, Limited::new(body, MAX_BYTES).collect()).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_broken)) => {
            Err(ApiError::new(StatusCode::BAD_REQUEST, "body_unreadable", "the body is incomplete or has the wrong encoding"))
        }
        Err(_elapsed) => {
            let detail = format!("the body did not arrive within {} seconds", TIMEOUT.as_secs());
            Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", detail))
        }
    }
}

fn too_large() -> ApiError {
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", format!("the body exceeds the limit of {MAX_BYTES} bytes"))
}

#[cfg(test)]
mod tests {
    //! Rules: D8.

    use futures_util::stream;

    use super::*;

    #[tokio::test]
    async fn bytes_are_counted_as_they_arrive() {
        let chunks = |count: usize| {
            Body::from_stream(stream::iter((0..count).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 1024 * 1024])))))
        };
        assert_eq!(collect(chunks(2)).await.unwrap().len(), MAX_BYTES);
        assert_eq!(collect(chunks(3)).await.unwrap_err().status(), StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_arrive_times_out() {
        let body = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(collect(body).await.unwrap_err().status(), StatusCode::REQUEST_TIMEOUT);
    }

    #[tokio::test]
    async fn an_incomplete_body_is_a_bad_request() {
        let body = Body::from_stream(stream::iter([Err::<Bytes, _>(std::io::Error::other("reset"))]));
        assert_eq!(collect(body).await.unwrap_err().status(), StatusCode::BAD_REQUEST);
    }
}
