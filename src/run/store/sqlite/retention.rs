//! Letting old things go, in `SQLite`.

use std::path::Path;

use async_trait::async_trait;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::SqliteStore;
use super::connection::{FILE_NAME, connect};
use super::decode::{count, integer, reading, writing};
use crate::run::store::{PendingRemoval, RetentionStore, Step, StoreError, StoreSize};
use crate::types::{RunId, Timestamp, UserName};

/// What one row of events costs beside its bytes, about: a step over many small rows must not take longer than one over few large ones.
const ROW: usize = 1024;

/// What is in a store, and what of it is old: for somebody who only looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// How large it is.
    pub size: StoreSize,
    /// How many runs there are.
    pub runs: u64,
    /// How many of them are in conversations of which every run ended before the moment that was asked for.
    pub old: u64,
}

impl SqliteStore {
    /// Looks at the store in `data_dir` and changes nothing, whether or not a server works on it. `None` if there is none.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn survey(data_dir: &Path, before: Option<Timestamp>) -> rusqlite::Result<Option<StoreStats>> {
        let path = data_dir.join(FILE_NAME);
        if !path.exists() {
            return Ok(None);
        }
        let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        let size = size_of(&connection)?;
        let runs = connection.query_row("SELECT count(*) FROM runs", [], count)?;
        let old = match before {
            Some(before) => {
                let sql = format!("SELECT count(*) FROM runs AS old WHERE {OLD}");
                connection.query_row(&sql, [before.as_millis()], count)?
            }
            None => 0,
        };
        Ok(Some(StoreStats { size, runs, old }))
    }
}

/// Which runs are in conversations of which every run ended before `?1`. Whole conversations only: a later run may work in the folder of
/// an earlier one.
const OLD: &str = "old.ended_at < ?1 AND NOT EXISTS (
    SELECT 1 FROM runs WHERE session_id = old.session_id AND (ended_at IS NULL OR ended_at >= ?1))";

#[async_trait]
impl RetentionStore for SqliteStore {
    async fn size(&self) -> Result<StoreSize, StoreError> {
        self.read(|connection| size_of(connection).map_err(reading)).await
    }

    async fn remove_oldest(&self, before: Timestamp, budget: usize) -> Result<Step, StoreError> {
        self.writer
            .write(move |connection| {
                let sql = format!("SELECT old.session_id FROM runs AS old WHERE {OLD} ORDER BY old.ended_at, old.id LIMIT 1");
                let oldest = one(connection, &sql, params![before.as_millis()])?;
                let Some(session) = oldest else { return Ok(Step::default()) };
                let mut step = Step { found: true, ..Step::default() };
                let mut left = budget;
                let runs = runs_of(connection, &session)?;
                for (run, _) in &runs {
                    if !cut(connection, &run.to_string(), &mut left, &mut step)? {
                        return Ok(step);
                    }
                }
                let remember = "INSERT INTO remains (run_id, workspace) SELECT id, 1 FROM runs WHERE session_id = ?1
                                ON CONFLICT (run_id) DO UPDATE SET workspace = 1";
                execute(connection, remember, [&session])?;
                execute(connection, "DELETE FROM runs WHERE session_id = ?1", [&session])?;
                execute(connection, "DELETE FROM sessions WHERE id = ?1", [&session])?;
                step.removed = runs;
                Ok(step)
            })
            .await
    }

    async fn cut_oldest(&self, now: Timestamp, budget: usize) -> Result<Step, StoreError> {
        self.writer
            .write(move |connection| {
                let sql = "SELECT id FROM runs WHERE ended_at IS NOT NULL AND cut_at IS NULL ORDER BY ended_at, id LIMIT 1";
                let Some(run) = one(connection, sql, [])? else { return Ok(Step::default()) };
                let mut step = Step { found: true, ..Step::default() };
                let mut left = budget;
                if cut(connection, &run, &mut left, &mut step)? {
                    execute(connection, "UPDATE runs SET cut_at = ?2 WHERE id = ?1", params![run, now.as_millis()])?;
                    execute(connection, "INSERT INTO remains (run_id, workspace) VALUES (?1, 0) ON CONFLICT (run_id) DO NOTHING", [&run])?;
                    step.cut = 1;
                }
                Ok(step)
            })
            .await
    }

