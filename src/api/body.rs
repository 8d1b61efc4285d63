//! The limits on a request's body, in one place: it is read whole before a handler sees it.
//!
//! Every body of this API is a small JSON document, so nothing is gained by handing on a stream, and a handler cannot forget a limit.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::ApiError;

/// Most bytes of a body.
const MAX_BYTES: usize = 2 * 1024 * 1024;

/// How long a body may take to arrive.
const DEADLINE: Duration = Duration::from_secs(30);

/// Reads the body within its limits and passes it on as a whole.
pub(super) async fn read_whole(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let declared = parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > MAX_BYTES as u64) {
        return too_large().into_response();
    }
    match collect(body).await {
        Ok(bytes) => next.run(Request::from_parts(parts, Body::from(bytes))).await,
        Err(refusal) => refusal.into_response(),
    }
}

async fn collect(body: Body) -> Result<Bytes, ApiError> {
    // What was declared is not believed: the bytes are counted as they come.
    match tokio::time::timeout(DEADLINE, Limited::new(body, MAX_BYTES).collect()).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_broken)) => {
            Err(ApiError::new(StatusCode::BAD_REQUEST, "body_unreadable", "the body broke off or was not encoded as declared"))
        }
        Err(_elapsed) => {
            let detail = format!("the body did not arrive within {} seconds", DEADLINE.as_secs());
            Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", detail))
        }
    }
}

fn too_large() -> ApiError {
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", format!("a body may have at most {MAX_BYTES} bytes"))
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    #[tokio::test]
    async fn d8_a_body_is_counted_as_it_comes_and_not_as_declared() {
        let chunks = |count: usize| {
            Body::from_stream(stream::iter((0..count).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 1024 * 1024])))))
        };
        assert_eq!(collect(chunks(2)).await.unwrap().len(), MAX_BYTES);
        assert_eq!(collect(chunks(3)).await.unwrap_err().status(), StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test(start_paused = true)]
    async fn d8_a_body_that_does_not_arrive_is_given_up() {
        let body = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(collect(body).await.unwrap_err().status(), StatusCode::REQUEST_TIMEOUT);
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_a_bad_request() {
        let body = Body::from_stream(stream::iter([Err::<Bytes, _>(std::io::Error::other("reset"))]));
        assert_eq!(collect(body).await.unwrap_err().status(), StatusCode::BAD_REQUEST);
    }
}
