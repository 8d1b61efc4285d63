//! Logging in, and who one is.

use axum::Json as Answer;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::access::Peer;
use super::super::{ApiError, AppState, Json};
use crate::auth::Principal;
use crate::types::{Caller, UserName, UserRole};

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
    Json(request): Json<LoginRequest>,
) -> Result<Answer<LoginResponse>, ApiError> {
    let answer = app.auth.login(&request.username, &request.password, peer).await?;
    Ok(Answer(LoginResponse { token: answer.token, token_type: "Bearer", expires_in: answer.expires_in, user: answer.caller.into() }))
}

/// Tells whose token this is.
#[utoipa::path(get, path = "/api/auth/me", operation_id = "me", tag = "auth",
    responses((status = 200, description = "The user.", body = UserView)))]
pub(in crate::api) async fn me(principal: Principal) -> Answer<UserView> {
    Answer(principal.caller.into())
}
