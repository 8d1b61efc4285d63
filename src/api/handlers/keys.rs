//! API keys: the caller's own, and for admins those of all users.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::audit_context::AuditContext;
use super::super::{ApiError, AppState, FaultCode, Json, Path, Query};
use super::created::Created;
use super::pagination::{Page, page_size};
use super::params::KeyPath;
use crate::auth::{NewKey, Principal, Target};
use crate::run::ProfileError;
use crate::run::store::ApiKeyRecord;
use crate::types::{AuditAction, Caller, KeyDefaults, KeyId, OnDisconnect, ProfileName, Scope, Timestamp, UserName, UserRole};

/// An API key without its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub(in crate::api) struct KeyView {
    /// Id, for revoking the key.
    id: KeyId,
    /// Name given by the owner.
    name: String,
    /// Owner of the key.
    owner: UserName,
    /// Scopes of the key.
    scopes: BTreeSet<Scope>,
    /// When the key was created.
    created_at: Timestamp,
    /// When the key expires; absent if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    /// When the key was last used, accurate to a minute; absent if never.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Timestamp>,
    /// What requests with the key get unless they state it themselves.
    #[serde(flatten)]
    defaults: KeyDefaults,
}

impl From<ApiKeyRecord> for KeyView {
    fn from(key: ApiKeyRecord) -> Self {
        let ApiKeyRecord { id, owner, name, hash: _, scopes, created_at, expires_at, last_used_at, defaults } = key;
        Self { id, name, owner: owner.name, scopes, created_at, expires_at, last_used_at, defaults }
    }
}

/// Filters and pagination.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ListQuery {
    /// Filter by owner; admins only.
    owner: Option<UserName>,
    /// Maximum number of items.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
    /// Cursor of the page: the `next_cursor` of the previous one.
    cursor: Option<KeyId>,
}

/// A page of keys.
pub(in crate::api) type KeyPage = Page<KeyView>;

/// Lists the caller's API keys, newest first; for admins, the keys of all users.
#[utoipa::path(get, path = "/api/keys", operation_id = "list_keys", tag = "keys", params(ListQuery),
    responses((status = 200, description = "A page of API keys.", body = KeyPage)))]
pub(in crate::api) async fn list(
    State(app): State<AppState>,
    principal: Principal,
    Query(query): Query<ListQuery>,
) -> Result<Answer<KeyPage>, ApiError> {
    let limit = page_size(query.limit)?;
    let found = app.auth.keys(&principal.caller, query.owner, query.cursor, limit + 1).await?;
    Ok(Answer(Page::new(found.into_iter().map(KeyView::from).collect(), limit, |key| key.id)))
}

/// A new API key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct CreateKeyRequest {
    /// Name of the key.
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    /// Scopes of the key.
    #[schema(min_items = 1, value_type = Vec<Scope>)]
    scopes: BTreeSet<Scope>,
    /// Owner of the key; only admins may name another user. Default: the caller.
    owner: Option<UserName>,
    /// Lifetime in seconds, at most ten years. Default: until the key is revoked.
    #[schema(minimum = 1, maximum = 315_360_000)]
    expires_in: Option<u64>,
    /// Profile of the runs that are created with this key and name none, one of `GET /api/profiles`. Default: that of the server.
    default_profile: Option<ProfileName>,
    /// Session of requests of the OpenAI-compatible API that name none, as in the header `OpenRunner-Session`: an id, a name, or `new`.
    #[schema(min_length = 1, max_length = 256)]
    default_session: Option<String>,
    /// Working directory of requests of the OpenAI-compatible API that name none: an absolute path without `..`.
    #[schema(value_type = Option<String>)]
    default_directory: Option<PathBuf>,
    /// What happens to a run whose client disconnects while it waits for the answer, unless the request states it. Default: `cancel` for a
    /// streamed chat completion, otherwise `continue`.
    on_disconnect: Option<OnDisconnect>,
}

/// A created API key. Only this response contains its secret.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct CreateKeyResponse {
    /// The secret, to be sent as `Authorization: Bearer`.
    key: String,
    /// The key.
    #[serde(flatten)]
    view: KeyView,
}

/// Creates an API key for the caller; for admins, for any user. Only this response contains the secret.
#[utoipa::path(post, path = "/api/keys", operation_id = "create_key", tag = "keys", request_body = CreateKeyRequest,
    extensions(("x-error-codes" = json!(["admin_only", "own_password_needed", "not_found", "unknown_profile", "storage", "quota_exceeded"]))),
    responses((status = 201, description = "The key was created.", body = CreateKeyResponse,
        headers(("Location" = String, description = "Path of the key.")))))]
pub(in crate::api) async fn create(
    State(app): State<AppState>,
    audit_context: AuditContext,
    Json(request): Json<CreateKeyRequest>,
) -> Result<Created<CreateKeyResponse>, ApiError> {
    let CreateKeyRequest { name, scopes, owner, expires_in, default_profile, default_session, default_directory, on_disconnect } = request;
    let defaults = KeyDefaults { profile: default_profile, session: default_session, directory: default_directory, on_disconnect };
    let names: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
    let (state, auth, caller) = (app.clone(), app.auth.clone(), audit_context.caller());
    let of_other = owner.as_ref().filter(|owner| **owner != caller.user.name).map(|owner| format!(" owner={owner}"));
    let event = audit_context.event(AuditAction::KeyCreate).detail(names.join(",") + &of_other.unwrap_or_default());
    let new = NewKey { name, scopes, expires_in: expires_in.map(Duration::from_secs), defaults };
    let create = move |audit| async move {
        let owner = auth.key_owner(&caller, owner).await?;
        if let Some(profile) = &new.defaults.profile {
            check_profile(&state, owner.clone(), profile, new.scopes.contains(&Scope::Admin)).await?;
        }
        Ok(auth.create_key(&owner.user, new, Some(audit)).await?)
    };
    let (key, record) = app.audited(event, create).await?;
    let location = format!("/api/keys/{}", record.id);
    Ok(Created { location, body: CreateKeyResponse { key, view: record.into() } })
}

/// Checks that a key of `owner` may use a profile.
async fn check_profile(app: &AppState, owner: Caller, profile: &ProfileName, is_for_admins: bool) -> Result<(), ApiError> {
    // Without the scope a key of an admin has the rights of a plain user.
    let caller = Caller { role: if is_for_admins { owner.role } else { UserRole::User }, ..owner };
    match app.runs.profile(&caller, profile).await {
        Ok(_) => Ok(()),
        Err(error @ ProfileError::NotFound(_)) => {
            let error = ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "unknown_profile", error.to_string());
            Err(error.with_field("default_profile", FaultCode::NotFound))
        }
        Err(error) => Err(error.into()),
    }
}

/// Revokes an API key of the caller; for admins, of any user.
///
/// Requests with the key are rejected from now on. Streams opened with it end at once.
#[utoipa::path(delete, path = "/api/keys/{id}", operation_id = "delete_key", tag = "keys", params(KeyPath),
    extensions(("x-error-codes" = json!(["not_found", "storage"]))),
    responses((status = 204, description = "The key was revoked.")))]
pub(in crate::api) async fn delete(
    State(app): State<AppState>,
    audit_context: AuditContext,
    Path(id): Path<KeyId>,
) -> Result<StatusCode, ApiError> {
    let (auth, caller) = (app.auth.clone(), audit_context.caller());
    let event = audit_context.event(AuditAction::KeyDelete).to(Target::Key(id));
    app.audited(event, move |audit| async move { Ok(auth.revoke_key(&caller, id, Some(audit)).await?) }).await?;
    Ok(StatusCode::NO_CONTENT)
}
