//! Logging in and out, a new password, and who one is.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::access::Peer;
use super::super::actor::{Actor, Address};
use super::super::{ApiError, AppState, Json};
use crate::auth::{Deed, LoginAnswer, Principal};
use crate::types::{Action, Caller, UserName, UserRole};

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

impl From<LoginAnswer> for LoginResponse {
    fn from(answer: LoginAnswer) -> Self {
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
    extensions(("x-error-codes" = json!(["wrong_credentials", "default_password", "shutting_down"]))),
    responses((status = 200, description = "The token.", body = LoginResponse)))]
pub(in crate::api) async fn login(
    State(app): State<AppState>,
    Peer(peer): Peer,
    Address(address): Address,
    Json(request): Json<LoginRequest>,
) -> Result<Answer<LoginResponse>, ApiError> {
    // A name that nobody has may be a password in the wrong field, so it is written down nowhere.
    let known = match request.username.parse::<UserName>() {
        Ok(name) => app.auth.user(&name).await?.map(|user| user.name),
        Err(_not_a_name) => None,
    };
    let auth = app.auth.clone();
    let logging_in = async move { Ok(auth.login(&request.username, &request.password, peer).await?) };
    let answer = app.audited(Deed::of_user(known, address, Action::Login), logging_in).await?;
    Ok(Answer(answer.into()))
}

/// `POST /api/auth/logout`
pub(in crate::api) async fn logout(State(app): State<AppState>, actor: Actor) -> Result<StatusCode, ApiError> {
    let (auth, deed) = (app.auth.clone(), actor.deed(Action::Logout));
    app.audited(deed, async move { Ok(auth.logout(&actor.principal).await?) }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A new password for oneself.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct PasswordRequest {
    /// The present one: a token that was left lying about does not suffice.
    current_password: String,
    /// The new one: 8 to 1024 characters, not the name.
    new_password: String,
}

/// `POST /api/auth/password`
pub(in crate::api) async fn password(
    State(app): State<AppState>,
    actor: Actor,
    Json(request): Json<PasswordRequest>,
) -> Result<Answer<LoginResponse>, ApiError> {
    let (auth, deed) = (app.auth.clone(), actor.deed(Action::Password));
    let changing = async move { Ok(auth.change_own_password(&actor.principal, &request.current_password, &request.new_password).await?) };
    let answer = app.audited(deed, changing).await?;
    Ok(Answer(answer.into()))
}

/// Tells whose token this is.
#[utoipa::path(get, path = "/api/auth/me", operation_id = "me", tag = "auth",
    responses((status = 200, description = "The user.", body = UserView)))]
pub(in crate::api) async fn me(principal: Principal) -> Answer<UserView> {
    Answer(principal.caller.into())
}
