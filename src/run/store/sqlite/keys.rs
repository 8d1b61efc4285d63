//! API keys in `SQLite`.

use std::convert::identity;

use async_trait::async_trait;
use rusqlite::{Row, ToSql, params};

use super::SqliteStore;
use super::damage::Columns;
use super::decode::owner;
use super::quotas;
use super::sql::{execute, query_first};
use crate::run::store::values::to_json;
use crate::run::store::{ApiKeyRecord, Audited, KeyStore, StoreError};
use crate::types::{KeyId, Quota, Timestamp, UserId};

/// The columns of a key, in the order in which [`decode`] reads them.
const COLUMNS: &str =
    "id, owner, (SELECT name FROM users WHERE id = owner), name, hash, scopes, created_at, expires_at, last_used_at, defaults";

#[async_trait]
impl KeyStore for SqliteStore {
    async fn add_key(&self, key: ApiKeyRecord, audit: Option<Audited>) -> Result<bool, StoreError> {
        let (scopes, defaults) = (to_json(&key.scopes)?, to_json(&key.defaults)?);
        let quotas = self.quotas;
        self.write_audited(audit, identity, move |connection| {
            quotas::check(connection, &key.owner.id.to_string(), &[Quota::Keys], &quotas)?;
            // Selects from the owner's row, so that a user who is removed concurrently gets no key.
            let sql = "INSERT INTO api_keys (id, owner, name, hash, scopes, created_at, expires_at, last_used_at, defaults)
                           SELECT ?1, id, ?3, ?4, ?5, ?6, ?7, ?8, ?9 FROM users WHERE id = ?2";
            let values = params![
                key.id.to_string(),
                key.owner.id.to_string(),
                key.name,
                key.hash,
                scopes,
                key.created_at.as_millis(),
                key.expires_at.map(Timestamp::as_millis),
                key.last_used_at.map(Timestamp::as_millis),
                defaults,
            ];
            execute(connection, sql, values).map(|rows| rows == 1)
        })
        .await
    }

    async fn key(&self, id: KeyId) -> Result<Option<ApiKeyRecord>, StoreError> {
        self.find_key("id = ?1", id.to_string()).await
    }

    async fn key_by_hash(&self, prefix: [u8; 8]) -> Result<Option<ApiKeyRecord>, StoreError> {
        self.find_key("substr(hash, 1, 8) = ?1", prefix).await
    }

    async fn keys(&self, owner: Option<UserId>, before: Option<KeyId>, limit: usize) -> Result<Vec<ApiKeyRecord>, StoreError> {
        let damaged = self.damaged.clone();
        self.read(move |connection| {
            // Every key id is less than `key_g`.
            let sql =
                format!("SELECT {COLUMNS} FROM api_keys WHERE owner = coalesce(?1, owner) AND id < coalesce(?2, 'key_g') ORDER BY id DESC");
            let (owner, before) = (owner.map(|owner| owner.to_string()), before.map(|before| before.to_string()));
            damaged.page(connection, &sql, &[&owner, &before], limit, decode)
        })
        .await
    }

    async fn remove_key(&self, id: KeyId, audit: Option<Audited>) -> Result<bool, StoreError> {
        self.write_audited(audit, identity, move |connection| {
            execute(connection, "DELETE FROM api_keys WHERE id = ?1", [id.to_string()]).map(|rows| rows == 1)
        })
        .await
    }

    async fn key_used(&self, id: KeyId, at: Timestamp) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                let sql = "UPDATE api_keys SET last_used_at = ?2 WHERE id = ?1";
                execute(connection, sql, params![id.to_string(), at.as_millis()]).map(|_| ())
            })
            .await
    }
}

impl SqliteStore {
    async fn find_key(&self, condition: &'static str, value: impl ToSql + Send + 'static) -> Result<Option<ApiKeyRecord>, StoreError> {
        self.read(move |connection| {
            let sql = format!("SELECT {COLUMNS} FROM api_keys WHERE {condition}");
            query_first(connection, &sql, [value], decode)
        })
        .await
    }
}

/// Decodes a row of [`COLUMNS`].
fn decode(row: &Row<'_>) -> Result<ApiKeyRecord, StoreError> {
    let columns = Columns::new("api_keys", row);
    Ok(ApiKeyRecord {
        id: columns.parse(0)?,
        owner: owner(&columns, 1, 2)?,
        name: columns.get(3)?,
        hash: columns.get(4)?,
        scopes: columns.json(5)?,
        created_at: columns.time(6)?,
        expires_at: columns.time_optional(7)?,
        last_used_at: columns.time_optional(8)?,
        defaults: columns.json(9)?,
    })
}
