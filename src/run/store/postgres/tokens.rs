//! Revoked tokens in PostgreSQL.

use async_trait::async_trait;

use super::PostgresStore;
use super::sql::execute;
use super::value::values;
use crate::run::store::values::always;
use crate::run::store::{Audited, StoreError, TokenStore};
use crate::types::{Timestamp, TokenId};

#[async_trait]
impl TokenStore for PostgresStore {
    async fn revoke_token(&self, id: TokenId, expires_at: Timestamp, now: Timestamp, audit: Option<Audited>) -> Result<(), StoreError> {
        self.write_audited(audit, always, move |client| {
            Box::pin(async move {
                execute(client, "DELETE FROM revoked_tokens WHERE expires_at < $1", &values![now.as_millis()]).await?;
                let sql = "INSERT INTO revoked_tokens (id, expires_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
                execute(client, sql, &values![id.to_string(), expires_at.as_millis()]).await.map(|_| ())
            })
        })
        .await
    }

    async fn is_revoked(&self, id: TokenId) -> Result<bool, StoreError> {
        Ok(!self.rows("SELECT 1 FROM revoked_tokens WHERE id = $1", &values![id.to_string()]).await?.is_empty())
    }
}
