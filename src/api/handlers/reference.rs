//! The description of the API, for programs and as a page. The page loads nothing from other servers.

use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse, Response};

use super::super::{ApiError, Path};
use super::params::ConditionalHeader;
use super::static_files::StaticFile;

/// The page may load its own files only: no inline code, and nothing from other servers. The style sheet contains its images.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The committed documents. A test keeps them equal to the descriptions of the handlers, so the program does not contain the generator.
static DOCUMENT: LazyLock<StaticFile> =
    LazyLock::new(|| StaticFile::new("application/json", &include_bytes!(concat!(env!("OUT_DIR"), "/openapi.json.gz"))[..], true));

static EVENTS: LazyLock<StaticFile> = LazyLock::new(|| {
    StaticFile::new("application/schema+json", &include_bytes!(concat!(env!("OUT_DIR"), "/events.schema.json.gz"))[..], true)
});

static PAGE: LazyLock<StaticFile> =
    LazyLock::new(|| StaticFile::new("text/html; charset=utf-8", &include_bytes!("../../../console/docs/index.html")[..], false));

static FILES: LazyLock<[(&str, StaticFile); 3]> = LazyLock::new(|| {
    const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
    let style = &include_bytes!("../../../console/vendor/swagger-ui/swagger-ui.css.gz")[..];
    let bundle = &include_bytes!("../../../console/vendor/swagger-ui/swagger-ui-bundle.js.gz")[..];
    let start = &include_bytes!("../../../console/docs/start.js")[..];
    [
        ("swagger-ui.css", StaticFile::new("text/css; charset=utf-8", style, true)),
        ("swagger-ui-bundle.js", StaticFile::new(JAVASCRIPT, bundle, true)),
        ("start.js", StaticFile::new(JAVASCRIPT, start, false)),
    ]
});

/// Returns this description.
#[utoipa::path(get, path = "/openapi.json", operation_id = "openapi", tag = "server", params(ConditionalHeader),
    responses((status = 200, description = "An OpenAPI 3.1 document.", body = Object), (status = 304, description = "Not modified.")))]
pub(in crate::api) async fn openapi(headers: HeaderMap) -> Response {
    DOCUMENT.respond(&headers)
}

/// Returns the JSON Schema of the events.
#[utoipa::path(get, path = "/events.schema.json", operation_id = "events_schema", tag = "server", params(ConditionalHeader),
    responses((status = 200, description = "A JSON Schema, 2020-12.", body = Object, content_type = "application/schema+json"),
        (status = 304, description = "Not modified.")))]
pub(in crate::api) async fn events(headers: HeaderMap) -> Response {
    EVENTS.respond(&headers)
}

/// Returns this description as a page.
#[utoipa::path(get, path = "/docs", operation_id = "docs", tag = "server", params(ConditionalHeader),
    responses((status = 200, description = "The page. It loads nothing from other servers.", body = String, content_type = "text/html"),
        (status = 304, description = "Not modified.")))]
pub(in crate::api) async fn page(headers: HeaderMap) -> Response {
    let policy = [(header::CONTENT_SECURITY_POLICY, PAGE_POLICY), (HeaderName::from_static("referrer-policy"), "no-referrer")];
    (policy, PAGE.respond(&headers)).into_response()
}

/// Returns a file of the page.
#[utoipa::path(get, path = "/docs/{file}", operation_id = "docs_file", tag = "server",
    params(("file" = String, Path, description = "Name of the file.", example = "start.js"), ConditionalHeader),
    extensions(("x-error-codes" = json!(["not_found"]))),
    responses((status = 200, description = "The file.", content((String = "text/css"), (String = "text/javascript"))),
        (status = 304, description = "Not modified.")))]
pub(in crate::api) async fn file(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, ApiError> {
    let found = FILES.iter().find(|(known, _file)| *known == name);
    found.map(|(_name, file)| file.respond(&headers)).ok_or_else(|| ApiError::not_found("file not found"))
}
