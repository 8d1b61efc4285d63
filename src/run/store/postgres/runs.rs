//! Runs and their events in PostgreSQL.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio_postgres::Client;

use super::append::{USED_KEY, claim_key, decode_key};
use super::decode::{self, RUN_COLUMNS, SESSION_COLUMNS};
use super::sql::{self, Columns, Conditions, execute, get};
use super::sql_error::read_error;
use super::value::values;
use super::{PostgresStore, chunks, delete, quotas, run_filter, search, webhooks};
use crate::run::store::values::{self, always, batch_size, fresh_workspace, integer, to_json};
use crate::run::store::{
    Audited, Chunk, DamagedChunk, Deleted, Idempotency, LogTip, RunChange, RunFilter, RunRecord, RunStore, SearchText, SessionRecord,
    SessionUse, StoreError, UsedKey,
};
use crate::types::{Epoch, Lease, NodeId, Quota, RunId, Seq, SessionId, Timestamp, UserId};
use crate::workspace::StoredChanges;

#[async_trait]
impl RunStore for PostgresStore {
    fn node(&self) -> NodeId {
        self.node
    }

    async fn create_run(
        &self,
        run: RunRecord,
        session: SessionUse,
        first: Vec<Chunk>,
        idempotency: Option<Idempotency>,
        audit: Option<Audited>,
    ) -> Result<Lease, StoreError> {
        let spec = to_json(&run.spec)?;
        let widened = to_json(&run.widened)?;
        let (events, bytes) = batch_size(&first);
        let lease = Lease { run: run.id, node: self.node, epoch: Epoch::FIRST };
        let attached: usize = run.attachments.iter().map(Bytes::len).sum();
        let stored_bytes = bytes + (spec.len() + widened.len() + attached) as u64;
        let (defaults, workspace) = (self.quotas, fresh_workspace(&run.spec.working_dir));
        let mut limited = vec![Quota::Runs, Quota::StoredBytes];
        limited.extend((session == SessionUse::Starts).then_some(Quota::Sessions));
        limited.extend(workspace.map(|_| Quota::WorkspaceBytes));
        self.write_audited(audit, always, move |client| {
            Box::pin(async move {
                quotas::check(client, &run.owner.id.to_string(), &limited, &defaults).await?;
                use_session(client, &run, session, workspace).await?;
                let labels: Vec<String> = run.spec.labels.iter().map(|(name, value)| run_filter::label(name, value)).collect();
                let sql = "INSERT INTO runs (id, session_id, owner, agent_type, requested_model, status, spec, labels, widened, created_at)
                           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
                let values = values![
                    run.id.to_string(),
                    run.session.to_string(),
                    run.owner.id.to_string(),
                    run.spec.agent_type.as_str(),
                    run.spec.model.as_deref(),
                    run.status.as_str(),
                    spec,
                    labels,
                    widened,
                    run.created_at.as_millis(),
                ];
                execute(client, sql, &values).await?;
                let sql = "INSERT INTO run_leases (run_id, owner, node_id, epoch, tip, stored_bytes) VALUES ($1, $2, $3, $4, $5, $6)";
                let values = values![
                    run.id.to_string(),
                    run.owner.id.to_string(),
                    lease.node.to_string(),
                    integer(lease.epoch.get()),
                    integer(run.last_seq.get()),
                    integer(stored_bytes),
                ];
                execute(client, sql, &values).await?;
                search::insert(client, run.id, run.owner.id, &run.spec).await?;
                claim_key(client, run.id, idempotency).await?;
                webhooks::insert(client, run.id, &run.webhooks).await?;
                for (position, content) in (0_i64..).zip(&run.attachments) {
                    let sql = "INSERT INTO attachments (run_id, message, position, content) VALUES ($1, 0, $2, $3)";
                    execute(client, sql, &values![run.id.to_string(), position, content.clone()]).await?;
                }
                chunks::insert(client, run.id, &first).await
            })
        })
        .await?;
        self.metrics.record_events(events, bytes);
        Ok(lease)
    }

