//! Deletes runs: first the row, which makes a run invisible to every query, then in steps what can be large.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::damage::RawText;
use super::search;
use super::sql::{execute, query_first, read_error, write_error};
use crate::run::store::values::integer;
use crate::run::store::{Conversation, Deleted, RetentionStep, StoreError};

/// Approximate cost of removing a row of events in addition to its bytes, in bytes: a step over many small rows must not take longer than
/// one over few large ones.
pub(super) const ROW_COST: usize = 1024;

/// Deletes the row of an ended run, and its session with the last run of it. Records what is left of them.
pub(super) fn begin(connection: &Connection, run: &RawText) -> Result<Deleted, StoreError> {
    let deleted = returned_text(connection, "DELETE FROM runs WHERE id = ?1 AND ended_at IS NOT NULL RETURNING session_id", run)?;
    let Some(session) = deleted else {
        let exists = connection.prepare_cached("SELECT 1 FROM runs WHERE id = ?1").and_then(|mut find| find.exists([run]));
        return Ok(if exists.map_err(read_error)? { Deleted::Live } else { Deleted::NotFound });
    };
    search::remove(connection, run)?;
    execute(connection, "INSERT INTO deleted_runs (run_id) VALUES (?1) ON CONFLICT (run_id) DO NOTHING", [run])?;
    add_removal(connection, run, false)?;
    let empty = "DELETE FROM sessions WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM runs WHERE session_id = ?1)
                 RETURNING first_run, agent_type, agent_session";
    let removed = connection.prepare_cached(empty).and_then(|mut statement| {
        let columns = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        statement.query_row([&session], columns).optional()
    });
    let removed: Option<(RawText, RawText, Option<RawText>)> = removed.map_err(write_error)?;
    let Some((first_run, agent_type, agent_session)) = removed else {
        return Ok(Deleted::Done { workspace: None, conversation: None });
    };
    add_removal(connection, &first_run, true)?;
    let conversation = match agent_session {
        Some(agent_session) => unused(connection, &agent_type, &agent_session, &first_run)?,
        None => None,
    };
    // A damaged id names no directory.
    Ok(Deleted::Done { workspace: first_run.parse(), conversation })
}

/// The agent's conversation, unless a session has it or a value is damaged.
fn unused(connection: &Connection, agent_type: &RawText, id: &RawText, first_run: &RawText) -> Result<Option<Conversation>, StoreError> {
    let sql = "SELECT 1 FROM sessions WHERE agent_session = ?2 AND agent_type = ?1";
    let is_used = connection.prepare_cached(sql).and_then(|mut find| find.exists(params![agent_type, id])).map_err(read_error)?;
    if is_used {
        return Ok(None);
    }
    let (Some(agent_type), Some(id), Some(first_run)) = (agent_type.parse(), id.parse(), first_run.parse()) else { return Ok(None) };
    Ok(Some(Conversation { agent_type, id, first_run }))
}

/// Records that the output of a run is to be removed from the disk, and with `workspace` the fresh workspace that is named after it.
pub(super) fn add_removal(connection: &Connection, run: &RawText, workspace: bool) -> Result<(), StoreError> {
    let sql = "INSERT INTO pending_removals (run_id, workspace) VALUES (?1, ?2)
               ON CONFLICT (run_id) DO UPDATE SET workspace = max(workspace, excluded.workspace)";
    execute(connection, sql, params![run, workspace]).map(|_| ())
}

/// Removes about `budget` bytes of what deleted runs have left in the database.
pub(super) fn remove_deleted(connection: &Connection, budget: usize) -> Result<RetentionStep, StoreError> {
    let (mut step, mut left) = (RetentionStep::default(), budget);
    while left > 0 {
        let next = query_first(connection, "SELECT run_id FROM deleted_runs LIMIT 1", [], |row| row.get(0).map_err(read_error))?;
        let Some(run): Option<RawText> = next else { break };
        step.found = true;
        let (removed, is_complete) = remove_chunks(connection, &run, i64::MAX, &mut left)?;
        step.bytes += removed.bytes;
        if !is_complete {
            break;
        }
        let attached = remove_attachments(connection, &run)?;
        step.bytes += attached as u64;
        left = left.saturating_sub(attached);
        let limit = integer((left / ROW_COST).max(1) as u64);
        let sql = "DELETE FROM idempotency WHERE rowid IN (SELECT rowid FROM idempotency WHERE run_id = ?1 LIMIT ?2)";
        let keys = execute(connection, sql, params![run, limit])?;
        // The run itself counts too.
        left = left.saturating_sub((keys + 1) * ROW_COST);
        if integer(keys as u64) < limit {
            execute(connection, "DELETE FROM deleted_runs WHERE run_id = ?1", [&run])?;
        }
    }
    Ok(step)
}

/// Removes the images and files of a run, which are a few megabytes at most. Returns their size.
pub(super) fn remove_attachments(connection: &Connection, run: &RawText) -> Result<usize, StoreError> {
    let sql = "SELECT coalesce(sum(length(content)), 0) FROM attachments WHERE run_id = ?1";
    let size: Option<i64> = query_first(connection, sql, [run], |row| row.get(0).map_err(read_error))?;
    execute(connection, "DELETE FROM attachments WHERE run_id = ?1", [run])?;
    Ok(usize::try_from(size.unwrap_or(0)).unwrap_or(0))
}

/// What [`remove_chunks`] removed.
#[derive(Default)]
pub(super) struct RemovedChunks {
    pub(super) bytes: u64,
    /// The last number of the last removed chunk; `None` if there was none.
    pub(super) last_seq: Option<i64>,
}

/// Removes batches that begin before number `end` from the beginning of a log, while `left` lasts. Returns whether no such batch is left.
pub(super) fn remove_chunks(
    connection: &Connection,
    run: &RawText,
    end: i64,
    left: &mut usize,
) -> Result<(RemovedChunks, bool), StoreError> {
    // SQLite determines the length of a value without reading it.
    let sql = "SELECT first_seq, length(body), last_seq FROM event_chunks WHERE run_id = ?1 AND first_seq < ?2 ORDER BY first_seq";
    let mut statement = connection.prepare_cached(sql).map_err(read_error)?;
    let mut rows = statement.query(params![run, end]).map_err(read_error)?;
    let (mut removed, mut last_first, mut is_complete) = (RemovedChunks::default(), None, true);
    while let Some(row) = rows.next().map_err(read_error)? {
        if *left == 0 {
            is_complete = false;
            break;
        }
        let bytes = usize::try_from(row.get::<_, i64>(1).map_err(read_error)?).unwrap_or(0);
        (last_first, removed.last_seq) = (Some(row.get::<_, i64>(0).map_err(read_error)?), Some(row.get::<_, i64>(2).map_err(read_error)?));
        *left = left.saturating_sub(bytes + ROW_COST);
        removed.bytes += bytes as u64;
    }
    drop(rows);
    if let Some(last_first) = last_first {
        execute(connection, "DELETE FROM event_chunks WHERE run_id = ?1 AND first_seq <= ?2", params![run, last_first])?;
    }
    Ok((removed, is_complete))
}

/// The text that a statement with `RETURNING` returns for the row that it changes.
fn returned_text(connection: &Connection, sql: &str, value: &RawText) -> Result<Option<RawText>, StoreError> {
    let returned = connection.prepare_cached(sql).and_then(|mut statement| statement.query_row([value], |row| row.get(0)).optional());
    returned.map_err(write_error)
}
