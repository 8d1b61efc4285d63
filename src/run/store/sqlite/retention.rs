//! Removal of old runs and events in `SQLite`.

use std::path::Path;

use async_trait::async_trait;
use rusqlite::{Connection, OpenFlags, Row, params};

use super::SqliteStore;
use super::connection::{FILE_NAME, connect};
use super::damage::{Columns, RawText};
use super::delete;
use super::sql::{count, execute, query_first, read_error, write_error};
use crate::run::store::values::integer;
use crate::run::store::{Deleted, FreshWorkspace, PendingRemoval, RetentionStep, RetentionStore, StoreError, StoreSize};
use crate::types::{RunId, SessionId, Timestamp};

/// Number of runs of a session that one step deletes: a few milliseconds of the writer's time.
const RUNS_PER_STEP: usize = 32;

/// The content of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Size of the store.
    pub size: StoreSize,
    /// Number of runs.
    pub runs: u64,
    /// Number of runs in sessions whose runs all ended before the given time.
    pub expired: u64,
}

impl SqliteStore {
    /// Reads statistics of the store in `data_dir` without changing it, whether or not a server uses it. `None` if there is no store.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn stats(data_dir: &Path, before: Option<Timestamp>) -> rusqlite::Result<Option<StoreStats>> {
        let path = data_dir.join(FILE_NAME);
        if !path.exists() {
            return Ok(None);
        }
        let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        let size = size_of(&connection)?;
        let runs = connection.query_row("SELECT count(*) FROM runs", [], count)?;
        let expired = match before {
            Some(before) => {
                let sql = format!("SELECT count(*) FROM runs AS old WHERE {EXPIRED}");
                connection.query_row(&sql, [before.as_millis()], count)?
            }
            None => 0,
        };
        Ok(Some(StoreStats { size, runs, expired }))
    }
}

/// Whether run `old` is in a session whose runs all ended before `?1`. Sessions expire as a whole.
const EXPIRED: &str = "old.ended_at < ?1 AND NOT EXISTS (
    SELECT 1 FROM runs WHERE session_id = old.session_id AND (ended_at IS NULL OR ended_at >= ?1))";

#[async_trait]
impl RetentionStore for SqliteStore {
    async fn size(&self) -> Result<StoreSize, StoreError> {
        self.read(|connection| size_of(connection).map_err(read_error)).await
    }

    async fn remove_oldest(&self, before: Timestamp) -> Result<RetentionStep, StoreError> {
        self.writer
            .write(move |connection| {
                let sql = format!("SELECT old.session_id FROM runs AS old WHERE {EXPIRED} ORDER BY old.ended_at, old.id LIMIT 1");
                let oldest = query_text(connection, &sql, params![before.as_millis()])?;
                let Some(session) = oldest else { return Ok(RetentionStep::default()) };
                let mut step = RetentionStep { found: true, ..RetentionStep::default() };
                for (id, owner) in session_runs(connection, &session)? {
                    if let Deleted::Done { conversation, .. } = delete::begin(connection, &id)? {
                        step.conversations.extend(conversation);
                    }
                    // A run with a damaged id or owner is visible to no user, so its removal is not reported.
                    step.removed.extend(id.parse().zip(owner.parse()));
                }
                Ok(step)
            })
            .await
    }

    async fn remove_deleted(&self, budget: usize) -> Result<RetentionStep, StoreError> {
        self.writer.write(move |connection| delete::remove_deleted(connection, budget)).await
    }

    async fn trim_oldest(&self, now: Timestamp, budget: usize) -> Result<RetentionStep, StoreError> {
        self.writer
            .write(move |connection| {
                let sql = "SELECT id FROM runs WHERE ended_at IS NOT NULL AND trimmed_at IS NULL ORDER BY ended_at, id LIMIT 1";
                let Some(run) = query_text(connection, sql, [])? else { return Ok(RetentionStep::default()) };
                let mut step = RetentionStep { found: true, ..RetentionStep::default() };
                if trim(connection, &run, budget, &mut step)? {
                    let sql = "UPDATE runs SET trimmed_at = ?2, output_kept = 0, output_bytes = 0 WHERE id = ?1";
                    execute(connection, sql, params![run, now.as_millis()])?;
                    delete::add_removal(connection, &run, false)?;
                    step.trimmed = 1;
                }
                Ok(step)
            })
            .await
    }

