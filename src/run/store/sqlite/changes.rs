//! The changes of working directories that are stored with runs.

use rusqlite::{Connection, params};

use super::damage::Columns;
use super::sql::{execute, query_first};
use crate::run::store::StoreError;
use crate::types::RunId;
use crate::workspace::StoredChanges;

/// Replaces the changes of a run with a record in JSON and a patch, if there are any.
pub(super) fn write(connection: &Connection, run: RunId, changes: Option<&(String, Option<Vec<u8>>)>) -> Result<(), StoreError> {
    let Some((record, patch)) = changes else { return Ok(()) };
    let sql = "INSERT INTO run_changes (run_id, record, patch) VALUES (?1, ?2, ?3)
               ON CONFLICT (run_id) DO UPDATE SET record = excluded.record, patch = excluded.patch";
    execute(connection, sql, params![run.to_string(), record, patch])?;
    Ok(())
}

/// Implements [`RunStore::changes`](crate::run::store::RunStore::changes).
pub(super) fn read(connection: &Connection, run: RunId) -> Result<Option<StoredChanges>, StoreError> {
    query_first(connection, "SELECT record, patch FROM run_changes WHERE run_id = ?1", [run.to_string()], |row| {
        let columns = Columns::new("run_changes", row);
        Ok(StoredChanges { record: columns.json(0)?, patch: columns.get(1)? })
    })
}
