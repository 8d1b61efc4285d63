//! The audit log in `SQLite`. Triggers of the table refuse every change but an addition.

use std::fmt::Display;
use std::str::FromStr;

use async_trait::async_trait;
use rusqlite::{Row, ToSql, params};

use super::SqliteStore;
use super::decode::{integer, reading, writing};
use crate::run::store::{AuditEntry, AuditFilter, AuditRecord, AuditStore, StoreError};
use crate::types::{AuditAction, Timestamp};

#[async_trait]
impl AuditStore for SqliteStore {
    async fn add_audit(&self, entry: AuditEntry) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                let sql = "INSERT INTO audit (at, user, key_id, address, action, outcome, run_id, target_user, target_key, detail)
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
                let added = connection.prepare_cached(sql).and_then(|mut insert| insert.execute(values));
                added.map(|_rows| ()).map_err(|error| writing(&error))
            })
            .await
    }

    async fn audit(&self, filter: AuditFilter, limit: usize) -> Result<Vec<AuditRecord>, StoreError> {
        self.read(move |connection| {
            let (condition, values) = conditions(filter);
            let sql = format!(
                "SELECT id, at, user, key_id, address, action, outcome, run_id, target_user, target_key, detail FROM audit
                 WHERE {condition} ORDER BY id DESC LIMIT {limit}"
            );
            let mut statement = connection.prepare_cached(&sql).map_err(reading)?;
            let rows = statement.query_map(rusqlite::params_from_iter(values), |row| Ok(decode(row))).map_err(reading)?;
            rows.map(|row| row.map_err(reading)?).collect()
        })
        .await
    }
}

/// The filter as SQL. Values are bound, never written into the text.
fn conditions(filter: AuditFilter) -> (String, Vec<Box<dyn ToSql>>) {
    let mut terms = vec!["1".to_owned()];
    let mut values: Vec<Box<dyn ToSql>> = Vec::new();
    let mut add = |term: &str, value: Option<Box<dyn ToSql>>| {
        if let Some(value) = value {
            values.push(value);
            terms.push(format!("{term} ?{}", values.len()));
        }
    };
    add("user =", filter.username.map(|user| Box::new(user.to_string()) as _));
    add("action =", filter.action.map(|action| Box::new(action.as_str()) as _));
    add("run_id =", filter.run.map(|run| Box::new(run.to_string()) as _));
    add("at >=", filter.since.map(|since| Box::new(since.as_millis()) as _));
    add("id <", filter.before.map(|before| Box::new(integer(before)) as _));
    (terms.join(" AND "), values)
}

fn decode(row: &Row<'_>) -> Result<AuditRecord, StoreError> {
    let id: i64 = row.get(0).map_err(reading)?;
    let damaged = |problem: String| StoreError::Damaged { table: "audit", id: id.to_string(), problem };
    let text = |column: usize| row.get::<_, String>(column).map_err(|error| damaged(error.to_string()));
    let maybe = |column: usize| row.get::<_, Option<String>>(column).map_err(|error| damaged(error.to_string()));
    let action = text(5)?;
    let entry = AuditEntry {
        created_at: Timestamp::from_millis(row.get(1).map_err(|error| damaged(error.to_string()))?),
        username: parsed(maybe(2)?).map_err(&damaged)?,
        key: parsed(maybe(3)?).map_err(&damaged)?,
        address: parsed(maybe(4)?).map_err(&damaged)?,
        action: AuditAction::from_name(&action).ok_or_else(|| damaged(format!("action {action:?} is not known")))?,
        outcome: text(6)?,
        run: parsed(maybe(7)?).map_err(&damaged)?,
        target_username: parsed(maybe(8)?).map_err(&damaged)?,
        target_key: parsed(maybe(9)?).map_err(&damaged)?,
        detail: maybe(10)?,
    };
    Ok(AuditRecord { id: u64::try_from(id).map_err(|error| damaged(error.to_string()))?, entry })
}

fn parsed<T: FromStr<Err: Display>>(text: Option<String>) -> Result<Option<T>, String> {
    text.map(|text| text.parse()).transpose().map_err(|error: T::Err| error.to_string())
}