    async fn expire_output(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.writer
            .write(move |connection| {
                let sql = "UPDATE runs SET output_kept = 0, output_bytes = 0 WHERE id IN
                           (SELECT id FROM runs WHERE ended_at < ?1 AND ended_at IS NOT NULL AND output_kept = 1 ORDER BY ended_at, id LIMIT ?2)
                           RETURNING id";
                let mut statement = connection.prepare_cached(sql).map_err(write_error)?;
                let runs = statement.query_map(params![before.as_millis(), integer(limit as u64)], |row| row.get::<_, RawText>(0));
                let runs: Vec<RawText> = runs.and_then(Iterator::collect).map_err(write_error)?;
                runs.iter().try_for_each(|run| delete::add_removal(connection, run, false))?;
                Ok(runs.len())
            })
            .await
    }

    async fn expired_workspaces(
        &self,
        before: Timestamp,
        session: Option<SessionId>,
        limit: usize,
    ) -> Result<Vec<FreshWorkspace>, StoreError> {
        let damaged = self.damaged.clone();
        self.read(move |connection| {
            let sql = "SELECT id, first_run, unmeasured FROM sessions AS old
                       WHERE workspace_bytes IS NOT NULL AND created_at < ?1 AND id = coalesce(?2, id)
                       AND coalesce(workspace_kept_until, ?1) <= ?1
                       AND NOT EXISTS (SELECT 1 FROM runs WHERE session_id = old.id AND (ended_at IS NULL OR ended_at >= ?1))
                       ORDER BY created_at, id";
            let session = session.map(|session| session.to_string());
            damaged.page(connection, sql, &[&before.as_millis(), &session], limit, decode_workspace)
        })
        .await
    }

    async fn workspace_kept(&self, session: SessionId, until: Timestamp) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                let sql = "UPDATE sessions SET workspace_kept_until = ?2 WHERE id = ?1";
                execute(connection, sql, params![session.to_string(), until.as_millis()]).map(|_| ())
            })
            .await
    }

    async fn unmeasured_workspaces(&self, limit: usize) -> Result<Vec<FreshWorkspace>, StoreError> {
        let damaged = self.damaged.clone();
        self.read(move |connection| {
            let sql = "SELECT id, first_run, unmeasured FROM sessions WHERE unmeasured > 0 AND workspace_bytes IS NOT NULL
                       UNION SELECT id, first_run, unmeasured FROM sessions WHERE workspace_bytes IS NOT NULL AND id IN
                           (SELECT session_id FROM runs WHERE ended_at IS NULL AND launched_at IS NOT NULL)
                       ORDER BY id";
            damaged.page(connection, sql, &[], limit, decode_workspace)
        })
        .await
    }

    async fn workspace_measured(&self, workspace: FreshWorkspace, bytes: u64) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                let sql = "UPDATE sessions SET workspace_bytes = ?2, unmeasured = max(0, unmeasured - ?3)
                           WHERE id = ?1 AND workspace_bytes IS NOT NULL";
                let values = params![workspace.session.to_string(), integer(bytes), workspace.unmeasured];
                execute(connection, sql, values).map(|_| ())
            })
            .await
    }

    async fn pending_removals(&self, limit: usize) -> Result<Vec<PendingRemoval>, StoreError> {
        let damaged = self.damaged.clone();
        self.read(move |connection| {
            let sql = "SELECT run_id, workspace FROM pending_removals ORDER BY run_id";
            damaged.page(connection, sql, &[], limit, |row| {
                let columns = Columns::new("pending_removals", row);
                Ok(PendingRemoval { run: columns.parse(0)?, workspace: columns.get(1)? })
            })
        })
        .await
    }

    async fn forget_removed(&self, removed: Vec<PendingRemoval>) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                // If a run whose output was removed has been removed itself since, its workspace is still to be removed.
                let sql = "DELETE FROM pending_removals WHERE run_id = ?1 AND workspace = ?2";
                removed
                    .iter()
                    .try_for_each(|removal| execute(connection, sql, params![removal.run.to_string(), removal.workspace]).map(|_| ()))
            })
            .await
    }

    async fn forget_damaged_removals(&self) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                let mut statement = connection.prepare_cached("SELECT rowid, run_id FROM pending_removals").map_err(read_error)?;
                let mut rows = statement.query([]).map_err(read_error)?;
                let mut damaged = Vec::new();
                while let Some(row) = rows.next().map_err(read_error)? {
                    if row.get::<_, RawText>(1).ok().and_then(|run| run.parse::<RunId>()).is_none() {
                        damaged.push(row.get::<_, i64>(0).map_err(read_error)?);
                    }
                }
                for row in damaged {
                    execute(connection, "DELETE FROM pending_removals WHERE rowid = ?1", [row])?;
                    tracing::warn!(row, "deleted a damaged entry of the directories to remove; it names no directory");
                }
                Ok(())
            })
            .await
    }

    async fn shrink(&self, budget: usize) -> Result<bool, StoreError> {
        self.writer
            .write(move |connection| {
                let page_size: u64 = pragma(connection, "page_size").map_err(read_error)?;
                let pages = (budget as u64 / page_size.max(1)).max(1);
                let before: u64 = pragma(connection, "freelist_count").map_err(read_error)?;
                // Each step of the statement returns one page to the disk.
                let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({pages})")).map_err(write_error)?;
                let mut rows = statement.query([]).map_err(write_error)?;
                while rows.next().map_err(write_error)?.is_some() {}
                let after: u64 = pragma(connection, "freelist_count").map_err(read_error)?;
                Ok(after > 0 && after < before)
            })
            .await
    }
}

