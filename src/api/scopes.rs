//! What each route needs of whoever comes: the whole table, in one place.
//!
//! A login may do what its user may. An API key may do what its scopes say: so a route that is not listed here is closed to keys, and a
//! test walks the router so that none is forgotten.

use axum::http::{Method, StatusCode};

use super::ApiError;
use crate::auth::{Credential, Principal};
use crate::types::Scope;

/// What a route needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Anybody who is known: every login and every key.
    Anyone,
    /// A login, since it is the login that is ended.
    Login,
    /// A login, or a key with the scope `admin`: what is done here could outlive the key that does it.
    Account,
    /// A key needs this scope. For one that only admins can give, a login must be an admin's, too.
    Scope(Scope),
}

const READ: Need = Need::Scope(Scope::RunsRead);
const WRITE: Need = Need::Scope(Scope::RunsWrite);
const ADMIN: Need = Need::Scope(Scope::Admin);
const METRICS: Need = Need::Scope(Scope::Metrics);

/// Every route that needs a token, and what it needs besides.
pub(super) const NEEDS: &[(Method, &str, Need)] = &[
    (Method::POST, "/api/auth/logout", Need::Login),
    (Method::POST, "/api/auth/password", Need::Account),
    (Method::GET, "/api/auth/me", Need::Anyone),
    (Method::GET, "/metrics", METRICS),
    (Method::GET, "/api/users", ADMIN),
    (Method::POST, "/api/users", ADMIN),
    (Method::GET, "/api/users/{name}", ADMIN),
    (Method::PATCH, "/api/users/{name}", ADMIN),
    (Method::DELETE, "/api/users/{name}", ADMIN),
    (Method::GET, "/api/keys", Need::Account),
    (Method::POST, "/api/keys", Need::Account),
    (Method::DELETE, "/api/keys/{id}", Need::Account),
    (Method::GET, "/api/audit", ADMIN),
    (Method::GET, "/api/usage", READ),
    (Method::GET, "/api/usage/budget", READ),
    (Method::GET, "/api/settings", ADMIN),
    (Method::GET, "/api/agents", READ),
    (Method::GET, "/api/events", READ),
    (Method::GET, "/api/runs", READ),
    (Method::POST, "/api/runs", WRITE),
    (Method::GET, "/api/runs/{id}", READ),
    (Method::DELETE, "/api/runs/{id}", WRITE),
    (Method::POST, "/api/runs/{id}/cancel", WRITE),
    (Method::GET, "/api/runs/{id}/events", READ),
    (Method::POST, "/api/runs/{id}/ticket", READ),
    (Method::POST, "/api/runs/{id}/messages", WRITE),
    (Method::GET, "/api/runs/{id}/requests", READ),
    (Method::POST, "/api/runs/{id}/requests/{request}", WRITE),
    (Method::GET, "/api/sessions", READ),
    (Method::GET, "/api/sessions/{id}", READ),
    (Method::POST, "/api/chat", WRITE),
    (Method::GET, "/v1/models", READ),
    (Method::GET, "/v1/models/{model}", READ),
    (Method::POST, "/v1/chat/completions", WRITE),
    (Method::GET, "/api/webhooks/deliveries", READ),
];

/// What a method of a route needs; `None` for what is open to all or does not exist.
pub(super) fn need(method: &Method, route: &str) -> Option<Need> {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    NEEDS.iter().find(|(listed, path, _need)| listed == method && *path == route).map(|(_method, _path, need)| *need)
}

/// Whether `principal` may use this route. What is theirs there is not judged here, and neither is a route that does not exist.
pub(super) fn check(method: &Method, route: Option<&str>, principal: &Principal) -> Result<(), ApiError> {
    let Some(route) = route else { return Ok(()) };
    let need = need(method, route);
    let is_login = matches!(principal.credential, Credential::Token(_));
    let missing = match need {
        Some(Need::Anyone) => None,
        // A key lacks what no scope could give it; a login goes on to hear that the route does not know the method.
        None | Some(Need::Login) => (!is_login).then_some("this needs a login; an API key cannot do it"),
        Some(Need::Account) => {
            (!principal.has_scope(Scope::Admin)).then_some("this needs a login, or an admin's API key with the scope admin")
        }
        Some(Need::Scope(scope)) if scope.is_for_admins() && is_login && !principal.caller.is_admin() => {
            return Err(ApiError::new(StatusCode::FORBIDDEN, "admin_only", "this is for admins"));
        }
        Some(Need::Scope(Scope::Metrics)) => {
            (!principal.has_scope(Scope::Metrics)).then_some("this needs an admin's API key with the scope metrics")
        }
        Some(Need::Scope(Scope::RunsRead)) => {
            (!principal.has_scope(Scope::RunsRead)).then_some("this needs an API key with the scope runs:read")
        }
        Some(Need::Scope(Scope::RunsWrite)) => {
            (!principal.has_scope(Scope::RunsWrite)).then_some("this needs an API key with the scope runs:write")
        }
        Some(Need::Scope(Scope::Admin)) => {
            (!principal.has_scope(Scope::Admin)).then_some("this needs an admin's API key with the scope admin")
        }
    };
    match missing {
        None => Ok(()),
        Some(detail) => Err(ApiError::new(StatusCode::FORBIDDEN, "scope_missing", detail)),
    }
}
