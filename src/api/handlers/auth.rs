//! Logging in and out, a new password, and who one is.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::super::access::Peer;
use super::super::actor::{Actor, Address};
use super::super::{ApiError, AppState, Json};
use crate::auth::{Deed, LoginAnswer, Principal};
use crate::types::{Action, Caller, UserName, UserRole};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct LoginRequest {
    username: String,
    password: String,
}

#[derive(Serialize)]
pub(in crate::api) struct LoginResponse {
    token: String,
    token_type: &'static str,
    /// Seconds.
    expires_in: i64,
    user: UserView,
}

#[derive(Serialize)]
pub(in crate::api) struct UserView {
    username: UserName,
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

/// `POST /api/auth/login`
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

/// `GET /api/auth/me`
pub(in crate::api) async fn me(principal: Principal) -> Answer<UserView> {
    Answer(principal.caller.into())
}
