//! Logging in and out, a new password, and who one is.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::audit_context::AuditContext;
use super::super::{ApiError, AppState, Json};
use crate::auth::{AuditEvent, ClientOrigin, LoginResult, Principal};
use crate::run::BudgetState;
use crate::types::{AuditAction, Caller, UserName, UserRole};

/// A name and its password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct LoginRequest {
    /// The user's name.
    #[schema(example = "admin")]
    username: String,
    /// The user's password.
    #[schema(example = "admin")]
    password: String,
}

/// A token, for the `Authorization` header of later requests.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct LoginResponse {
    /// The token.
    token: String,
    /// Always `Bearer`.
    #[schema(pattern = "^Bearer$")]
    token_type: &'static str,
    /// For how long the token is good, in seconds.
    expires_in: i64,
    /// Whose it is.
    user: UserView,
}

/// A user.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
pub(in crate::api) struct UserView {
    /// The name.
    username: UserName,
    /// What the user may do.
    role: UserRole,
}

impl From<LoginResult> for LoginResponse {
    fn from(answer: LoginResult) -> Self {
        Self { token: answer.token, token_type: "Bearer", expires_in: answer.expires_in, user: answer.caller.into() }
    }
}

impl From<Caller> for UserView {
    fn from(caller: Caller) -> Self {
        Self { username: caller.user, role: caller.role }
    }
}

/// Gives a token for a name and a password.
#[utoipa::path(post, path = "/api/auth/login", operation_id = "login", tag = "auth", request_body = LoginRequest,
    extensions(("x-error-codes" = json!(["wrong_credentials", "default_password", "too_many_logins", "shutting_down"]))),
    responses((status = 200, description = "The token.", body = LoginResponse)))]
pub(in crate::api) async fn login(
    State(app): State<AppState>,
    origin: ClientOrigin,
    Json(request): Json<LoginRequest>,
) -> Result<Answer<LoginResponse>, ApiError> {
    let LoginRequest { username, password } = request;
    let attempt = app.limits.login_limiter.attempt(origin, &username)?;
    // A name that nobody has may be a password in the wrong field, so it is written down nowhere.
    let known = match username.parse::<UserName>() {
        Ok(name) => app.auth.user(&name).await?.map(|user| user.name),
        Err(_not_a_name) => None,
    };
    let (auth, event) = (app.auth.clone(), AuditEvent::by_user(known, origin.addr, AuditAction::Login));
    let logging_in = async move { attempt.run(auth.login(&username, &password, origin)).await };
    let answer = app.audited(event, logging_in).await?;
    Ok(Answer(answer.into()))
}

/// Ends the token that the request came with.
///
/// Streams that were begun with it, or with a ticket got with it, end within 15 seconds.
#[utoipa::path(post, path = "/api/auth/logout", operation_id = "logout", tag = "auth",
    extensions(("x-error-codes" = json!(["storage"]))),
    responses((status = 204, description = "Nothing is let in by it any more.")))]
pub(in crate::api) async fn logout(State(app): State<AppState>, audit_context: AuditContext) -> Result<StatusCode, ApiError> {
    let (auth, event) = (app.auth.clone(), audit_context.event(AuditAction::Logout));
    app.audited(event, async move { Ok(auth.logout(&audit_context.principal).await?) }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A new password for oneself.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct PasswordRequest {
    /// The present one: a token that was left lying about does not suffice.
    current_password: String,
    /// The new one, which is not the name.
    #[schema(min_length = 8, max_length = 1024)]
    new_password: String,
}

/// Sets a password of one's own, which ends a default login and all tokens of the user.
///
/// API keys stay good.
#[utoipa::path(post, path = "/api/auth/password", operation_id = "change_password", tag = "auth", request_body = PasswordRequest,
    extensions(("x-error-codes" = json!(["wrong_password", "too_many_logins", "storage"]))),
    responses((status = 200, description = "The password is another one. The token is a fresh one.", body = LoginResponse)))]
pub(in crate::api) async fn password(
    State(app): State<AppState>,
    audit_context: AuditContext,
    Json(request): Json<PasswordRequest>,
) -> Result<Answer<LoginResponse>, ApiError> {
    // Otherwise whoever has found a token could try passwords here.
    let attempt = app.limits.login_limiter.attempt(audit_context.origin, audit_context.principal.caller.user.as_str())?;
    let (auth, event) = (app.auth.clone(), audit_context.event(AuditAction::Password));
    let changing = async move {
        let PasswordRequest { current_password, new_password } = request;
        attempt.run(auth.change_own_password(&audit_context.principal, &current_password, &new_password)).await
    };
    let answer = app.audited(event, changing).await?;
    Ok(Answer(answer.into()))
}

/// Who one is, and what one may use.
#[derive(Serialize, ToSchema)]
#[schema(as = Me)]
pub(in crate::api) struct MeView {
    /// The name.
    username: UserName,
    /// What the user may do.
    role: UserRole,
    /// What the user may use today, and has used.
    budget: BudgetState,
}

/// Tells whose token this is.
#[utoipa::path(get, path = "/api/auth/me", operation_id = "me", tag = "auth",
    responses((status = 200, description = "The user.", body = MeView)))]
pub(in crate::api) async fn me(State(app): State<AppState>, principal: Principal) -> Result<Answer<MeView>, ApiError> {
    let Caller { user, role } = principal.caller;
    let budget = app.runs.budget(&user).await?;
    Ok(Answer(MeView { username: user, role, budget }))
}
