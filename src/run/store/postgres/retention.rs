//! Removal of old runs and events in PostgreSQL.

use async_trait::async_trait;
use tokio_postgres::{Client, Row};

use super::PostgresStore;
use super::delete::{self, add_freed};
use super::session::Lifetime;
use super::sql::{self, Columns, Conditions, count, execute, get, returning};
use super::sql_error::write_error;
use super::value::values;
use crate::run::store::values::integer;
use crate::run::store::{Deleted, FreshWorkspace, PendingRemoval, RetentionStep, RetentionStore, StoreError, StoreSize};
use crate::types::{RunId, SessionId, Timestamp};

/// Number of runs of a session that one step deletes.
const RUNS_PER_STEP: i64 = 32;

/// Whether run `old` is in a session whose runs all ended before `$1`. Sessions expire as a whole.
pub(super) const EXPIRED: &str = "old.ended_at < $1 AND NOT EXISTS (
    SELECT 1 FROM runs WHERE session_id = old.session_id AND (ended_at IS NULL OR ended_at >= $1))";

/// Size of the rows of runs with their events and attachments, and of what was removed since the last vacuum. The files of a database say little
/// about this: they contain free space of any age.
pub(super) const SIZE: &str = "SELECT (SELECT coalesce(sum(stored_bytes), 0) FROM run_leases)::bigint
    + (SELECT coalesce(sum(stored_bytes), 0) FROM deleted_runs)::bigint, (SELECT freed FROM store_space)";

/// Decodes a row of [`SIZE`].
pub(super) fn decode_size(row: &Row) -> Result<StoreSize, StoreError> {
    Ok(StoreSize { used: count(row, 0)?, free: count(row, 1)? })
}

#[async_trait]
impl RetentionStore for PostgresStore {
    async fn size(&self) -> Result<StoreSize, StoreError> {
        Ok(self.first(SIZE, &[], decode_size).await?.unwrap_or_default())
    }

    async fn remove_oldest(&self, before: Timestamp) -> Result<RetentionStep, StoreError> {
        self.writer
            .write(move |client| {
                Box::pin(async move {
                    let sql = format!("SELECT old.session_id FROM runs AS old WHERE {EXPIRED} ORDER BY old.ended_at, old.id LIMIT 1");
                    let oldest = sql::first(client, &sql, &values![before.as_millis()]).await?;
                    let Some(session) = oldest.map(|row| get::<String>(&row, 0)).transpose()? else { return Ok(RetentionStep::default()) };
                    let mut step = RetentionStep { found: true, ..RetentionStep::default() };
                    let sql = "SELECT id, owner FROM runs WHERE session_id = $1 ORDER BY id LIMIT $2";
                    for row in returning(client, sql, &values![session, RUNS_PER_STEP]).await? {
                        let (id, owner): (String, String) = (get(&row, 0)?, get(&row, 1)?);
                        if let Deleted::Done { conversation, .. } = delete::begin(client, &id).await? {
                            step.conversations.extend(conversation);
                        }
                        // A run with a damaged id or owner is visible to no user, so its removal is not reported.
                        step.removed.extend(id.parse().ok().zip(owner.parse().ok()));
                    }
                    Ok(step)
                })
            })
            .await
    }

    async fn remove_deleted(&self, budget: usize) -> Result<RetentionStep, StoreError> {
        self.writer.write(move |client| Box::pin(async move { delete::remove_deleted(client, budget).await })).await
    }

    async fn trim_oldest(&self, now: Timestamp, budget: usize) -> Result<RetentionStep, StoreError> {
        self.writer
            .write(move |client| {
                Box::pin(async move {
                    let sql = "SELECT id FROM runs WHERE ended_at IS NOT NULL AND trimmed_at IS NULL ORDER BY ended_at, id LIMIT 1";
                    let Some(row) = sql::first(client, sql, &[]).await? else { return Ok(RetentionStep::default()) };
                    let run: String = get(&row, 0)?;
                    let mut step = RetentionStep { found: true, ..RetentionStep::default() };
                    if trim(client, &run, budget, &mut step).await? {
                        let sql = "UPDATE runs SET trimmed_at = $2, output_kept = FALSE WHERE id = $1";
                        execute(client, sql, &values![run.as_str(), now.as_millis()]).await?;
                        execute(client, "UPDATE run_leases SET output_bytes = 0 WHERE run_id = $1", &values![run.as_str()]).await?;
                        delete::add_removal(client, &run, false).await?;
                        step.trimmed = 1;
                    }
                    add_freed(client, step.bytes).await?;
                    Ok(step)
                })
            })
            .await
    }

