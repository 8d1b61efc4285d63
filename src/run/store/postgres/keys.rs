//! API keys in PostgreSQL.

use std::convert::identity;

use async_trait::async_trait;
use tokio_postgres::Row;

use super::decode::owner;
use super::sql::{Columns, Conditions, execute};
use super::value::values;
use super::{PostgresStore, quotas};
use crate::run::store::values::to_json;
use crate::run::store::{ApiKeyRecord, Audited, KeyStore, StoreError};
use crate::types::{KeyId, Quota, Timestamp, UserId};

/// The columns of a key, in the order in which [`decode`] reads them.
const COLUMNS: &str = "id, owner, (SELECT name FROM users WHERE users.id = owner), name, hash, scopes, created_at, expires_at, last_used_at, \
     defaults";

#[async_trait]
impl KeyStore for PostgresStore {
    async fn add_key(&self, key: ApiKeyRecord, audit: Option<Audited>) -> Result<bool, StoreError> {
        let (scopes, defaults) = (to_json(&key.scopes)?, to_json(&key.defaults)?);
        let quotas = self.quotas;
        self.write_audited(audit, identity, move |client| {
            Box::pin(async move {
                quotas::check(client, &key.owner.id.to_string(), &[Quota::Keys], &quotas).await?;
                // Selects from the owner's row, so that a user who is removed concurrently gets no key.
                let sql = "INSERT INTO api_keys (id, owner, name, hash, scopes, created_at, expires_at, last_used_at, defaults)
                           SELECT $1, id, $3, $4, $5, $6, $7, $8, $9 FROM users WHERE id = $2";
                let values = values![
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
                execute(client, sql, &values).await.map(|rows| rows == 1)
            })
        })
        .await
    }

    async fn key(&self, id: KeyId) -> Result<Option<ApiKeyRecord>, StoreError> {
        self.first(&format!("SELECT {COLUMNS} FROM api_keys WHERE id = $1"), &values![id.to_string()], decode).await
    }

    async fn key_by_hash(&self, prefix: [u8; 8]) -> Result<Option<ApiKeyRecord>, StoreError> {
        self.first(&format!("SELECT {COLUMNS} FROM api_keys WHERE substr(hash, 1, 8) = $1"), &values![prefix], decode).await
    }

    async fn keys(&self, owner: Option<UserId>, before: Option<KeyId>, limit: usize) -> Result<Vec<ApiKeyRecord>, StoreError> {
        let mut conditions = Conditions::new([]);
        conditions.add("owner = ?", owner.map(|owner| owner.to_string()));
        conditions.add("id < ?", before.map(|before| before.to_string()));
        let sql = format!("SELECT {COLUMNS} FROM api_keys WHERE {} ORDER BY id DESC", conditions.clause());
        self.page(&sql, conditions.values(), limit, decode).await
    }

    async fn remove_key(&self, id: KeyId, audit: Option<Audited>) -> Result<bool, StoreError> {
        self.write_audited(audit, identity, move |client| {
            Box::pin(async move { Ok(execute(client, "DELETE FROM api_keys WHERE id = $1", &values![id.to_string()]).await? == 1) })
        })
        .await
    }

    async fn key_used(&self, id: KeyId, at: Timestamp) -> Result<(), StoreError> {
        self.writer
            .write(move |client| {
                Box::pin(async move {
                    let sql = "UPDATE api_keys SET last_used_at = $2 WHERE id = $1";
                    execute(client, sql, &values![id.to_string(), at.as_millis()]).await.map(|_| ())
                })
            })
            .await
    }
}

/// Decodes a row of [`COLUMNS`].
fn decode(row: &Row) -> Result<ApiKeyRecord, StoreError> {
    let columns = Columns::new("api_keys", row);
    let hash: Vec<u8> = columns.get(4)?;
    Ok(ApiKeyRecord {
        id: columns.parse(0)?,
        owner: owner(&columns, 1, 2)?,
        name: columns.get(3)?,
        hash: hash.try_into().map_err(|_| columns.damaged("the hash has another length"))?,
        scopes: columns.json(5)?,
        created_at: columns.time(6)?,
        expires_at: columns.time_optional(7)?,
        last_used_at: columns.time_optional(8)?,
        defaults: columns.json(9)?,
    })
}
