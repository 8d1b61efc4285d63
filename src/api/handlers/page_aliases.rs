//! Paths that browsers and people try: redirects to the pages, and an icon.
//!
//! They are no part of the API, so its description does not list them. Redirects are relative, so that they work below a path prefix of a
//! reverse proxy.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};

use super::super::AppState;

/// The icon that the console's page shows, for requests of browsers that look for the file.
const ICON: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 32 32\"><rect width=\"32\" height=\"32\" rx=\"7\" fill=\"#3355c8\"/>\
    <path d=\"M11 9l11 7-11 7z\" fill=\"#fff\"/></svg>";

/// The paths with their handlers; [`PAGE_ALIASES`](crate::api::authn::PAGE_ALIASES) makes them public.
pub(in crate::api) fn table() -> [(String, MethodRouter<AppState>); 4] {
    [
        ("/docs/".to_owned(), get(async || redirect("../docs"))),
        ("/console".to_owned(), get(async || redirect("./"))),
        ("/console/".to_owned(), get(async || redirect("../"))),
        ("/favicon.ico".to_owned(), get(icon)),
    ]
}

fn redirect(location: &'static str) -> Response {
    (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, location)]).into_response()
}

async fn icon() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, "public, max-age=86400")], ICON)
}