    async fn expire_output(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.writer
            .write(move |client| {
                Box::pin(async move {
                    let sql = "UPDATE runs SET output_kept = FALSE WHERE id IN
                               (SELECT id FROM runs WHERE ended_at < $1 AND output_kept ORDER BY ended_at, id LIMIT $2) RETURNING id";
                    let expired = returning(client, sql, &values![before.as_millis(), integer(limit as u64)]).await?;
                    let runs = expired.iter().map(|row| get(row, 0)).collect::<Result<Vec<String>, StoreError>>()?;
                    execute(client, "UPDATE run_leases SET output_bytes = 0 WHERE run_id = ANY ($1)", &values![runs.clone()]).await?;
                    for run in &runs {
                        delete::add_removal(client, run, false).await?;
                    }
                    Ok(runs.len())
                })
            })
            .await
    }

    async fn expired_workspaces(
        &self,
        before: Timestamp,
        session: Option<SessionId>,
        limit: usize,
    ) -> Result<Vec<FreshWorkspace>, StoreError> {
        let mut conditions = Conditions::new(values![before.as_millis()]);
        conditions.add("id = ?", session.map(|session| session.to_string()));
        let sql = format!(
            "SELECT id, first_run, unmeasured FROM sessions AS old
             WHERE workspace_bytes IS NOT NULL AND created_at < $1 AND {} AND coalesce(workspace_kept_until, $1) <= $1
             AND NOT EXISTS (SELECT 1 FROM runs WHERE session_id = old.id AND (ended_at IS NULL OR ended_at >= $1))
             ORDER BY created_at, id",
            conditions.clause()
        );
        self.page(&sql, conditions.values(), limit, decode_workspace).await
    }

    async fn workspace_kept(&self, session: SessionId, until: Timestamp) -> Result<(), StoreError> {
        self.writer
            .write(move |client| {
                Box::pin(async move {
                    let sql = "UPDATE sessions SET workspace_kept_until = $2 WHERE id = $1";
                    execute(client, sql, &values![session.to_string(), until.as_millis()]).await.map(|_| ())
                })
            })
            .await
    }

    async fn unmeasured_workspaces(&self, limit: usize) -> Result<Vec<FreshWorkspace>, StoreError> {
        let sql = "SELECT id, first_run, unmeasured FROM sessions WHERE unmeasured > 0 AND workspace_bytes IS NOT NULL
                   UNION SELECT id, first_run, unmeasured FROM sessions WHERE workspace_bytes IS NOT NULL AND id IN
                       (SELECT session_id FROM runs WHERE ended_at IS NULL AND launched_at IS NOT NULL)
                   ORDER BY id";
        self.page(sql, &[], limit, decode_workspace).await
    }

    async fn workspace_measured(&self, workspace: FreshWorkspace, bytes: u64) -> Result<(), StoreError> {
        self.writer
            .write(move |client| {
                Box::pin(async move {
                    let sql = "UPDATE sessions SET workspace_bytes = $2, unmeasured = greatest(0, unmeasured - $3)
                               WHERE id = $1 AND workspace_bytes IS NOT NULL";
                    execute(client, sql, &values![workspace.session.to_string(), integer(bytes), workspace.unmeasured]).await.map(|_| ())
                })
            })
            .await
    }

    async fn pending_removals(&self, limit: usize) -> Result<Vec<PendingRemoval>, StoreError> {
        self.page("SELECT run_id, workspace FROM pending_removals ORDER BY run_id", &[], limit, |row| {
            let columns = Columns::new("pending_removals", row);
            Ok(PendingRemoval { run: columns.parse(0)?, workspace: columns.get(1)? })
        })
        .await
    }

