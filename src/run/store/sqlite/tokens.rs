//! Revoked tokens in `SQLite`.

use async_trait::async_trait;
use rusqlite::params;

use super::SqliteStore;
use super::sql::{execute, read_error};
use crate::run::store::values::always;
use crate::run::store::{Audited, StoreError, TokenStore};
use crate::types::{Timestamp, TokenId};

#[async_trait]
impl TokenStore for SqliteStore {
    async fn revoke_token(&self, id: TokenId, expires_at: Timestamp, now: Timestamp, audit: Option<Audited>) -> Result<(), StoreError> {
        self.write_audited(audit, always, move |connection| {
            execute(connection, "DELETE FROM revoked_tokens WHERE expires_at < ?1", [now.as_millis()])?;
            let sql = "INSERT INTO revoked_tokens (id, expires_at) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING";
            execute(connection, sql, params![id.to_string(), expires_at.as_millis()]).map(|_| ())
        })
        .await
    }

    async fn is_revoked(&self, id: TokenId) -> Result<bool, StoreError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached("SELECT 1 FROM revoked_tokens WHERE id = ?1").map_err(read_error)?;
            statement.exists([id.to_string()]).map_err(read_error)
        })
        .await
    }
}
