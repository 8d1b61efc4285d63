//! API keys, one's own and, for admins, everyone's.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::super::actor::Actor;
use super::super::{ApiError, AppState, Json, Path, Query};
use super::page::{self, Page};
use crate::auth::{NewKey, Principal, Target};
use crate::run::store::ApiKeyRecord;
use crate::types::{Action, KeyId, Scope, Timestamp, UserName};

/// A key as its owner and admins see it: without the key itself.
#[derive(Serialize)]
pub(in crate::api) struct KeyView {
    /// By which it is revoked.
    id: KeyId,
    /// What its owner calls it.
    name: String,
    /// Whose it is.
    owner: UserName,
    /// What it may be used for.
    scopes: BTreeSet<Scope>,
    /// When it was made.
    created_at: Timestamp,
    /// When it ends by itself; absent if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    /// About when it was last used, to the minute; absent if it never was.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Timestamp>,
}

impl From<ApiKeyRecord> for KeyView {
    fn from(key: ApiKeyRecord) -> Self {
        let ApiKeyRecord { id, owner, name, hash: _, scopes, created_at, expires_at, last_used_at } = key;
        Self { id, name, owner, scopes, created_at, expires_at, last_used_at }
    }
}

/// Which page of which keys is wanted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ListQuery {
    /// Only this user's; for admins.
    owner: Option<UserName>,
    /// Items of the page: 1 to 200, 50 if not said.
    limit: Option<usize>,
    /// The last key of the page before.
    cursor: Option<KeyId>,
}

/// `GET /api/keys`
pub(in crate::api) async fn list(
    State(app): State<AppState>,
    principal: Principal,
    Query(query): Query<ListQuery>,
) -> Result<Answer<Page<KeyView, KeyId>>, ApiError> {
    let limit = page::limit(query.limit)?;
    let found = app.auth.keys(&principal.caller, query.owner, query.cursor, limit + 1).await?;
    Ok(Answer(Page::of(found.into_iter().map(KeyView::from).collect(), limit, |key| key.id)))
}

/// A key to be made.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct CreateKeyRequest {
    /// What to call it: 1 to 64 characters.
    name: String,
    /// What it may be used for: at least one.
    scopes: BTreeSet<Scope>,
    /// Seconds until it ends, at most ten years; if absent, it lives until it is revoked.
    expires_in: Option<u64>,
}

/// A new key: the only answer that shows it.
#[derive(Serialize)]
pub(in crate::api) struct CreateKeyResponse {
    /// The key, to be sent as `Authorization: Bearer`.
    key: String,
    /// What is known of it from now on.
    #[serde(flatten)]
    view: KeyView,
}

/// `POST /api/keys`
pub(in crate::api) async fn create(
    State(app): State<AppState>,
    actor: Actor,
    Json(request): Json<CreateKeyRequest>,
) -> Result<(StatusCode, Answer<CreateKeyResponse>), ApiError> {
    let CreateKeyRequest { name, scopes, expires_in } = request;
    let said: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
    let deed = actor.deed(Action::KeyCreate).detail(said.join(","));
    let new = NewKey { name, scopes, expires_in: expires_in.map(Duration::from_secs) };
    let (auth, owner) = (app.auth.clone(), actor.caller().user);
    let making = async move { Ok(auth.create_key(&owner, new).await?) };
    let (key, record) = app.audited_new(deed, making, |(_key, record)| Some(Target::Key(record.id))).await?;
    Ok((StatusCode::CREATED, Answer(CreateKeyResponse { key, view: record.into() })))
}

/// `DELETE /api/keys/{id}`
pub(in crate::api) async fn delete(State(app): State<AppState>, actor: Actor, Path(id): Path<KeyId>) -> Result<StatusCode, ApiError> {
    let (auth, caller) = (app.auth.clone(), actor.caller());
    let deed = actor.deed(Action::KeyDelete).to(Target::Key(id));
    app.audited(deed, async move { Ok(auth.revoke_key(&caller, id).await?) }).await?;
    Ok(StatusCode::NO_CONTENT)
}
