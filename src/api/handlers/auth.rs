//! Login, logout, one's own password, and the caller.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::audit_context::AuditContext;
use super::super::{ApiError, AppState, Json};
use crate::auth::{AuditEvent, ClientAccount, ClientOrigin, LoginResult, Principal};
use crate::run::BudgetState;
use crate::types::{AuditAction, Caller, UserName, UserRole};

/// Credentials.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct LoginRequest {
    /// User name.
    #[schema(example = "admin")]
    username: String,
    /// Password.
    #[schema(example = "admin")]
    password: String,
}

/// A token for the `Authorization` header of further requests.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct LoginResponse {
    /// The token.
    token: String,
    /// Always `Bearer`.
    #[schema(pattern = "^Bearer$")]
    token_type: &'static str,
    /// Lifetime of the token in seconds.
    expires_in: i64,
    /// The user.
    user: UserView,
}

/// A user.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
pub(in crate::api) struct UserView {
    /// User name.
    username: UserName,
    /// Role of the user.
    role: UserRole,
}

impl From<LoginResult> for LoginResponse {
    fn from(login: LoginResult) -> Self {
        Self { token: login.token, token_type: "Bearer", expires_in: login.expires_in, user: login.caller.into() }
    }
}

impl From<Caller> for UserView {
    fn from(caller: Caller) -> Self {
        Self { username: caller.user.name, role: caller.role }
    }
}

/// Logs in with user name and password, and returns a token.
#[utoipa::path(post, path = "/api/auth/login", operation_id = "login", tag = "auth", request_body = LoginRequest,
    extensions(("x-error-codes" = json!(["wrong_credentials", "default_password", "too_many_logins", "shutting_down"]))),
    responses((status = 200, description = "The token.", body = LoginResponse)))]
pub(in crate::api) async fn login(
    State(app): State<AppState>,
    origin: ClientOrigin,
    account: ClientAccount,
    Json(request): Json<LoginRequest>,
) -> Result<Answer<LoginResponse>, ApiError> {
    let LoginRequest { username, password } = request;
    let attempt = app.limits.login_limiter.attempt(origin, &username)?;
    // An unknown name may be a password in the wrong field, so it is not recorded.
    let known = match username.parse::<UserName>() {
        Ok(name) => app.auth.user(&name).await?.map(|user| user.reference()),
        Err(_not_a_name) => None,
    };
    let (auth, event) = (app.auth.clone(), AuditEvent::by_user(known, origin.addr, AuditAction::Login));
    let attempted = async move { auth.login(&username, &password, origin).await?.require_server_account(&account).await };
    // A login stores nothing: its token is signed, not stored.
    let login = app.audited(event, move |_audit| async move { attempt.run(attempted).await }).await?;
    Ok(Answer(login.into()))
}

/// How to log in.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct LoginOptions {
    /// Users whose password is still the documented default, equal to their name, if the sender of this request may log in with it. Empty
    /// for all other clients.
    default_users: Vec<UserName>,
}

/// Returns which default users may log in from where this request comes from.
///
/// Default passwords work only on the server's own machine, without a proxy, and only for the account that runs the server and for root.
#[utoipa::path(get, path = "/api/auth/login", operation_id = "login_options", tag = "auth",
    responses((status = 200, description = "The default users.", body = LoginOptions)))]
pub(in crate::api) async fn login_options(
    State(app): State<AppState>,
    origin: ClientOrigin,
    account: ClientAccount,
) -> Result<Answer<LoginOptions>, ApiError> {
    let default_users = if origin.is_local { app.auth.default_users().await? } else { Vec::new() };
    let may_log_in = !default_users.is_empty() && account.require_server_account().await.is_ok();
    Ok(Answer(LoginOptions { default_users: if may_log_in { default_users } else { Vec::new() } }))
}

/// Revokes the token of the request.
///
/// Streams opened with it, or with a ticket obtained with it, end at once.
#[utoipa::path(post, path = "/api/auth/logout", operation_id = "logout", tag = "auth",
    extensions(("x-error-codes" = json!(["storage"]))),
    responses((status = 204, description = "The token was revoked.")))]
pub(in crate::api) async fn logout(State(app): State<AppState>, audit_context: AuditContext) -> Result<StatusCode, ApiError> {
    let (auth, event) = (app.auth.clone(), audit_context.event(AuditAction::Logout));
    app.audited(event, move |audit| async move { Ok(auth.logout(&audit_context.principal, Some(audit)).await?) }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A password change.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct PasswordRequest {
    /// The current password; a token alone is not sufficient.
    current_password: String,
    /// The new password. It must differ from the user name.
    #[schema(min_length = 8, max_length = 1024)]
    new_password: String,
}

/// Changes the caller's password. This ends a default password and revokes all tokens of the user.
///
/// API keys remain valid.
#[utoipa::path(post, path = "/api/auth/password", operation_id = "change_password", tag = "auth", request_body = PasswordRequest,
    extensions(("x-error-codes" = json!(["wrong_password", "too_many_logins", "storage"]))),
    responses((status = 200, description = "The password was changed. The response contains a new token.", body = LoginResponse)))]
pub(in crate::api) async fn password(
    State(app): State<AppState>,
    audit_context: AuditContext,
    Json(request): Json<PasswordRequest>,
) -> Result<Answer<LoginResponse>, ApiError> {
    // Otherwise a stolen token would allow guessing the password.
    let attempt = app.limits.login_limiter.attempt(audit_context.origin, audit_context.principal.caller.user.name.as_str())?;
    let (auth, event) = (app.auth.clone(), audit_context.event(AuditAction::Password));
    let changing = move |audit| async move {
        let PasswordRequest { current_password, new_password } = request;
        attempt.run(auth.change_own_password(&audit_context.principal, &current_password, &new_password, Some(audit))).await
    };
    let login = app.audited(event, changing).await?;
    Ok(Answer(login.into()))
}

/// The caller, with their budget.
#[derive(Serialize, ToSchema)]
#[schema(as = Me)]
pub(in crate::api) struct MeView {
    /// User name.
    username: UserName,
    /// Role of the user.
    role: UserRole,
    /// Today's budget.
    budget: BudgetState,
}

/// Returns the caller.
#[utoipa::path(get, path = "/api/auth/me", operation_id = "me", tag = "auth",
    responses((status = 200, description = "The user.", body = MeView)))]
pub(in crate::api) async fn me(State(app): State<AppState>, principal: Principal) -> Result<Answer<MeView>, ApiError> {
    let Caller { user, role } = principal.caller;
    let budget = app.runs.budget(&user).await?;
    Ok(Answer(MeView { username: user.name, role, budget }))
}
