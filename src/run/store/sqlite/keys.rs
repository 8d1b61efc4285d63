//! API keys in `SQLite`.

use std::collections::BTreeSet;

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Row, ToSql, params};

use super::SqliteStore;
use super::decode::{reading, writing};
use crate::run::store::{ApiKeyRecord, KeyStore, StoreError};
use crate::types::{KeyId, Scope, Timestamp, UserName};

const COLUMNS: &str = "id, owner, name, hash, scopes, created_at, expires_at, last_used_at";

#[async_trait]
impl KeyStore for SqliteStore {
    async fn add_key(&self, key: ApiKeyRecord) -> Result<bool, StoreError> {
        let scopes = serde_json::to_string(&key.scopes).map_err(|error| StoreError::Write(error.to_string()))?;
        self.writer
            .write(move |connection| {
                // From the owner's own row: an owner who was removed in this moment gets no key.
                let sql = "INSERT INTO api_keys (id, owner, name, hash, scopes, created_at, expires_at, last_used_at)
                           SELECT ?1, name, ?3, ?4, ?5, ?6, ?7, ?8 FROM users WHERE name = ?2";
                let values = params![
                    key.id.to_string(),
                    key.owner.as_str(),
                    key.name,
                    key.hash,
                    scopes,
                    key.created_at.as_millis(),
                    key.expires_at.map(Timestamp::as_millis),
                    key.last_used_at.map(Timestamp::as_millis),
                ];
                let added = connection.prepare_cached(sql).and_then(|mut insert| insert.execute(values));
                added.map(|rows| rows == 1).map_err(|error| writing(&error))
            })
            .await
    }

    async fn key(&self, id: KeyId) -> Result<Option<ApiKeyRecord>, StoreError> {
        self.one_key("id = ?1", id.to_string()).await
    }

    async fn key_by_hash(&self, begins: [u8; 8]) -> Result<Option<ApiKeyRecord>, StoreError> {
        self.one_key("substr(hash, 1, 8) = ?1", begins).await
    }

    async fn keys(&self, owner: Option<UserName>, before: Option<KeyId>, limit: usize) -> Result<Vec<ApiKeyRecord>, StoreError> {
        self.read(move |connection| {
            let sql = format!(
                "SELECT {COLUMNS} FROM api_keys WHERE owner = coalesce(?1, owner) AND id < coalesce(?2, 'key_g') ORDER BY id DESC LIMIT {limit}"
            );
            let mut statement = connection.prepare_cached(&sql).map_err(reading)?;
            let values = params![owner.map(|owner| owner.to_string()), before.map(|before| before.to_string())];
            let rows = statement.query_map(values, |row| Ok(decode(row))).map_err(reading)?;
            rows.map(|row| row.map_err(reading)?).collect()
        })
        .await
    }

    async fn remove_key(&self, id: KeyId) -> Result<bool, StoreError> {
        self.writer
            .write(move |connection| {
                let removed =
                    connection.prepare_cached("DELETE FROM api_keys WHERE id = ?1").and_then(|mut delete| delete.execute([id.to_string()]));
                removed.map(|rows| rows == 1).map_err(|error| writing(&error))
            })
            .await
    }

    async fn key_used(&self, id: KeyId, at: Timestamp) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                let sql = "UPDATE api_keys SET last_used_at = ?2 WHERE id = ?1";
                let updated = connection.prepare_cached(sql).and_then(|mut update| update.execute(params![id.to_string(), at.as_millis()]));
                updated.map(|_rows| ()).map_err(|error| writing(&error))
            })
            .await
    }
}

impl SqliteStore {
    async fn one_key(&self, condition: &'static str, value: impl ToSql + Send + 'static) -> Result<Option<ApiKeyRecord>, StoreError> {
        self.read(move |connection| {
            let sql = format!("SELECT {COLUMNS} FROM api_keys WHERE {condition}");
            let mut statement = connection.prepare_cached(&sql).map_err(reading)?;
            statement.query_row([value], |row| Ok(decode(row))).optional().map_err(reading)?.transpose()
        })
        .await
    }
}

/// Reads a row of [`COLUMNS`].
fn decode(row: &Row<'_>) -> Result<ApiKeyRecord, StoreError> {
    let id: String = row.get(0).map_err(reading)?;
    let damaged = |problem: String| StoreError::Damaged { table: "api_keys", id: id.clone(), problem };
    let text = |column: usize| row.get::<_, String>(column).map_err(|error| damaged(error.to_string()));
    let moment = |column: usize| row.get::<_, Option<i64>>(column).map_err(|error| damaged(error.to_string()));
    let scopes: BTreeSet<Scope> = serde_json::from_str(&text(4)?).map_err(|error| damaged(error.to_string()))?;
    Ok(ApiKeyRecord {
        id: id.parse().map_err(|error| damaged(format!("{error}")))?,
        owner: text(1)?.parse().map_err(|error| damaged(format!("{error}")))?,
        name: text(2)?,
        hash: row.get(3).map_err(|error| damaged(error.to_string()))?,
        scopes,
        created_at: Timestamp::from_millis(moment(5)?.ok_or_else(|| damaged("created_at is missing".into()))?),
        expires_at: moment(6)?.map(Timestamp::from_millis),
        last_used_at: moment(7)?.map(Timestamp::from_millis),
    })
}
