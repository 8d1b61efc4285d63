//! The token check: one layer around the whole router, with the few routes that need none written out.

use axum::RequestExt;
use axum::extract::{FromRequestParts, MatchedPath, Query, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::client_origin::ClientAddress;
use super::{ApiError, AppState, scopes};
use crate::auth::PeerFacts;
use crate::types::RunId;

/// The routes that are open to all, as the router's table writes them. Whatever is not here needs a token, also what does not exist.
pub(super) const OPEN: [(Method, &str); 9] = [
    (Method::GET, "/health"),
    (Method::GET, "/health/agents"),
    (Method::POST, "/api/auth/login"),
    // What this program can do is no secret: anyone can build it and look.
    (Method::GET, "/openapi.json"),
    (Method::GET, "/events.schema.json"),
    (Method::GET, "/docs"),
    (Method::GET, "/docs/{file}"),
    // The console is a page like any other client: it shows nothing before it has a token.
    (Method::GET, "/"),
    (Method::GET, "/console/{version}/{*path}"),
];

/// The one route that takes a token from its address, since a browser's `EventSource` cannot send headers.
const STREAM: &str = "/api/runs/{id}/events";

/// The one route that is open to whoever sits on this machine, as the program that collects the numbers mostly does.
pub(super) const LOCAL: &str = "/metrics";

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
///
/// Every request is counted once: against its user, or against the client where nobody is known to ask.
pub(super) async fn require_auth(State(app): State<AppState>, mut request: Request, next: Next) -> Response {
    let client: ClientAddress = request.extensions().get().copied().unwrap_or_default();
    // Only what the router has matched has a route, so a spelling that it does not know is not open either.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map(MatchedPath::as_str);
    if route.is_some_and(|route| is_open(request.method(), route)) {
        return match app.limits.request_from(client) {
            Ok(()) => next.run(request).await,
            Err(too_many) => ApiError::from(too_many).into_response(),
        };
    }
    let Peer(peer) = request.extensions().get().copied().unwrap_or(Peer::REMOTE);
    // Whoever shows a token is judged by it.
    let is_open_here = route == Some(LOCAL) && peer.is_local() && !request.headers().contains_key(header::AUTHORIZATION);
    if is_open_here && matches!(*request.method(), Method::GET | Method::HEAD) {
        return match app.limits.request_from(client) {
            Ok(()) => next.run(request).await,
            Err(too_many) => ApiError::from(too_many).into_response(),
        };
    }
    let refuse = |refusal: ApiError| app.limits.request_from(client).map_or_else(ApiError::from, |()| refusal);
    let is_stream = route.is_some_and(|route| takes_query_token(request.method(), route));
    let query = if is_stream { query_token(request.uri()) } else { Ok(None) };
    let (token, came_by_query) = match query.and_then(|query| choose(header_token(request.headers())?, query)) {
        Ok(found) => found,
        Err(refusal) => return refuse(refusal).into_response(),
    };
    let authenticated = if came_by_query {
        let run = run_of(&mut request).await;
        app.auth.authenticate_stream(&token, run, peer).await
    } else {
        app.auth.authenticate(&token, peer).await
    };
    let admitted = authenticated.map_err(|error| refuse(error.into())).and_then(|principal| {
        app.limits.request_of(&principal.caller.user)?;
        scopes::check(request.method(), route, &principal)?;
        Ok(principal)
    });
    let mut response = match admitted {
        Ok(principal) => {
            request.extensions_mut().insert(principal);
            next.run(request).await
        }
        Err(refusal) => refusal.into_response(),
    };
    if came_by_query {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// The run that the path names, if it names one.
async fn run_of(request: &mut Request) -> Option<RunId> {
    let path: RawPathParams = request.extract_parts().await.ok()?;
    path.iter().find(|(name, _value)| *name == "id").and_then(|(_name, id)| id.parse().ok())
}

/// Whether a route needs no token.
pub(super) fn is_open(method: &Method, route: &str) -> bool {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    OPEN.iter().any(|(open_method, open_route)| open_method == method && *open_route == route)
}

/// Whether a route takes its token from its address, too.
pub(super) fn takes_query_token(method: &Method, route: &str) -> bool {
    matches!(*method, Method::GET | Method::HEAD) && route == STREAM
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
