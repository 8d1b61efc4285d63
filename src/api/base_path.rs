//! The path below which a proxy offers the server: removed from requests that have it, and added to the paths in responses.
//!
//! A proxy may pass requests on with or without the path. Everything inside, such as the host guard and the route table, sees them without.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderValue, Uri, header};
use axum::response::Response;
use tower::ServiceBuilder;

/// The path, without a slash at its end; empty if the server is at `/`.
#[derive(Clone, Debug, Default)]
pub struct BasePath(Option<Arc<str>>);

impl BasePath {
    /// The configured path.
    pub fn new(path: Option<&crate::config::BasePath>) -> Self {
        Self(path.map(|path| path.as_str().into()))
    }

    /// The path of a resource for clients. `path` begins with a slash.
    pub(super) fn path_of(&self, path: &str) -> String {
        format!("{}{path}", self.0.as_deref().unwrap_or_default())
    }

    /// A router that accepts requests with and without the path.
    pub(super) fn wrap(&self, router: Router) -> Router {
        let Some(base) = self.0.clone() else { return router };
        let this = self.clone();
        let strip = move |mut request: Request| {
            if let Some(uri) = without(request.uri(), &base) {
                *request.uri_mut() = uri;
            }
            request
        };
        let add = move |mut response: Response| {
            // Relative ones, as those of the pages, stay as they are.
            let location = response.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
            let location = location.filter(|location| location.starts_with('/')).map(|location| this.path_of(location));
            if let Some(location) = location.and_then(|location| HeaderValue::try_from(location).ok()) {
                response.headers_mut().insert(header::LOCATION, location);
            }
            response
        };
        // Before any routing: a route of the outer router would be part of the matched path.
        Router::new().fallback_service(ServiceBuilder::new().map_request(strip).map_response(add).service(router))
    }
}

/// The URI without `base`; `None` if it does not begin with it.
fn without(uri: &Uri, base: &str) -> Option<Uri> {
    let rest = uri.path().strip_prefix(base).filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
    let path = if rest.is_empty() { "/" } else { rest };
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(format!("{path}{query}").parse::<PathAndQuery>().ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_removed_only_as_whole_segments() {
        for (uri, expected) in [
            ("/base", Some("/")),
            ("/base/", Some("/")),
            ("/base/api/runs?limit=1&x", Some("/api/runs?limit=1&x")),
            ("http://host/base/health", Some("http://host/health")),
            ("/base/base/x", Some("/base/x")),
            ("/base//x", Some("//x")),
            ("/basement", None),
            ("/api/base", None),
            ("/BASE/x", None),
        ] {
            let seen = without(&uri.parse().unwrap(), "/base").map(|uri| uri.to_string());
            assert_eq!(seen.as_deref(), expected, "{uri}");
        }
    }
}
