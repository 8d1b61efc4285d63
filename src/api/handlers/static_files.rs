//! Static files: pages, their files, and the API description.

use std::io::Read as _;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};

use super::super::ApiError;
use super::super::negotiation::accepts;

/// How browsers cache a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cached {
    /// The browser revalidates the file at each use.
    Revalidated,
    /// The browser never requests the file again: its URL changes with its content.
    Forever,
}

/// A static file.
pub(super) struct StaticFile {
    content_type: &'static str,
    bytes: Bytes,
    /// Whether the bytes are compressed.
    is_gzip: bool,
    etag: String,
}

impl StaticFile {
    pub(super) fn new(content_type: &'static str, bytes: impl Into<Bytes>, is_gzip: bool) -> Self {
        let bytes = bytes.into();
        let digest = Sha256::digest(&bytes);
        // Weak, because it is the same with and without compression.
        let etag = digest[..12].iter().fold(String::from("W/\""), |etag, byte| format!("{etag}{byte:02x}")) + "\"";
        Self { content_type, bytes, is_gzip, etag }
    }

    /// The response to a request with these headers: 304 if the client has the file, and compressed if the client accepts that.
    pub(super) fn respond(&self, request: &HeaderMap) -> Response {
        self.respond_cached(request, Cached::Revalidated)
    }

    /// The same with another caching.
    pub(super) fn respond_cached(&self, request: &HeaderMap, caching: Cached) -> Response {
        let mut headers = HeaderMap::new();
        let cache_control = match caching {
            Cached::Revalidated => "no-cache",
            Cached::Forever => "public, max-age=31536000, immutable",
        };
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache_control));
        headers.extend(HeaderValue::from_str(&self.etag).ok().map(|etag| (header::ETAG, etag)));
        if self.is_gzip {
            headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        }
        if is_cached(request, &self.etag) {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        let body = if !self.is_gzip {
            self.bytes.clone()
        } else if accepts(request, header::ACCEPT_ENCODING, "gzip") {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            self.bytes.clone()
        } else {
            let mut plain = Vec::new();
            match GzDecoder::new(&self.bytes[..]).read_to_end(&mut plain) {
                Ok(_size) => plain.into(),
                Err(broken) => return ApiError::internal(&broken).into_response(),
            }
        };
        (headers, Body::from(body)).into_response()
    }
}

/// Whether the client has the file with this `ETag`.
pub(super) fn is_cached(request: &HeaderMap, etag: &str) -> bool {
    // RFC 9110: weak comparison.
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let tags = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok()).flat_map(|tags| tags.split(','));
    tags.map(opaque).any(|tag| tag == "*" || tag == opaque(etag))
}
