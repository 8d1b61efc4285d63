//! Deletes runs: first the row, which makes a run invisible to every query, then in steps what can be large.

use tokio_postgres::Client;

use super::sql::{self, execute, get, returning};
use super::value::values;
use crate::run::store::values::integer;
use crate::run::store::{Conversation, Deleted, RetentionStep, StoreError};

/// Approximate cost of removing a row of events in addition to its bytes, in bytes: a step over many small rows must not take longer than
/// one over few large ones.
pub(super) const ROW_COST: usize = 1024;

/// Maximum number of rows of events that one step removes.
const ROWS: i64 = 1024;

/// Deletes the row of an ended run, and its session with the last run of it. Records what is left of them.
pub(super) async fn begin(client: &Client, run: &str) -> Result<Deleted, StoreError> {
    let size = "SELECT stored_bytes FROM run_leases WHERE run_id = $1";
    let size: i64 = sql::first(client, size, &values![run]).await?.map_or(Ok(0), |row| get(&row, 0))?;
    let sql = "DELETE FROM runs WHERE id = $1 AND ended_at IS NOT NULL RETURNING session_id";
    let Some(deleted) = sql::first(client, sql, &values![run]).await? else {
        let exists = sql::first(client, "SELECT 1 FROM runs WHERE id = $1", &values![run]).await?;
        return Ok(if exists.is_some() { Deleted::Live } else { Deleted::NotFound });
    };
    let session: String = get(&deleted, 0)?;
    execute(client, "DELETE FROM search_texts WHERE run_id = $1", &values![run]).await?;
    let sql = "INSERT INTO deleted_runs (run_id, stored_bytes) VALUES ($1, $2) ON CONFLICT (run_id) DO NOTHING";
    execute(client, sql, &values![run, size]).await?;
    add_removal(client, run, false).await?;
    let empty = "DELETE FROM sessions WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM runs WHERE session_id = $1)
                 RETURNING first_run, agent_type, agent_session";
    let Some(removed) = sql::first(client, empty, &values![session]).await? else {
        return Ok(Deleted::Done { workspace: None, conversation: None });
    };
    let (first_run, agent_type, agent_session): (String, String, Option<String>) =
        (get(&removed, 0)?, get(&removed, 1)?, get(&removed, 2)?);
    add_removal(client, &first_run, true).await?;
    // A damaged id names no directory.
    let workspace = first_run.parse().ok();
    let (Some(id), Some(first_run)) = (agent_session, workspace) else { return Ok(Deleted::Done { workspace, conversation: None }) };
    let sql = "SELECT 1 FROM sessions WHERE agent_session = $1 AND agent_type = $2";
    let is_used = sql::first(client, sql, &values![id.as_str(), agent_type.as_str()]).await?.is_some();
    let conversation = (!is_used).then_some(Conversation { agent_type, id, first_run });
    Ok(Deleted::Done { workspace, conversation })
}

/// Records that the output of a run is to be removed from the disk, and with `workspace` the fresh workspace that is named after it.
pub(super) async fn add_removal(client: &Client, run: &str, workspace: bool) -> Result<(), StoreError> {
    let sql = "INSERT INTO pending_removals AS p (run_id, workspace) VALUES ($1, $2)
               ON CONFLICT (run_id) DO UPDATE SET workspace = p.workspace OR excluded.workspace";
    execute(client, sql, &values![run, workspace]).await.map(|_| ())
}

/// Removes about `budget` bytes of what deleted runs have left in the database.
pub(super) async fn remove_deleted(client: &Client, budget: usize) -> Result<RetentionStep, StoreError> {
    let (mut step, mut left) = (RetentionStep::default(), budget);
    while left > 0 {
        let Some(next) = sql::first(client, "SELECT run_id FROM deleted_runs LIMIT 1", &[]).await? else { break };
        let run: String = get(&next, 0)?;
        step.found = true;
        let (removed, is_complete) = remove_chunks(client, &run, i64::MAX, &mut left).await?;
        step.bytes += removed.bytes;
        let mut bytes = removed.bytes;
        if is_complete {
            let attached = remove_attachments(client, &run).await?;
            step.bytes += attached as u64;
            bytes += attached as u64;
            left = left.saturating_sub(attached);
        }
        add_freed(client, bytes).await?;
        let sql = "UPDATE deleted_runs SET stored_bytes = greatest(0, stored_bytes - $2) WHERE run_id = $1";
        execute(client, sql, &values![run.as_str(), integer(bytes)]).await?;
        if !is_complete {
            break;
        }
        let limit = (left / ROW_COST).max(1) as u64;
        let sql = "DELETE FROM idempotency WHERE (owner, key) IN (SELECT owner, key FROM idempotency WHERE run_id = $1 LIMIT $2)";
        let keys = execute(client, sql, &values![run.as_str(), integer(limit)]).await?;
        // The run itself counts too.
        left = left.saturating_sub((usize::try_from(keys).unwrap_or(usize::MAX).saturating_add(1)).saturating_mul(ROW_COST));
        if keys < limit {
            execute(client, "DELETE FROM deleted_runs WHERE run_id = $1", &values![run]).await?;
        }
    }
    Ok(step)
}

/// Counts what can be vacuumed.
pub(super) async fn add_freed(client: &Client, bytes: u64) -> Result<(), StoreError> {
    if bytes > 0 {
        execute(client, "UPDATE store_space SET freed = freed + $1", &values![integer(bytes)]).await?;
    }
    Ok(())
}

/// Removes the images and files of a run, which are a few megabytes at most. Returns their size.
pub(super) async fn remove_attachments(client: &Client, run: &str) -> Result<usize, StoreError> {
    let sql = "WITH removed AS (DELETE FROM attachments WHERE run_id = $1 RETURNING octet_length(content) AS size)
               SELECT coalesce(sum(size), 0)::bigint FROM removed";
    let removed: i64 = sql::first(client, sql, &values![run]).await?.map_or(Ok(0), |row| get(&row, 0))?;
    Ok(usize::try_from(removed).unwrap_or(0))
}

/// What [`remove_chunks`] removed.
#[derive(Default)]
pub(super) struct RemovedChunks {
    pub(super) bytes: u64,
    /// The last number of the last removed chunk; `None` if there was none.
    pub(super) last_seq: Option<i64>,
}

/// Removes batches that begin before number `end` from the beginning of a log, while `left` lasts. Returns whether no such batch is left.
pub(super) async fn remove_chunks(client: &Client, run: &str, end: i64, left: &mut usize) -> Result<(RemovedChunks, bool), StoreError> {
    let sql = "SELECT first_seq, octet_length(body)::bigint, last_seq FROM event_chunks WHERE run_id = $1 AND first_seq < $2
               ORDER BY first_seq LIMIT $3";
    let rows = returning(client, sql, &values![run, end, ROWS]).await?;
    let (mut removed, mut last_first) = (RemovedChunks::default(), None);
    let mut is_complete = rows.len() < usize::try_from(ROWS).unwrap_or(usize::MAX);
    for row in &rows {
        if *left == 0 {
            is_complete = false;
            break;
        }
        let bytes = usize::try_from(get::<i64>(row, 1)?).unwrap_or(0);
        (last_first, removed.last_seq) = (Some(get::<i64>(row, 0)?), Some(get::<i64>(row, 2)?));
        *left = left.saturating_sub(bytes + ROW_COST);
        removed.bytes += bytes as u64;
    }
    if let Some(last_first) = last_first {
        execute(client, "DELETE FROM event_chunks WHERE run_id = $1 AND first_seq <= $2", &values![run, last_first]).await?;
    }
    Ok((removed, is_complete))
}
