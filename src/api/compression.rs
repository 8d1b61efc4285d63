//! Compresses JSON responses for clients that accept gzip.
//!
//! Only bodies that are complete when the response begins: streams of events have other content types and no known length, and each of
//! their events must leave at once.

use std::io::Write as _;

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::ApiError;
use super::negotiation::accepts;

/// Smaller bodies gain nothing, in bytes.
const MIN_SIZE: u64 = 1024;

/// Larger bodies are compressed on a thread where that delays no other request, in bytes.
const MAX_INLINE_SIZE: usize = 64 * 1024;

/// The layer. A response that it compresses differs only in its encoding.
pub(super) async fn compress_json(request: Request, next: Next) -> Response {
    let is_accepted = accepts(request.headers(), header::ACCEPT_ENCODING, "gzip");
    let mut response = next.run(request).await;
    if !is_plain_json(response.headers()) || response.body().size_hint().exact().is_none_or(|size| size < MIN_SIZE) {
        return response;
    }
    response.headers_mut().append(header::VARY, HeaderValue::from_static("accept-encoding"));
    if !is_accepted {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    match to_bytes(body, usize::MAX).await {
        Ok(plain) => {
            parts.headers.remove(header::CONTENT_LENGTH);
            parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            match compressed(plain).await {
                Ok(body) => Response::from_parts(parts, Body::from(body)),
                Err(error) => ApiError::internal(&error).into_response(),
            }
        }
        Err(error) => ApiError::internal(&error).into_response(),
    }
}

/// Whether a response is JSON that is not encoded yet.
fn is_plain_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    matches!(media_type, "application/json" | "application/problem+json") && !headers.contains_key(header::CONTENT_ENCODING)
}

/// # Errors
/// If the compressing thread has panicked.
async fn compressed(plain: Bytes) -> std::io::Result<Vec<u8>> {
    if plain.len() <= MAX_INLINE_SIZE {
        return gzip(&plain);
    }
    tokio::task::spawn_blocking(move || gzip(&plain)).await.map_err(std::io::Error::other)?
}

fn gzip(plain: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4), Compression::fast());
    encoder.write_all(plain)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use axum::Router;
    use axum::middleware::from_fn;
    use axum::routing::get;
    use flate2::read::GzDecoder;
    use tower::ServiceExt as _;

    use super::*;

    /// The response to a request for a body of `size` bytes with this content type: its `Content-Encoding`, `Vary` and bytes.
    async fn respond(content_type: &'static str, size: usize, accepted: &str) -> (Option<String>, Option<String>, Vec<u8>) {
        let handler = move || async move { ([(header::CONTENT_TYPE, content_type)], "x".repeat(size)) };
        let router = Router::new().route("/", get(handler)).layer(from_fn(compress_json));
        let request = Request::get("/").header(header::ACCEPT_ENCODING, accepted).body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let text = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let (encoding, vary, length) = (text(header::CONTENT_ENCODING), text(header::VARY), text(header::CONTENT_LENGTH));
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec();
        assert!(length.is_none_or(|length| length == bytes.len().to_string()), "the length is that of what is sent");
        (encoding, vary, bytes)
    }

    #[tokio::test]
    async fn json_is_compressed_without_loss() {
        for (content_type, size) in [
            ("application/json", 1024),
            ("application/json; charset=utf-8", MAX_INLINE_SIZE),
            ("application/problem+json", MAX_INLINE_SIZE * 20),
        ] {
            let (encoding, vary, bytes) = respond(content_type, size, "br, gzip;q=0.5").await;
            assert_eq!((encoding.as_deref(), vary.as_deref()), (Some("gzip"), Some("accept-encoding")), "{content_type}");
            assert!(bytes.len() < size / 4, "{} of {size} bytes", bytes.len());
            let mut plain = String::new();
            GzDecoder::new(&bytes[..]).read_to_string(&mut plain).unwrap();
            assert_eq!(plain, "x".repeat(size));
        }
    }

    #[tokio::test]
    async fn small_responses_streams_and_other_types_are_sent_as_they_are() {
        for (content_type, size, accepted, varies) in [
            ("application/json", 1023, "gzip", false),
            ("application/json", 4096, "gzip;q=0", true),
            ("application/json", 4096, "", true),
            ("application/x-ndjson", 4096, "gzip", false),
            ("text/event-stream", 4096, "gzip", false),
            ("text/x-diff", 4096, "gzip", false),
        ] {
            let (encoding, vary, bytes) = respond(content_type, size, accepted).await;
            assert_eq!((encoding, vary.is_some(), bytes.len()), (None, varies, size), "{content_type} {size} {accepted:?}");
        }
    }

    #[tokio::test]
    async fn a_body_of_unknown_length_is_not_collected() {
        let pending = || async {
            let stream = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
            ([(header::CONTENT_TYPE, "application/json")], Body::from_stream(stream))
        };
        let router = Router::new().route("/", get(pending)).layer(from_fn(compress_json));
        let request = Request::get("/").header(header::ACCEPT_ENCODING, "gzip").body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        assert!(!response.headers().contains_key(header::CONTENT_ENCODING));
    }
}
