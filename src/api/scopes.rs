//! The permissions that each route requires, in one table.
//!
//! A login has the permissions of its user. An API key has those of its scopes, so a route that is not listed here is closed to keys. A test
//! compares the table with the router.

use axum::http::{Method, StatusCode};

use super::ApiError;
use crate::auth::{Credential, Principal};
use crate::types::Scope;

/// The permission that a route requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Permission {
    /// Any login or key.
    Any,
    /// A login, because the route ends it.
    Login,
    /// A login, or a key with the scope `admin`: the effects could outlive the key.
    Account,
    /// A key with this scope, or a login. If only admins can grant the scope, the login must be an admin's.
    Scope(Scope),
}

const READ: Permission = Permission::Scope(Scope::RunsRead);
const WRITE: Permission = Permission::Scope(Scope::RunsWrite);
const ADMIN: Permission = Permission::Scope(Scope::Admin);
const METRICS: Permission = Permission::Scope(Scope::Metrics);

/// All routes that are not public, with the permission that they require, and the one that accepts a token although it is public.
pub(super) const REQUIRED: &[(Method, &str, Permission)] = &[
    (Method::POST, "/api/auth/logout", Permission::Login),
    (Method::POST, "/api/auth/password", Permission::Account),
    (Method::GET, "/api/auth/me", Permission::Any),
    (Method::GET, "/metrics", METRICS),
    (Method::GET, "/health/agents", READ),
    (Method::GET, "/api/users", ADMIN),
    (Method::POST, "/api/users", ADMIN),
    (Method::GET, "/api/users/{name}", ADMIN),
    (Method::PATCH, "/api/users/{name}", ADMIN),
    (Method::DELETE, "/api/users/{name}", ADMIN),
    (Method::GET, "/api/keys", Permission::Account),
    (Method::POST, "/api/keys", Permission::Account),
    (Method::DELETE, "/api/keys/{id}", Permission::Account),
    (Method::GET, "/api/audit", ADMIN),
    (Method::GET, "/api/usage", READ),
    (Method::GET, "/api/usage/budget", READ),
    (Method::GET, "/api/settings", ADMIN),
    (Method::GET, "/api/agents", READ),
    (Method::GET, "/api/profiles", READ),
    (Method::GET, "/api/profiles/{profile}", READ),
    (Method::PUT, "/api/profiles/{profile}", ADMIN),
    (Method::DELETE, "/api/profiles/{profile}", ADMIN),
    (Method::GET, "/api/events", READ),
    (Method::GET, "/api/runs", READ),
    (Method::POST, "/api/runs", WRITE),
    (Method::GET, "/api/runs/{id}", READ),
    (Method::DELETE, "/api/runs/{id}", WRITE),
    (Method::POST, "/api/runs/{id}/cancel", WRITE),
    (Method::GET, "/api/runs/{id}/events", READ),
    (Method::GET, "/api/runs/{id}/changes", READ),
    (Method::GET, "/api/runs/{id}/changes.patch", READ),
    (Method::GET, "/api/runs/{id}/changes/{*path}", READ),
    (Method::GET, "/api/runs/{id}/files", READ),
    (Method::GET, "/api/runs/{id}/files/{*path}", READ),
    (Method::PUT, "/api/runs/{id}/files/{*path}", WRITE),
    (Method::GET, "/api/runs/{id}/archive", READ),
    (Method::POST, "/api/runs/{id}/revert", WRITE),
    (Method::POST, "/api/runs/{id}/ticket", READ),
    (Method::POST, "/api/runs/{id}/messages", WRITE),
    (Method::GET, "/api/runs/{id}/requests", READ),
    (Method::POST, "/api/runs/{id}/requests/{request}", WRITE),
    (Method::POST, "/api/files", WRITE),
    (Method::DELETE, "/api/files/{id}", WRITE),
    (Method::GET, "/api/sessions", READ),
    (Method::GET, "/api/sessions/{id}", READ),
    (Method::GET, "/api/sessions/{id}/changes", READ),
    (Method::GET, "/api/sessions/{id}/changes.patch", READ),
    (Method::POST, "/api/sessions/{id}/branch", WRITE),
    (Method::DELETE, "/api/sessions/{id}/workspace", WRITE),
    (Method::POST, "/api/chat", WRITE),
    (Method::GET, "/v1/models", READ),
    (Method::GET, "/v1/models/{*model}", READ),
    (Method::POST, "/v1/chat/completions", WRITE),
    (Method::POST, "/v1/responses", WRITE),
    (Method::GET, "/v1/responses/{id}", READ),
    (Method::DELETE, "/v1/responses/{id}", WRITE),
    (Method::POST, "/v1/responses/{id}/cancel", WRITE),
    (Method::GET, "/v1/responses/{id}/input_items", READ),
    (Method::GET, "/api/webhooks/deliveries", READ),
    (Method::POST, "/api/webhooks/deliveries/{delivery}/retry", WRITE),
    // Its tools are requests to the other routes.
    (Method::POST, "/mcp", Permission::Any),
];

/// The permission that a route requires; `None` for routes that are public or do not exist.
pub(super) fn required(method: &Method, route: &str) -> Option<Permission> {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    REQUIRED.iter().find(|(listed, path, _permission)| listed == method && *path == route).map(|(_method, _path, permission)| *permission)
}

/// Checks whether `principal` may use the route. Ownership is checked by the handlers. Routes that do not exist pass.
pub(super) fn check(method: &Method, route: Option<&str>, principal: &Principal) -> Result<(), ApiError> {
    let Some(route) = route else { return Ok(()) };
    let required = required(method, route);
    let is_login = matches!(principal.credential, Credential::Token(_));
    let missing = match required {
        Some(Permission::Any) => None,
        // A login continues, and gets 405 if the route does not have the method.
        None | Some(Permission::Login) => (!is_login).then_some("requires a login; API keys are not accepted"),
        Some(Permission::Account) => {
            (!principal.has_scope(Scope::Admin)).then_some("requires a login, or an admin's API key with the scope admin")
        }
        Some(Permission::Scope(scope)) if scope.is_for_admins() && is_login && !principal.caller.is_admin() => {
            return Err(ApiError::new(StatusCode::FORBIDDEN, "admin_only", "requires an admin"));
        }
        Some(Permission::Scope(Scope::Metrics)) => {
            (!principal.has_scope(Scope::Metrics)).then_some("requires an admin's API key with the scope metrics")
        }
        Some(Permission::Scope(Scope::RunsRead)) => {
            (!principal.has_scope(Scope::RunsRead)).then_some("requires an API key with the scope runs:read")
        }
        Some(Permission::Scope(Scope::RunsWrite)) => {
            (!principal.has_scope(Scope::RunsWrite)).then_some("requires an API key with the scope runs:write")
        }
        Some(Permission::Scope(Scope::Admin)) => {
            (!principal.has_scope(Scope::Admin)).then_some("requires an admin's API key with the scope admin")
        }
    };
    match missing {
        None => Ok(()),
        Some(detail) => Err(ApiError::new(StatusCode::FORBIDDEN, "scope_missing", detail)),
    }
}
