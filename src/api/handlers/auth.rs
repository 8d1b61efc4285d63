//! Logging in, and who one is.

use axum::Json as Answer;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::super::access::Peer;
use super::super::client::ClientAddress;
use super::super::{ApiError, AppState, Json};
use crate::auth::Principal;
use crate::types::{Caller, UserName, UserRole};

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

impl From<Caller> for UserView {
    fn from(caller: Caller) -> Self {
        Self { username: caller.user, role: caller.role }
    }
}

/// `POST /api/auth/login`
pub(in crate::api) async fn login(
    State(app): State<AppState>,
    Peer(peer): Peer,
    client: ClientAddress,
    Json(request): Json<LoginRequest>,
) -> Result<Answer<LoginResponse>, ApiError> {
    let LoginRequest { username, password } = request;
    let login = app.auth.login(&username, &password, peer);
    let answer = app.limits.logins.admit(client, &username, peer.is_local(), login).await?;
    Ok(Answer(LoginResponse { token: answer.token, token_type: "Bearer", expires_in: answer.expires_in, user: answer.caller.into() }))
}

/// `GET /api/auth/me`
pub(in crate::api) async fn me(principal: Principal) -> Answer<UserView> {
    Answer(principal.caller.into())
}
