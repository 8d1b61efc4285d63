//! The API's description, for programs and for people: the same until the next release, and nothing of it comes from elsewhere.

use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse, Response};

use super::super::{ApiError, Path};
use super::params::KnownHeader;
use super::static_files::StaticFile;

/// What the page may load and do: its own files, and nothing that stands in the page or comes from another server. The style sheet has
/// its pictures inside.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The committed documents, which a test holds equal to what the handlers say of themselves. So a program need not be able to write them.
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
