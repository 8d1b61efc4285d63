//! The token check: one layer around the whole router, with the few routes that need none written out.

use axum::extract::{FromRequestParts, MatchedPath, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::client::ClientAddress;
use super::{ApiError, AppState};
use crate::auth::PeerFacts;

/// The routes that are open to all. Whatever is not here needs a token, also what does not exist.
const OPEN: [(Method, &str); 3] = [(Method::GET, "/health"), (Method::GET, "/health/agents"), (Method::POST, "/api/auth/login")];

/// The one route that takes a token from its address, since a browser's `EventSource` cannot send headers.
const STREAM: &str = "/api/runs/{id}/events";

/// Where the request comes from. The door attaches it; a request without it counts as remote.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) PeerFacts);

impl Peer {
    const REMOTE: Self = Self(PeerFacts { peer_is_loopback: false, host_is_loopback: false, forwarded: true });
}

impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get().copied().unwrap_or(Self::REMOTE))
    }
}

/// Attaches the [`Principal`](crate::auth::Principal) to a request, or refuses it.
pub(super) async fn require_token(State(app): State<AppState>, mut request: Request, next: Next) -> Response {
    let client: ClientAddress = request.extensions().get().copied().unwrap_or_default();
    // Counted against the client where nobody is known to ask.
    let refuse = |refusal: ApiError| app.limits.request_from(client).map_or_else(ApiError::from, |()| refusal).into_response();
    if is_open(request.method(), request.uri().path()) {
        return match app.limits.request_from(client) {
            Ok(()) => next.run(request).await,
            Err(too_many) => ApiError::from(too_many).into_response(),
        };
    }
    let is_stream = matches!(*request.method(), Method::GET | Method::HEAD)
        && request.extensions().get::<MatchedPath>().is_some_and(|route| route.as_str() == STREAM);
    let query = if is_stream { query_token(request.uri()) } else { Ok(None) };
    let peer = request.extensions().get().copied().unwrap_or(Peer::REMOTE);
    let (token, came_by_query) = match query.and_then(|query| choose(header_token(request.headers())?, query)) {
        Ok(found) => found,
        Err(refusal) => return refuse(refusal),
    };
    let mut response = match app.auth.authenticate(&token, peer.0).await {
        Ok(principal) => match app.limits.request_of(&principal.caller.user) {
            Ok(()) => {
                request.extensions_mut().insert(principal);
                next.run(request).await
            }
            Err(too_many) => ApiError::from(too_many).into_response(),
        },
        Err(error) => refuse(error.into()),
    };
    if came_by_query {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

fn is_open(method: &Method, path: &str) -> bool {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    OPEN.iter().any(|(open_method, open_path)| open_method == method && *open_path == path)
}

/// The token of the `Authorization` header. Said twice or in another scheme, it is refused rather than passed over.
fn header_token(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let token = value.to_str().ok().and_then(|text| text.split_once(' ')).filter(|(scheme, _token)| scheme.eq_ignore_ascii_case("bearer"));
    match (token, values.next()) {
        (Some((_scheme, token)), None) => Ok(Some(token.trim().to_owned())),
        _ => Err(ApiError::unauthorized("token_invalid", "the `Authorization` header must be there once, as `Bearer` and a token")),
    }
}

/// The token of the query, decoded.
fn query_token(uri: &Uri) -> Result<Option<String>, ApiError> {
    let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::try_from_uri(uri) else { return Ok(None) };
    let mut tokens = pairs.into_iter().filter(|(name, _value)| name == "access_token").map(|(_name, value)| value);
    match (tokens.next(), tokens.next()) {
        (token, None) => Ok(token),
        (_, Some(_)) => Err(ApiError::unauthorized("token_invalid", "`access_token` is there more than once")),
    }
}

/// The token, and whether it came by the query.
fn choose(header: Option<String>, query: Option<String>) -> Result<(String, bool), ApiError> {
    match (header, query) {
        (Some(header), Some(query)) if header != query => {
            Err(ApiError::unauthorized("token_invalid", "the `Authorization` header and `access_token` disagree"))
        }
        (_, Some(query)) => Ok((query, true)),
        (Some(header), None) => Ok((header, false)),
        (None, None) => Err(ApiError::unauthorized(
            "token_missing",
            "a token is needed: log in at POST /api/auth/login and send it as `Authorization: Bearer`",
        )),
    }
}