    async fn append(&self, lease: &Lease, batch: Vec<Chunk>, change: RunChange) -> Result<(), StoreError> {
        if let Some(gap) = batch.windows(2).find(|pair| pair[1].first != pair[0].last.next()) {
            return Err(StoreError::NotNext { run: lease.run, first: gap[1].first });
        }
        let (events, bytes) = batch_size(&batch);
        let audit = change.audit.clone();
        self.appender.append(*lease, batch, change).await?;
        audit.iter().for_each(Audited::mark_stored);
        self.metrics.record_events(events, bytes);
        Ok(())
    }

    async fn take_lease(&self, run: RunId) -> Result<Lease, StoreError> {
        let node = self.node;
        self.writer
            .write(move |client| {
                Box::pin(async move {
                    let sql = "UPDATE run_leases SET node_id = $2, epoch = greatest(epoch, 0) + 1 WHERE run_id = $1 AND NOT ended RETURNING epoch";
                    if let Some(taken) = sql::first(client, sql, &values![run.to_string(), node.to_string()]).await? {
                        let epoch = values::epoch(get(&taken, 0)?);
                        let epoch = epoch.ok_or_else(|| StoreError::Write(format!("run {run} has no further epoch")))?;
                        return Ok(Lease { run, node, epoch });
                    }
                    let exists = sql::first(client, "SELECT 1 FROM run_leases WHERE run_id = $1", &values![run.to_string()]).await?;
                    Err(if exists.is_some() { StoreError::Ended { run } } else { StoreError::NoRun(run) })
                })
            })
            .await
    }

    async fn run(&self, id: RunId) -> Result<Option<RunRecord>, StoreError> {
        let sql = format!("SELECT {RUN_COLUMNS} FROM runs JOIN run_leases ON run_id = id WHERE id = $1");
        self.first(&sql, &values![id.to_string()], decode::run).await
    }

    async fn attachments(&self, run: RunId, message: u64) -> Result<Vec<Bytes>, StoreError> {
        let sql = "SELECT content FROM attachments WHERE run_id = $1 AND message = $2 ORDER BY position";
        let rows = self.rows(sql, &values![run.to_string(), integer(message)]).await?;
        rows.iter().map(|row| row.try_get::<_, Vec<u8>>(0).map(Bytes::from).map_err(read_error)).collect()
    }

    async fn log_tip(&self, run: RunId) -> Result<Option<LogTip>, StoreError> {
        let sql = "SELECT id, tip, ended_at, done FROM runs JOIN run_leases ON run_id = id WHERE id = $1";
        self.first(sql, &values![run.to_string()], |row| {
            let columns = Columns::new("runs", row);
            let last = Seq::new(columns.number(1)?).ok_or_else(|| columns.damaged("the number of the last event is 0"))?;
            Ok(LogTip { last, ended_at: columns.time_optional(2)?, done: columns.json_optional(3).unwrap_or_default() })
        })
        .await
    }

    async fn runs(&self, filter: RunFilter, limit: usize) -> Result<Vec<RunRecord>, StoreError> {
        let conditions = run_filter::conditions(filter, Conditions::new([]));
        let sql =
            format!("SELECT {RUN_COLUMNS} FROM runs JOIN run_leases ON run_id = id WHERE {} ORDER BY runs.id DESC", conditions.clause());
        self.page(&sql, conditions.values(), limit, decode::run).await
    }

    async fn search(&self, text: SearchText, filter: RunFilter, limit: usize, max_time: Duration) -> Result<Vec<RunRecord>, StoreError> {
        search::search(self, &text, filter, limit, max_time).await
    }

    async fn used_key(&self, owner: UserId, key: &str) -> Result<Option<UsedKey>, StoreError> {
        self.first(USED_KEY, &values![owner.to_string(), key], decode_key).await
    }

    async fn session(&self, id: SessionId) -> Result<Option<SessionRecord>, StoreError> {
        let sql = format!("SELECT {SESSION_COLUMNS} FROM sessions WHERE id = $1");
        self.first(&sql, &values![id.to_string()], decode::session).await
    }

