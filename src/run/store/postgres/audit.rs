//! The audit log in PostgreSQL. Triggers reject every change of the table except insertions, and the removal of entries from before a stored
//! time, which lies at least a day back.

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use tokio_postgres::{Client, Row};

use super::PostgresStore;
use super::audit_entry::columns;
use super::sql::{Columns, Conditions, execute, get, returning};
use super::value::values;
use crate::run::store::values::integer;
use crate::run::store::{AuditEntry, AuditFilter, AuditRecord, AuditStore, Audited, StoreError};
use crate::types::{AuditAction, Timestamp, UserRef};

#[async_trait]
impl AuditStore for PostgresStore {
    async fn add_audit(&self, entry: AuditEntry) -> Result<(), StoreError> {
        self.writer.write(move |client| Box::pin(async move { insert(client, &[entry]).await })).await
    }

    async fn audit(&self, filter: AuditFilter, limit: usize) -> Result<Vec<AuditRecord>, StoreError> {
        let AuditFilter { username, action, run, since, before } = filter;
        let mut conditions = Conditions::new([]);
        conditions.add("username = ?", username.map(|user| user.to_string()));
        conditions.add("action = ?", action.map(AuditAction::as_str));
        conditions.add("run_id = ?", run.map(|run| run.to_string()));
        conditions.add("created_at >= ?", since.map(Timestamp::as_millis));
        conditions.add("id < ?", before.map(integer));
        let sql = format!(
            "SELECT id, created_at, user_id, username, key_id, address, action, outcome, run_id, target_user_id, target_username,
                    target_key_id, detail
             FROM audit WHERE {} ORDER BY id DESC",
            conditions.clause()
        );
        self.page(&sql, conditions.values(), limit, decode).await
    }

    async fn remove_audit(&self, before: Timestamp, limit: usize) -> Result<bool, StoreError> {
        self.writer
            .write(move |client| {
                Box::pin(async move {
                    let sql = "SELECT id FROM audit WHERE created_at < $1 AND created_at < day_ago()
                               AND id < (SELECT max(id) FROM audit) ORDER BY created_at, id LIMIT $2";
                    let old = returning(client, sql, &values![before.as_millis(), integer(limit as u64)]).await?;
                    let old = old.iter().map(|row| get(row, 0)).collect::<Result<Vec<i64>, StoreError>>()?;
                    let is_full = old.len() >= limit.max(1);
                    if !old.is_empty() {
                        let horizon = "UPDATE audit_retention SET removable_before = least($1, day_ago())";
                        execute(client, horizon, &values![before.as_millis()]).await?;
                        execute(client, "DELETE FROM audit WHERE id = ANY ($1)", &values![old]).await?;
                    }
                    Ok(is_full)
                })
            })
            .await
    }
}

impl PostgresStore {
    /// Runs `work` in a transaction that also stores the entries of the actions that caused it, if `changed` confirms that it made a change.
    pub(super) async fn write_audited<T, F>(
        &self,
        audit: impl IntoIterator<Item = Audited>,
        changed: fn(T) -> bool,
        work: F,
    ) -> Result<T, StoreError>
    where
        T: Clone + Send + Sync + 'static,
        F: for<'a> FnOnce(&'a Client) -> BoxFuture<'a, Result<T, StoreError>> + Send + 'static,
    {
        let audit: Vec<Audited> = audit.into_iter().collect();
        let entries: Vec<AuditEntry> = audit.iter().map(|audited| audited.entry().clone()).collect();
        let result = self.writer.write(move |client| {
            Box::pin(async move {
                let result = work(client).await?;
                if changed(result.clone()) {
                    insert(client, &entries).await?;
                }
                Ok(result)
            })
        });
        let result = result.await?;
        if changed(result.clone()) {
            audit.iter().for_each(Audited::mark_stored);
        }
        Ok(result)
    }
}

async fn insert(client: &Client, entries: &[AuditEntry]) -> Result<(), StoreError> {
    if entries.is_empty() {
        return Ok(());
    }
    let values: Vec<Option<String>> = entries.iter().flat_map(columns).collect();
    returning(client, "SELECT add_audit($1)", &values![values]).await.map(|_| ())
}

fn decode(row: &Row) -> Result<AuditRecord, StoreError> {
    let columns = Columns::new("audit", row);
    let entry = AuditEntry {
        created_at: columns.time(1)?,
        user: columns.parse_optional(2)?.zip(columns.parse_optional(3)?).map(|(id, name)| UserRef { id, name }),
        key: columns.parse_optional(4)?,
        address: columns.parse_optional(5)?,
        action: columns.named(6, AuditAction::from_name)?,
        outcome: columns.get(7)?,
        run: columns.parse_optional(8)?,
        target_user: columns.parse_optional(9)?,
        target_username: columns.parse_optional(10)?,
        target_key: columns.parse_optional(11)?,
        detail: columns.get(12)?,
    };
    Ok(AuditRecord { id: columns.number(0)?, entry })
}
