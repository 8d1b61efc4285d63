//! Authentication: one layer around the whole router, with the few public routes listed here.

use axum::RequestExt;
use axum::extract::{MatchedPath, Query, RawPathParams, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::limits::{ConnectionHandle, LimitExceeded};
use super::request_log::HasUser;
use super::{ApiError, AppState, scopes};
use crate::auth::{ClientAccount, ClientOrigin};
use crate::types::RunId;

/// The public routes, as the route table writes them. Everything else needs a token, including paths that do not exist.
pub(super) const PUBLIC: [(Method, &str); 10] = [
    (Method::GET, "/health"),
    (Method::GET, TOKEN_OPTIONAL),
    (Method::GET, "/api/auth/login"),
    (Method::POST, "/api/auth/login"),
    // The description of the API is part of every release, so it is no secret.
    (Method::GET, "/openapi.json"),
    (Method::GET, "/events.schema.json"),
    (Method::GET, "/docs"),
    (Method::GET, "/docs/{file}"),
    // The console is a client like any other: it shows nothing before the user signs in.
    (Method::GET, "/"),
    (Method::GET, "/console/{version}/{*path}"),
];

/// Public paths that lead to these pages. They are no part of the API, so the route table does not list them.
pub(super) const PAGE_ALIASES: [&str; 4] = ["/docs/", "/console", "/console/", "/favicon.ico"];

/// The only route that accepts a token in the query, because a browser's `EventSource` cannot send headers.
const STREAM: &str = "/api/runs/{id}/events";

/// The public route that tells more to clients with a token. A request that carries a token is subject to it.
pub(super) const TOKEN_OPTIONAL: &str = "/health/agents";

/// The only route that is public for local clients, such as a Prometheus on this machine.
pub(super) const LOCAL: &str = "/metrics";

/// Attaches the [`Principal`](crate::auth::Principal) to a request, or rejects the request.
///
/// Every request counts once towards a rate limit: that of its user, or that of its client if there is no user.
pub(super) async fn require_auth(State(app): State<AppState>, mut request: Request, next: Next) -> Response {
    let origin: ClientOrigin = request.extensions().get().copied().unwrap_or_default();
    let connection = request.extensions().get::<ConnectionHandle>().cloned();
    if let Some(Err(none_free)) = connection.as_ref().map(|connection| connection.attribute(origin.network())) {
        return ApiError::from(LimitExceeded::from(none_free)).into_response();
    }
    // Only a matched request has a route, so an unknown spelling of a public path is not public.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map(MatchedPath::as_str);
    if route.is_some_and(|route| needs_no_token(&request, route, origin)) {
        return match app.limits.count_client_request(origin) {
            Ok(()) => next.run(request).await,
            Err(limited) => ApiError::from(limited).into_response(),
        };
    }
    let reject = |rejection: ApiError| app.limits.count_client_request(origin).map_or_else(ApiError::from, |()| rejection);
    let is_stream = route.is_some_and(|route| accepts_query_token(request.method(), route));
    let query = if is_stream { query_token(request.uri()) } else { Ok(None) };
    let (token, is_query_token) = match query.and_then(|query| choose_token(header_token(request.headers())?, query)) {
        Ok(found) => found,
        Err(rejection) => return reject(rejection).into_response(),
    };
    let authenticated = if is_query_token {
        let run = run_id_of(&mut request).await;
        app.auth.authenticate_stream(&token, run, origin).await
    } else {
        app.auth.authenticate(&token, origin).await
    };
    let account = request.extensions().get::<ClientAccount>().cloned().unwrap_or_default();
    let authenticated = match authenticated {
        Ok(principal) => principal.require_server_account(&account).await,
        Err(error) => Err(error),
    };
    let has_user = authenticated.is_ok();
    if let Some(connection) = connection.filter(|_| has_user) {
        connection.has_user();
    }
    let admitted = authenticated.map_err(|error| reject(error.into())).and_then(|principal| {
        app.limits.count_user_request(&principal.caller.user.name)?;
        scopes::check(request.method(), route, &principal)?;
        Ok(principal)
    });
    let mut response = match admitted {
        Ok(principal) => {
            request.extensions_mut().insert(principal);
            next.run(request).await
        }
        Err(rejection) => rejection.into_response(),
    };
    if has_user {
        response.extensions_mut().insert(HasUser);
    }
    if is_query_token {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// Whether a request to `route` needs no token: a public route, the methods of any route (`OPTIONS`), `TRACE`, which no route has and which
/// is answered like `OPTIONS` with the methods, or the local route for a local client. A client that sends a token to the local route, or to the route for which it is optional, is subject to it.
fn needs_no_token(request: &Request, route: &str, origin: ClientOrigin) -> bool {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let has_token = request.headers().contains_key(header::AUTHORIZATION);
    (is_public(request.method(), route) && !(route == TOKEN_OPTIONAL && has_token))
        || matches!(*request.method(), Method::OPTIONS | Method::TRACE)
        || (route == LOCAL && is_read && origin.is_local && !has_token)
}

/// The run id in the path, if there is one.
async fn run_id_of(request: &mut Request) -> Option<RunId> {
    let path: RawPathParams = request.extract_parts().await.ok()?;
    path.iter().find(|(name, _value)| *name == "id").and_then(|(_name, id)| id.parse().ok())
}

/// Whether a route is public.
pub(super) fn is_public(method: &Method, route: &str) -> bool {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    PUBLIC.iter().any(|(public_method, public_route)| public_method == method && *public_route == route)
        || (method == Method::GET && PAGE_ALIASES.contains(&route))
}

/// Whether a route accepts a token in the query.
pub(super) fn accepts_query_token(method: &Method, route: &str) -> bool {
    matches!(*method, Method::GET | Method::HEAD) && route == STREAM
}

/// The token of the `Authorization` header. A repeated header or another scheme is rejected rather than ignored.
fn header_token(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let token = value.to_str().ok().and_then(|text| text.split_once(' ')).filter(|(scheme, _token)| scheme.eq_ignore_ascii_case("bearer"));
    match (token, values.next()) {
        (Some((_scheme, token)), None) => Ok(Some(token.trim().to_owned())),
        _ => Err(ApiError::unauthorized("token_invalid", "the request needs one `Authorization` header with `Bearer` and a token")),
    }
}

/// The `access_token` of the query, decoded.
fn query_token(uri: &Uri) -> Result<Option<String>, ApiError> {
    let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::try_from_uri(uri) else { return Ok(None) };
    let mut tokens = pairs.into_iter().filter(|(name, _value)| name == "access_token").map(|(_name, value)| value);
    match (tokens.next(), tokens.next()) {
        (token, None) => Ok(token),
        (_, Some(_)) => Err(ApiError::unauthorized("token_invalid", "`access_token` is repeated")),
    }
}

/// The token, and whether it is from the query.
fn choose_token(header: Option<String>, query: Option<String>) -> Result<(String, bool), ApiError> {
    match (header, query) {
        (Some(header), Some(query)) if header != query => {
            Err(ApiError::unauthorized("token_invalid", "the `Authorization` header and `access_token` differ"))
        }
        (_, Some(query)) => Ok((query, true)),
        (Some(header), None) => Ok((header, false)),
        (None, None) => Err(ApiError::unauthorized(
            "token_missing",
            "a token is required: log in with POST /api/auth/login and send the token as `Authorization: Bearer`",
        )),
    }
}