    async fn forget_removed(&self, removed: Vec<PendingRemoval>) -> Result<(), StoreError> {
        self.writer
            .write(move |client| {
                Box::pin(async move {
                    // If a run whose output was removed has been removed itself since, its workspace is still to be removed.
                    for removal in removed {
                        let sql = "DELETE FROM pending_removals WHERE run_id = $1 AND workspace = $2";
                        execute(client, sql, &values![removal.run.to_string(), removal.workspace]).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    async fn forget_damaged_removals(&self) -> Result<(), StoreError> {
        let rows = self.rows("SELECT run_id FROM pending_removals", &[]).await?;
        let ids = rows.iter().map(|row| get(row, 0)).collect::<Result<Vec<String>, StoreError>>()?;
        let damaged: Vec<String> = ids.into_iter().filter(|id| id.parse::<RunId>().is_err()).collect();
        if damaged.is_empty() {
            return Ok(());
        }
        self.writer
            .write(move |client| {
                Box::pin(async move {
                    execute(client, "DELETE FROM pending_removals WHERE run_id = ANY ($1)", &values![damaged.clone()]).await?;
                    tracing::warn!(?damaged, "deleted damaged entries of the directories to remove; they name no directory");
                    Ok(())
                })
            })
            .await
    }

    async fn shrink(&self, _budget: usize) -> Result<bool, StoreError> {
        let freed = self.size().await?.free;
        // Does not wait for readers or writers, nor they for it.
        let client = self.connector.connect(Lifetime::Unlimited).await.map_err(write_error)?;
        client.batch_execute("VACUUM event_chunks, attachments, run_changes").await.map_err(write_error)?;
        self.writer
            .write(move |client| {
                Box::pin(async move {
                    execute(client, "UPDATE store_space SET freed = greatest(0, freed - $1)", &values![integer(freed)]).await.map(|_| ())
                })
            })
            .await?;
        Ok(false)
    }
}

fn decode_workspace(row: &Row) -> Result<FreshWorkspace, StoreError> {
    let columns = Columns::new("sessions", row);
    Ok(FreshWorkspace { session: columns.parse(0)?, first_run: columns.parse(1)?, unmeasured: columns.get(2)? })
}

/// Removes the images and files of an ended run, and batches from the beginning of its log while `budget` lasts, but never the last one, which
/// contains `done`. Returns whether only the last one is left.
async fn trim(client: &Client, run: &str, mut budget: usize, step: &mut RetentionStep) -> Result<bool, StoreError> {
    let last = sql::first(client, "SELECT max(first_seq) FROM event_chunks WHERE run_id = $1", &values![run]).await?;
    let last: Option<i64> = last.map_or(Ok(None), |row| get(&row, 0))?;
    let sql = "WITH old AS (SELECT run_id, octet_length(patch)::bigint AS size FROM run_changes WHERE run_id = $1 AND patch IS NOT NULL FOR UPDATE)
               UPDATE run_changes c SET patch = NULL FROM old WHERE c.run_id = old.run_id RETURNING old.size";
    let patch = sql::first(client, sql, &values![run]).await?.map_or(Ok(0), |row| count(&row, 0))?;
    if patch > 0 {
        shorten(client, run, patch).await?;
        step.bytes += patch;
        budget = budget.saturating_sub(usize::try_from(patch).unwrap_or(usize::MAX));
    }
    let Some(last) = last else { return Ok(true) };
    let attached = delete::remove_attachments(client, run).await?;
    budget = budget.saturating_sub(attached);
    let (removed, is_complete) = delete::remove_chunks(client, run, last, &mut budget).await?;
    let bytes = attached as u64 + removed.bytes;
    step.bytes += bytes;
    shorten(client, run, bytes).await?;
    if let Some(last_removed) = removed.last_seq {
        // Readers must be able to tell removed events from lost ones. A damaged number of a removed chunk must not cover the rest.
        let sql = "UPDATE runs SET trimmed_to = greatest(trimmed_to, least($2, $3 - 1)) WHERE id = $1";
        execute(client, sql, &values![run, last_removed, last]).await?;
    }
    Ok(is_complete)
}

/// Counts what was removed of a run.
async fn shorten(client: &Client, run: &str, bytes: u64) -> Result<(), StoreError> {
    let sql = "UPDATE run_leases SET stored_bytes = greatest(0, stored_bytes - $2) WHERE run_id = $1";
    if bytes > 0 {
        execute(client, sql, &values![run, integer(bytes)]).await?;
    }
    Ok(())
}
