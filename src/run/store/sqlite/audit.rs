//! The audit log in `SQLite`. Triggers reject every change of the table except insertions, and the removal of entries from before a stored
//! time, which lies at least a day back.

use async_trait::async_trait;
use rusqlite::{Connection, Row, params};

use super::SqliteStore;
use super::damage::Columns;
use super::sql::{Conditions, execute, read_error};
use crate::run::store::values::integer;
use crate::run::store::{AuditEntry, AuditFilter, AuditRecord, AuditStore, Audited, StoreError};
use crate::types::{AuditAction, Timestamp, UserName, UserRef};

#[async_trait]
impl AuditStore for SqliteStore {
    async fn add_audit(&self, entry: AuditEntry) -> Result<(), StoreError> {
        self.writer.write(move |connection| insert(connection, &entry)).await
    }

    async fn audit(&self, filter: AuditFilter, limit: usize) -> Result<Vec<AuditRecord>, StoreError> {
        let damaged = self.damaged.clone();
        self.read(move |connection| {
            let AuditFilter { username, action, run, since, before } = filter;
            let mut conditions = Conditions::new();
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
            damaged.page(connection, &sql, &conditions.values(), limit, decode)
        })
        .await
    }

    async fn remove_audit(&self, before: Timestamp, limit: usize) -> Result<bool, StoreError> {
        self.writer
            .write(move |connection| {
                let sql = "SELECT id FROM audit WHERE created_at < ?1 AND created_at < (unixepoch() - 86400) * 1000
                           AND id < (SELECT max(id) FROM audit) ORDER BY created_at, id LIMIT ?2";
                let mut statement = connection.prepare_cached(sql).map_err(read_error)?;
                let old = statement.query_map(params![before.as_millis(), integer(limit as u64)], |row| row.get(0));
                let old: Vec<i64> = old.and_then(Iterator::collect).map_err(read_error)?;
                if !old.is_empty() {
                    let horizon = "UPDATE audit_retention SET removable_before = min(?1, (unixepoch() - 86400) * 1000)";
                    execute(connection, horizon, params![before.as_millis()])?;
                }
                for id in &old {
                    execute(connection, "DELETE FROM audit WHERE id = ?1", params![id])?;
                }
                Ok(old.len() >= limit.max(1))
            })
            .await
    }
}

impl SqliteStore {
    /// Runs `work` in a transaction that also stores the entries of the actions that caused it, if `changed` confirms that it made a change.
    pub(super) async fn write_audited<T: Clone + Send + 'static>(
        &self,
        audit: impl IntoIterator<Item = Audited>,
        changed: fn(T) -> bool,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let audit: Vec<Audited> = audit.into_iter().collect();
        let entries: Vec<AuditEntry> = audit.iter().map(|audited| audited.entry().clone()).collect();
        let result = self.writer.write(move |connection| {
            let result = work(connection)?;
            if changed(result.clone()) {
                entries.iter().try_for_each(|entry| insert(connection, entry))?;
            }
            Ok(result)
        });
        let result = result.await?;
        if changed(result.clone()) {
            audit.iter().for_each(Audited::mark_stored);
        }
        Ok(result)
    }
}

fn insert(connection: &Connection, entry: &AuditEntry) -> Result<(), StoreError> {
    let sql = "INSERT INTO audit (created_at, user_id, username, key_id, address, action, outcome, run_id, target_user_id, target_username,
                                  target_key_id, detail)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    let values = params![
        entry.created_at.as_millis(),
        entry.user.as_ref().map(|user| user.id.to_string()),
        entry.user.as_ref().map(|user| user.name.as_str()),
        entry.key.map(|key| key.to_string()),
        entry.address.map(|address| address.to_string()),
        entry.action.as_str(),
        entry.outcome,
        entry.run.map(|run| run.to_string()),
        entry.target_user.map(|user| user.to_string()),
        entry.target_username.as_ref().map(UserName::as_str),
        entry.target_key.map(|key| key.to_string()),
        entry.detail,
    ];
    execute(connection, sql, values).map(|_| ())
}

fn decode(row: &Row<'_>) -> Result<AuditRecord, StoreError> {
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