    async fn pending_removals(&self, limit: usize) -> Result<Vec<PendingRemoval>, StoreError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached("SELECT run_id, workspace FROM remains LIMIT ?1").map_err(reading)?;
            let rows = statement.query_map([integer(limit as u64)], |row| Ok((row.get::<_, String>(0)?, row.get(1)?))).map_err(reading)?;
            rows.map(|row| {
                let (id, workspace) = row.map_err(reading)?;
                let damaged = |error| StoreError::Damaged { table: "remains", id: id.clone(), problem: format!("{error}") };
                Ok(PendingRemoval { run: id.parse().map_err(damaged)?, workspace })
            })
            .collect()
        })
        .await
    }

    async fn forget_removed(&self, gone: Vec<PendingRemoval>) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                // A run whose log was cut may have been removed since: then its workspace is still to go.
                let sql = "DELETE FROM remains WHERE run_id = ?1 AND workspace = ?2";
                gone.iter().try_for_each(|pending_removals| {
                    execute(connection, sql, params![pending_removals.run.to_string(), pending_removals.workspace]).map(|_| ())
                })
            })
            .await
    }

    async fn shrink(&self, budget: usize) -> Result<bool, StoreError> {
        self.writer
            .write(move |connection| {
                let page_size: u64 = pragma(connection, "page_size").map_err(reading)?;
                let pages = (budget as u64 / page_size.max(1)).max(1);
                let before: u64 = pragma(connection, "freelist_count").map_err(reading)?;
                // Each step of the statement gives back one page.
                let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({pages})")).map_err(|error| writing(&error))?;
                let mut rows = statement.query([]).map_err(|error| writing(&error))?;
                while rows.next().map_err(|error| writing(&error))?.is_some() {}
                let after: u64 = pragma(connection, "freelist_count").map_err(reading)?;
                Ok(after > 0 && after < before)
            })
            .await
    }
}

/// Removes batches of an ended run's events from its beginning while `left` lasts, but never its last batch, which holds `done`. Gives
/// whether no other is left.
fn cut(connection: &Connection, run: &str, left: &mut usize, step: &mut Step) -> Result<bool, StoreError> {
    let last: Option<i64> = connection
        .prepare_cached("SELECT max(first_seq) FROM event_chunks WHERE run_id = ?1")
        .and_then(|mut statement| statement.query_row([run], |row| row.get(0)))
        .map_err(reading)?;
    let Some(last) = last else { return Ok(true) };
    // The length of a value is read without the value.
    let sql = "SELECT first_seq, length(body) FROM event_chunks WHERE run_id = ?1 AND first_seq < ?2 ORDER BY first_seq";
    let mut statement = connection.prepare_cached(sql).map_err(reading)?;
    let mut rows = statement.query(params![run, last]).map_err(reading)?;
    let (mut upto, mut is_whole) = (None, true);
    while let Some(row) = rows.next().map_err(reading)? {
        if *left == 0 {
            is_whole = false;
            break;
        }
        let bytes = usize::try_from(row.get::<_, i64>(1).map_err(reading)?).unwrap_or(0);
        upto = Some(row.get::<_, i64>(0).map_err(reading)?);
        *left = left.saturating_sub(bytes + ROW);
        step.bytes += bytes as u64;
    }
    drop(rows);
    if let Some(upto) = upto {
        execute(connection, "DELETE FROM event_chunks WHERE run_id = ?1 AND first_seq <= ?2", params![run, upto])?;
    }
    Ok(is_whole)
}

fn size_of(connection: &Connection) -> rusqlite::Result<StoreSize> {
    let (page, pages, free) = (pragma(connection, "page_size")?, pragma(connection, "page_count")?, pragma(connection, "freelist_count")?);
    Ok(StoreSize { used: pages.saturating_sub(free) * page, free: free * page })
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<u64> {
    connection.pragma_query_value(None, name, count)
}

fn one(connection: &Connection, sql: &str, values: impl rusqlite::Params) -> Result<Option<String>, StoreError> {
    let found = connection.prepare_cached(sql).and_then(|mut statement| statement.query_row(values, |row| row.get(0)).optional());
    found.map_err(reading)
}

/// The runs of a conversation, each with its owner.
fn runs_of(connection: &Connection, session: &str) -> Result<Vec<(RunId, UserName)>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT id, owner FROM runs WHERE session_id = ?1 ORDER BY id").map_err(reading)?;
    let rows = statement.query_map([session], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).map_err(reading)?;
    rows.map(|row| {
        let (id, owner) = row.map_err(reading)?;
        let damaged = |problem: String| StoreError::Damaged { table: "runs", id: id.clone(), problem };
        let run = id.parse().map_err(|error| damaged(format!("{error}")))?;
        Ok((run, owner.parse().map_err(|error| damaged(format!("{error}")))?))
    })
    .collect()
}

fn execute(connection: &Connection, sql: &str, values: impl rusqlite::Params) -> Result<usize, StoreError> {
    connection.prepare_cached(sql).and_then(|mut statement| statement.execute(values)).map_err(|error| writing(&error))
}