fn decode_workspace(row: &Row<'_>) -> Result<FreshWorkspace, StoreError> {
    let columns = Columns::new("sessions", row);
    Ok(FreshWorkspace { session: columns.parse(0)?, first_run: columns.parse(1)?, unmeasured: columns.get(2)? })
}

/// Removes the images and files of an ended run, and batches from the beginning of its log while `budget` lasts, but never the last one, which contains `done`. Returns
/// whether only the last one is left.
fn trim(connection: &Connection, run: &RawText, mut budget: usize, step: &mut RetentionStep) -> Result<bool, StoreError> {
    let last: Option<i64> = connection
        .prepare_cached("SELECT max(first_seq) FROM event_chunks WHERE run_id = ?1")
        .and_then(|mut statement| statement.query_row([run], |row| row.get(0)))
        .map_err(read_error)?;
    let patch: Option<i64> =
        query_first(connection, "SELECT length(patch) FROM run_changes WHERE run_id = ?1", [run], |row| row.get(0).map_err(read_error))?
            .flatten();
    if let Some(bytes) = patch {
        execute(connection, "UPDATE run_changes SET patch = NULL WHERE run_id = ?1", [run])?;
        execute(connection, "UPDATE runs SET stored_bytes = max(0, stored_bytes - ?2) WHERE id = ?1", params![run, bytes])?;
        let bytes = u64::try_from(bytes).unwrap_or(0);
        step.bytes += bytes;
        budget = budget.saturating_sub(usize::try_from(bytes).unwrap_or(usize::MAX));
    }
    let Some(last) = last else { return Ok(true) };
    let attached = delete::remove_attachments(connection, run)?;
    if attached > 0 {
        budget = budget.saturating_sub(attached);
        step.bytes += attached as u64;
        let sql = "UPDATE runs SET stored_bytes = max(0, stored_bytes - ?2) WHERE id = ?1";
        execute(connection, sql, params![run, integer(attached as u64)])?;
    }
    let (removed, is_complete) = delete::remove_chunks(connection, run, last, &mut budget)?;
    step.bytes += removed.bytes;
    if let Some(last_removed) = removed.last_seq {
        // Readers must be able to tell removed events from lost ones. A damaged number of a removed chunk must not cover the rest.
        let sql = "UPDATE runs SET trimmed_to = max(trimmed_to, min(?2, ?3 - 1)), stored_bytes = max(0, stored_bytes - ?4) WHERE id = ?1";
        execute(connection, sql, params![run, last_removed, last, integer(removed.bytes)])?;
    }
    Ok(is_complete)
}

fn size_of(connection: &Connection) -> rusqlite::Result<StoreSize> {
    let (page_size, pages, free) =
        (pragma(connection, "page_size")?, pragma(connection, "page_count")?, pragma(connection, "freelist_count")?);
    Ok(StoreSize { used: pages.saturating_sub(free) * page_size, free: free * page_size })
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<u64> {
    connection.pragma_query_value(None, name, count)
}

fn query_text(connection: &Connection, sql: &str, values: impl rusqlite::Params) -> Result<Option<RawText>, StoreError> {
    query_first(connection, sql, values, |row| row.get(0).map_err(read_error))
}

/// Some runs of a session, with their owners.
fn session_runs(connection: &Connection, session: &RawText) -> Result<Vec<(RawText, RawText)>, StoreError> {
    let sql = "SELECT id, owner FROM runs WHERE session_id = ?1 ORDER BY id LIMIT ?2";
    let mut statement = connection.prepare_cached(sql).map_err(read_error)?;
    let runs = statement.query_map(params![session, integer(RUNS_PER_STEP as u64)], |row| Ok((row.get(0)?, row.get(1)?)));
    runs.and_then(Iterator::collect).map_err(read_error)
}