    async fn sessions(&self, owner: Option<UserId>, before: Option<SessionId>, limit: usize) -> Result<Vec<SessionRecord>, StoreError> {
        let mut conditions = Conditions::new([]);
        conditions.add("owner = ?", owner.map(|owner| owner.to_string()));
        conditions.add("id < ?", before.map(|before| before.to_string()));
        let sql = format!("SELECT {SESSION_COLUMNS} FROM sessions WHERE {} ORDER BY id DESC", conditions.clause());
        self.page(&sql, conditions.values(), limit, decode::session).await
    }

    async fn forget_keys(&self, before: Timestamp, limit: usize) -> Result<bool, StoreError> {
        self.writer
            .write(move |client| {
                Box::pin(async move {
                    let sql = "DELETE FROM idempotency WHERE (owner, key) IN
                               (SELECT owner, key FROM idempotency WHERE created_at < $1 ORDER BY created_at LIMIT $2)";
                    let deleted = execute(client, sql, &values![before.as_millis(), integer(limit as u64)]).await?;
                    Ok(deleted == limit as u64)
                })
            })
            .await
    }

    async fn unfinished(&self) -> Result<Vec<RunId>, StoreError> {
        self.all("SELECT id FROM runs WHERE ended_at IS NULL ORDER BY id", |row| Columns::new("runs", row).parse(0)).await
    }

    async fn orphans(&self) -> Result<Vec<RunId>, StoreError> {
        let sql = "SELECT run_id FROM orphans JOIN runs ON id = run_id WHERE ended_at IS NULL ORDER BY run_id";
        self.all(sql, |row| Columns::new("orphans", row).parse(0)).await
    }

    async fn first_runs(&self) -> Result<Vec<RunId>, StoreError> {
        self.all("SELECT first_run FROM sessions", |row| Columns::new("sessions", row).parse(0)).await
    }

    async fn begin_delete(&self, id: RunId, audit: Option<Audited>) -> Result<Deleted, StoreError> {
        let is_done = |deleted: Deleted| matches!(deleted, Deleted::Done { .. });
        self.write_audited(audit, is_done, move |client| Box::pin(async move { delete::begin(client, &id.to_string()).await })).await
    }

    async fn chunks(&self, run: RunId, after: u64, budget: usize) -> Result<Vec<Result<Chunk, DamagedChunk>>, StoreError> {
        chunks::read(self, run, after, budget).await
    }

    async fn changes(&self, run: RunId) -> Result<Option<StoredChanges>, StoreError> {
        self.first("SELECT run_id, record, patch FROM run_changes WHERE run_id = $1", &values![run.to_string()], |row| {
            let columns = Columns::new("run_changes", row);
            Ok(StoredChanges { record: columns.json(1)?, patch: columns.get(2)? })
        })
        .await
    }
}

/// Adds the session of a new run, or checks that it exists.
async fn use_session(client: &Client, run: &RunRecord, session: SessionUse, workspace: Option<RunId>) -> Result<(), StoreError> {
    let (id, working_dir) = (run.session.to_string(), to_json(&run.spec.working_dir)?);
    if session == SessionUse::Starts {
        let sql = "INSERT INTO sessions (id, owner, agent_type, working_dir, first_run, created_at, workspace_bytes)
                   VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let values = values![
            id,
            run.owner.id.to_string(),
            run.spec.agent_type.as_str(),
            working_dir,
            run.id.to_string(),
            run.created_at.as_millis(),
            workspace.map(|_| 0),
        ];
        return execute(client, sql, &values).await.map(|_| ());
    }
    if sql::first(client, "SELECT 1 FROM sessions WHERE id = $1", &values![id.as_str()]).await?.is_none() {
        return Err(StoreError::NoSession(run.session));
    }
    if session == SessionUse::Moves {
        execute(client, "UPDATE sessions SET working_dir = $2 WHERE id = $1", &values![id.as_str(), working_dir]).await?;
    }
    // Its workspace is used again if it was emptied.
    if let Some(first_run) = workspace {
        let sql = "UPDATE sessions SET workspace_bytes = 0 WHERE id = $1 AND first_run = $2 AND workspace_bytes IS NULL";
        execute(client, sql, &values![id.as_str(), first_run.to_string()]).await?;
    }
    Ok(())
}
