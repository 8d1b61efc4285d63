//! The audit log in `SQLite`. Triggers reject every change of the table except insertions.

use std::fmt::Display;
use std::str::FromStr;

use async_trait::async_trait;
use rusqlite::{Row, params};

use super::SqliteStore;
use super::sql::{Conditions, execute, integer, query_all, read_error};
use crate::run::store::{AuditEntry, AuditFilter, AuditRecord, AuditStore, StoreError};
use crate::types::{AuditAction, Timestamp};

#[async_trait]
impl AuditStore for SqliteStore {
    async fn add_audit(&self, entry: AuditEntry) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                let sql = "INSERT INTO audit (created_at, username, key_id, address, action, outcome, run_id, target_username,
                                              target_key_id, detail)
                           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
                let values = params![
                    entry.created_at.as_millis(),
                    entry.username.map(|user| user.to_string()),
                    entry.key.map(|key| key.to_string()),
                    entry.address.map(|address| address.to_string()),
                    entry.action.as_str(),
                    entry.outcome,
                    entry.run.map(|run| run.to_string()),
                    entry.target_username.map(|user| user.to_string()),
                    entry.target_key.map(|key| key.to_string()),
                    entry.detail,
                ];
                execute(connection, sql, values).map(|_| ())
            })
            .await
    }

    async fn audit(&self, filter: AuditFilter, limit: usize) -> Result<Vec<AuditRecord>, StoreError> {
        self.read(move |connection| {
            let AuditFilter { username, action, run, since, before } = filter;
            let mut conditions = Conditions::new();
            conditions.add("username = ?", username.map(|user| user.to_string()));
            conditions.add("action = ?", action.map(AuditAction::as_str));
            conditions.add("run_id = ?", run.map(|run| run.to_string()));
            conditions.add("created_at >= ?", since.map(Timestamp::as_millis));
            conditions.add("id < ?", before.map(integer));
            let (condition, values) = conditions.finish();
            let sql = format!(
                "SELECT id, created_at, username, key_id, address, action, outcome, run_id, target_username, target_key_id, detail
                 FROM audit WHERE {condition} ORDER BY id DESC LIMIT {limit}"
            );
            query_all(connection, &sql, rusqlite::params_from_iter(values), decode)
        })
        .await
    }
}

fn decode(row: &Row<'_>) -> Result<AuditRecord, StoreError> {
    let id: i64 = row.get(0).map_err(read_error)?;
    let damaged = |problem: String| StoreError::Damaged { table: "audit", id: id.to_string(), problem };
    let text = |column: usize| row.get::<_, String>(column).map_err(|error| damaged(error.to_string()));
    let optional_text = |column: usize| row.get::<_, Option<String>>(column).map_err(|error| damaged(error.to_string()));
    let action = text(5)?;
    let entry = AuditEntry {
        created_at: Timestamp::from_millis(row.get(1).map_err(|error| damaged(error.to_string()))?),
        username: parse_optional(optional_text(2)?).map_err(&damaged)?,
        key: parse_optional(optional_text(3)?).map_err(&damaged)?,
        address: parse_optional(optional_text(4)?).map_err(&damaged)?,
        action: AuditAction::from_name(&action).ok_or_else(|| damaged(format!("unknown action {action:?}")))?,
        outcome: text(6)?,
        run: parse_optional(optional_text(7)?).map_err(&damaged)?,
        target_username: parse_optional(optional_text(8)?).map_err(&damaged)?,
        target_key: parse_optional(optional_text(9)?).map_err(&damaged)?,
        detail: optional_text(10)?,
    };
    Ok(AuditRecord { id: u64::try_from(id).map_err(|error| damaged(error.to_string()))?, entry })
}

fn parse_optional<T: FromStr<Err: Display>>(text: Option<String>) -> Result<Option<T>, String> {
    text.map(|text| text.parse()).transpose().map_err(|error: T::Err| error.to_string())
}
