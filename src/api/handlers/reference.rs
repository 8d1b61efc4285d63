//! The API's description, for programs and for people: the same until the next release, and nothing of it comes from elsewhere.

use std::io::Read as _;
use std::sync::LazyLock;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};

use super::super::openapi::{self, EventsSchema};
use super::super::{ApiError, Path, router};
use super::params::KnownHeader;

/// What the page may load and do: its own files, and nothing that stands in the page or comes from another server. The style sheet has
/// its pictures inside.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A text that is the same for everyone until the program is another.
struct Fixed {
    content_type: &'static str,
    bytes: Bytes,
    /// The bytes are compressed.
    is_gzip: bool,
    etag: String,
}

impl Fixed {
    fn new(content_type: &'static str, bytes: impl Into<Bytes>, is_gzip: bool) -> Self {
        let bytes = bytes.into();
        let digest = Sha256::digest(&bytes);
        // Weak, since it is the same with and without compression.
        let etag = digest[..12].iter().fold(String::from("W/\""), |etag, byte| format!("{etag}{byte:02x}")) + "\"";
        Self { content_type, bytes, is_gzip, etag }
    }

    fn answer(&self, asked: &HeaderMap) -> Response {
        let mut headers = HeaderMap::new();
        // Asked about each time, and sent only when it has changed.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.extend(HeaderValue::from_str(&self.etag).ok().map(|etag| (header::ETAG, etag)));
        if self.is_gzip {
            headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        }
        if is_known(asked, &self.etag) {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        let body = if !self.is_gzip {
            self.bytes.clone()
        } else if takes_gzip(asked) {
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

static DOCUMENT: LazyLock<Fixed> =
    LazyLock::new(|| Fixed::new("application/json", openapi::to_text(&openapi::document(router::described())), false));

static EVENTS: LazyLock<Fixed> = LazyLock::new(|| {
    let document = openapi::document(router::described());
    Fixed::new("application/schema+json", EventsSchema::of(&document).to_text(), false)
});

static PAGE: LazyLock<Fixed> =
    LazyLock::new(|| Fixed::new("text/html; charset=utf-8", &include_bytes!("../../../console/docs/index.html")[..], false));

static FILES: LazyLock<[(&str, Fixed); 3]> = LazyLock::new(|| {
    const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
    let style = &include_bytes!("../../../console/vendor/swagger-ui/swagger-ui.css.gz")[..];
    let bundle = &include_bytes!("../../../console/vendor/swagger-ui/swagger-ui-bundle.js.gz")[..];
    let start = &include_bytes!("../../../console/docs/start.js")[..];
    [
        ("swagger-ui.css", Fixed::new("text/css; charset=utf-8", style, true)),
        ("swagger-ui-bundle.js", Fixed::new(JAVASCRIPT, bundle, true)),
        ("start.js", Fixed::new(JAVASCRIPT, start, false)),
    ]
});

/// Gives this description.
#[utoipa::path(get, path = "/openapi.json", operation_id = "openapi", tag = "server", params(KnownHeader),
    responses((status = 200, description = "An OpenAPI 3.1 document.", body = Object), (status = 304, description = "The client has it.")))]
pub(in crate::api) async fn openapi(headers: HeaderMap) -> Response {
    DOCUMENT.answer(&headers)
}

/// Gives the JSON Schema of the events.
#[utoipa::path(get, path = "/events.schema.json", operation_id = "events_schema", tag = "server", params(KnownHeader),
    responses((status = 200, description = "A JSON Schema, 2020-12.", body = Object, content_type = "application/schema+json"),
        (status = 304, description = "The client has it.")))]
pub(in crate::api) async fn events(headers: HeaderMap) -> Response {
    EVENTS.answer(&headers)
}

/// Shows this description to a person.
#[utoipa::path(get, path = "/docs", operation_id = "docs", tag = "server", params(KnownHeader),
    responses((status = 200, description = "A page, which needs nothing from elsewhere.", body = String, content_type = "text/html"),
        (status = 304, description = "The client has it.")))]
pub(in crate::api) async fn page(headers: HeaderMap) -> Response {
    let policy = [(header::CONTENT_SECURITY_POLICY, PAGE_POLICY), (HeaderName::from_static("referrer-policy"), "no-referrer")];
    (policy, PAGE.answer(&headers)).into_response()
}

/// Gives a file of that page.
#[utoipa::path(get, path = "/docs/{file}", operation_id = "docs_file", tag = "server",
    params(("file" = String, Path, description = "Its name.", example = "start.js"), KnownHeader),
    extensions(("x-error-codes" = json!(["not_found"]))),
    responses((status = 200, description = "The file.", content((String = "text/css"), (String = "text/javascript"))),
        (status = 304, description = "The client has it.")))]
pub(in crate::api) async fn file(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, ApiError> {
    let found = FILES.iter().find(|(known, _file)| *known == name);
    found.map(|(_name, file)| file.answer(&headers)).ok_or_else(|| ApiError::not_found("the page has no such file"))
}

/// Whether the client has it already.
fn is_known(asked: &HeaderMap, etag: &str) -> bool {
    // By RFC 9110 weak and strong tags are the same here.
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let tags = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok()).flat_map(|tags| tags.split(','));
    tags.map(opaque).any(|tag| tag == "*" || tag == opaque(etag))
}

/// Whether the client can unpack gzip. A weight of zero means that it cannot.
fn takes_gzip(asked: &HeaderMap) -> bool {
    let codings = asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    codings.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").map_or(1.0, |weight| weight.parse().unwrap_or(0.0));
        name.trim().eq_ignore_ascii_case("gzip") && weight > 0.0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_goes_to_those_who_ask_for_it_alone() {
        for (value, expected) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip; q=0.0", false),
            ("identity", false),
            ("", false),
            ("*", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, value.parse().unwrap())]);
            assert_eq!(takes_gzip(&headers), expected, "{value}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
