//! Runs and their events in `SQLite`.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params};

use super::damage::Columns;
use super::decode::{self, RUN_COLUMNS, SESSION_COLUMNS};
use super::sql::{Conditions, execute, query_first, read_error, write_error};
use super::{SqliteStore, changes, chunks, delete, quotas, run_filter, search, usage, webhooks};
use crate::run::store::values::{self, always, batch_size, fresh_workspace, integer, to_json};
use crate::run::store::{
    Audited, Chunk, DamagedChunk, Deleted, Idempotency, LogTip, RunChange, RunFilter, RunRecord, RunStore, SearchText, SessionRecord,
    SessionUse, StoreError, UsedKey, WaitChange,
};
use crate::types::{Epoch, Lease, NodeId, Quota, RunId, RunStatus, Seq, SessionId, Timestamp, UserId};
use crate::workspace::StoredChanges;

#[async_trait]
impl RunStore for SqliteStore {
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
        let working_dir = to_json(&run.spec.working_dir)?;
        let (events, bytes) = batch_size(&first);
        let lease = Lease { run: run.id, node: self.node, epoch: Epoch::FIRST };
        let attached: usize = run.attachments.iter().map(Bytes::len).sum();
        let stored_bytes = bytes + (spec.len() + widened.len() + attached) as u64;
        let (defaults, workspace) = (self.quotas, fresh_workspace(&run.spec.working_dir));
        let mut limited = vec![Quota::Runs, Quota::StoredBytes];
        limited.extend((session == SessionUse::Starts).then_some(Quota::Sessions));
        limited.extend(workspace.map(|_| Quota::WorkspaceBytes));
        self.write_audited(audit, always, move |connection| {
            quotas::check(connection, &run.owner.id.to_string(), &limited, &defaults)?;
            match session {
                SessionUse::Starts => {
                    let sql = "INSERT INTO sessions (id, owner, agent_type, working_dir, first_run, created_at, workspace_bytes)
                                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
                    let values = params![
                        run.session.to_string(),
                        run.owner.id.to_string(),
                        run.spec.agent_type,
                        working_dir,
                        run.id.to_string(),
                        run.created_at.as_millis(),
                        workspace.map(|_| 0),
                    ];
                    execute(connection, sql, values)?;
                }
                SessionUse::Continues | SessionUse::Moves => {
                    let exists = connection
                        .prepare_cached("SELECT 1 FROM sessions WHERE id = ?1")
                        .and_then(|mut find| find.exists([run.session.to_string()]));
                    if !exists.map_err(read_error)? {
                        return Err(StoreError::NoSession(run.session));
                    }
                    if session == SessionUse::Moves {
                        let sql = "UPDATE sessions SET working_dir = ?2 WHERE id = ?1";
                        execute(connection, sql, [run.session.to_string(), working_dir])?;
                    }
                    // Its workspace is used again if it was emptied.
                    if let Some(first_run) = workspace {
                        let sql = "UPDATE sessions SET workspace_bytes = 0 WHERE id = ?1 AND first_run = ?2 AND workspace_bytes IS NULL";
                        execute(connection, sql, [run.session.to_string(), first_run.to_string()])?;
                    }
                }
            }
            let sql = "INSERT INTO runs (id, session_id, owner, agent_type, status, spec, widened, created_at, last_seq, node_id, epoch,
                           stored_bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
            let values = params![
                run.id.to_string(),
                run.session.to_string(),
                run.owner.id.to_string(),
                run.spec.agent_type,
                run.status.as_str(),
                spec,
                widened,
                run.created_at.as_millis(),
                integer(run.last_seq.get()),
                lease.node.to_string(),
                integer(lease.epoch.get()),
                integer(stored_bytes),
            ];
            execute(connection, sql, values)?;
            search::insert(connection, run.id, run.owner.id, &run.spec)?;
            claim_key(connection, run.id, idempotency)?;
            webhooks::insert(connection, run.id, &run.webhooks)?;
            insert_attachments(connection, run.id, 0, &run.attachments)?;
            insert_chunks(connection, run.id, &first)
        })
        .await?;
        self.metrics.record_events(events, bytes);
        Ok(lease)
    }

    async fn append(&self, lease: &Lease, batch: Vec<Chunk>, change: RunChange) -> Result<(), StoreError> {
        let (lease, run) = (*lease, lease.run);
        if let Some(gap) = batch.windows(2).find(|pair| pair[1].first != pair[0].last.next()) {
            return Err(StoreError::NotNext { run, first: gap[1].first });
        }
        let (events, bytes) = batch_size(&batch);
        let attached = change.attachments.iter().flat_map(|attached| &attached.contents).map(Bytes::len).sum::<usize>() as u64;
        let output = change.checkpoint.map(|checkpoint| integer(checkpoint.out.saturating_add(checkpoint.err)));
        let checkpoint = change.checkpoint.map(|checkpoint| to_json(&checkpoint)).transpose()?;
        let withheld = change.withheld.map(|withheld| to_json(&withheld)).transpose()?;
        let stored = change.changes.map(|stored| to_json(&stored.record).map(|record| (record, stored.patch))).transpose()?;
        let done = change.done.map(|(done, at)| to_json(&done).map(|json| (json, done, at))).transpose()?;
        self.write_audited(change.audit, always, move |connection| {
            // The WHERE clause is the guard: a batch under a void lease, one that is not the next, or one that follows the end changes
            // nothing. The end has its own statement, since one that can set `ended_at` writes the index of unfinished runs each time:
            // one more page per commit.
            let (id, node, epoch) = (run.to_string(), lease.node.to_string(), integer(lease.epoch.get()));
            let before = batch.first().map(|chunk| integer(chunk.first.get() - 1));
            let last = batch.last().map(|chunk| integer(chunk.last.get()));
            let status = change.status.map(RunStatus::as_str);
            let (launched_at, started_at) = (change.launched_at.map(Timestamp::as_millis), change.started_at.map(Timestamp::as_millis));
            let changed = match &done {
                None => {
                    let sql = "UPDATE runs SET last_seq = coalesce(?5, last_seq), status = coalesce(?6, status),
                               launched_at = coalesce(?7, launched_at), started_at = coalesce(?8, started_at),
                               checkpoint = coalesce(?9, checkpoint), withheld = coalesce(?10, withheld),
                               stored_bytes = stored_bytes + ?11, output_bytes = coalesce(?12, output_bytes)
                               WHERE id = ?1 AND node_id = ?2 AND epoch = ?3 AND last_seq = coalesce(?4, last_seq) AND ended_at IS NULL";
                    let grown = integer(bytes + attached);
                    let values =
                        params![id, node, epoch, before, last, status, launched_at, started_at, checkpoint, withheld, grown, output];
                    execute(connection, sql, values)?
                }
                Some((json, _, at)) => {
                    let sql = "UPDATE runs SET last_seq = coalesce(?5, last_seq), status = coalesce(?6, status),
                               launched_at = coalesce(?7, launched_at), started_at = coalesce(?8, started_at),
                               checkpoint = coalesce(?9, checkpoint), withheld = coalesce(?10, withheld), ended_at = ?11, done = ?12,
                               stored_bytes = stored_bytes + ?13, output_bytes = coalesce(?14, output_bytes)
                               WHERE id = ?1 AND node_id = ?2 AND epoch = ?3 AND last_seq = coalesce(?4, last_seq) AND ended_at IS NULL";
                    let patch = stored.as_ref().map_or(0, |(record, patch)| record.len() + patch.as_ref().map_or(0, Vec::len));
                    let (at, grown) = (at.as_millis(), integer(bytes + attached + (json.len() + patch) as u64));
                    let values = params![
                        id,
                        node,
                        epoch,
                        before,
                        last,
                        status,
                        launched_at,
                        started_at,
                        checkpoint,
                        withheld,
                        at,
                        json,
                        grown,
                        output
                    ];
                    execute(connection, sql, values)?
                }
            };
            if changed == 0 {
                return Err(refusal(connection, &lease, batch.first().map(|chunk| chunk.first))?);
            }
            write_wait(connection, run, change.wait)?;
            changes::write(connection, run, stored.as_ref())?;
            if let Some(agent_session) = change.agent_session {
                let sql = "UPDATE sessions SET agent_session = ?2 WHERE id = (SELECT session_id FROM runs WHERE id = ?1)";
                execute(connection, sql, params![run.to_string(), agent_session])?;
            }
            if let Some(title) = change.session_title {
                let sql = "UPDATE sessions SET title = nullif(?2, '') WHERE id = (SELECT session_id FROM runs WHERE id = ?1)";
                execute(connection, sql, params![run.to_string(), title])?;
            }
            if let Some(model) = change.model {
                execute(connection, "UPDATE runs SET model = ?2 WHERE id = ?1", params![run.to_string(), model])?;
            }
            if done.is_some() {
                let sql = "UPDATE sessions SET unmeasured = unmeasured + 1
                           WHERE id = (SELECT session_id FROM runs WHERE id = ?1) AND workspace_bytes IS NOT NULL";
                execute(connection, sql, [run.to_string()])?;
            }
            if let Some(answer) = done.as_ref().and_then(|(_, done, _)| done.result.as_deref()) {
                search::add_answer(connection, run, answer)?;
            }
            match (&done, &change.usage) {
                (Some((_, done, at)), _) => usage::record(connection, run, *at, done.usage.as_ref(), Some(done.status))?,
                (None, Some((total, at))) => usage::record(connection, run, *at, Some(total), None)?,
                (None, None) => {}
            }
            if let Some(attached) = &change.attachments {
                insert_attachments(connection, run, attached.message, &attached.contents)?;
            }
            claim_key(connection, run, change.idempotency)?;
            insert_chunks(connection, run, &batch)
        })
        .await?;
        self.metrics.record_events(events, bytes);
        Ok(())
    }

    async fn take_lease(&self, run: RunId) -> Result<Lease, StoreError> {
        let node = self.node;
        self.writer
            .write(move |connection| {
                let sql = "UPDATE runs SET node_id = ?2, epoch = max(epoch, 0) + 1 WHERE id = ?1 AND ended_at IS NULL RETURNING epoch";
                let taken = connection
                    .prepare_cached(sql)
                    .and_then(|mut take| take.query_row(params![run.to_string(), node.to_string()], |row| row.get::<_, i64>(0)).optional());
                match taken.map_err(write_error)? {
                    Some(epoch) => {
                        let epoch = values::epoch(epoch);
                        let epoch = epoch.ok_or_else(|| StoreError::Write(format!("run {run} has no further epoch")))?;
                        Ok(Lease { run, node, epoch })
                    }
                    None if run_exists(connection, run)? => Err(StoreError::Ended { run }),
                    None => Err(StoreError::NoRun(run)),
                }
            })
            .await
    }

    async fn run(&self, id: RunId) -> Result<Option<RunRecord>, StoreError> {
        self.read(move |connection| {
            let sql = format!("SELECT {RUN_COLUMNS} FROM runs WHERE id = ?1");
            query_first(connection, &sql, [id.to_string()], decode::run)
        })
        .await
    }

    async fn attachments(&self, run: RunId, message: u64) -> Result<Vec<Bytes>, StoreError> {
        self.read(move |connection| {
            let sql = "SELECT content FROM attachments WHERE run_id = ?1 AND message = ?2 ORDER BY position";
            let mut statement = connection.prepare_cached(sql).map_err(read_error)?;
            let contents =
                statement.query_map(params![run.to_string(), integer(message)], |row| row.get::<_, Vec<u8>>(0)).map_err(read_error)?;
            contents.map(|content| content.map(Bytes::from).map_err(read_error)).collect()
        })
        .await
    }

    async fn log_tip(&self, run: RunId) -> Result<Option<LogTip>, StoreError> {
        self.read(move |connection| {
            let sql = "SELECT id, last_seq, ended_at, done FROM runs WHERE id = ?1";
            query_first(connection, sql, [run.to_string()], |row| {
                let columns = Columns::new("runs", row);
                let last = Seq::new(columns.number(1)?).ok_or_else(|| columns.damaged("the number of the last event is 0"))?;
                Ok(LogTip { last, ended_at: columns.time_optional(2)?, done: columns.json_optional(3).unwrap_or_default() })
            })
        })
        .await
    }

    async fn runs(&self, filter: RunFilter, limit: usize) -> Result<Vec<RunRecord>, StoreError> {
        let damaged = self.damaged.clone();
        self.read(move |connection| {
            let conditions = run_filter::conditions(filter, Conditions::new());
            let sql = format!("SELECT {RUN_COLUMNS} FROM runs WHERE {} ORDER BY id DESC", conditions.clause());
            damaged.page(connection, &sql, &conditions.values(), limit, decode::run)
        })
        .await
    }

    async fn search(&self, text: SearchText, filter: RunFilter, limit: usize, max_time: Duration) -> Result<Vec<RunRecord>, StoreError> {
        let damaged = self.damaged.clone();
        self.read_for_search(max_time, move |connection| search::search(connection, &text, filter, limit, &damaged)).await
    }

    async fn used_key(&self, owner: UserId, key: &str) -> Result<Option<UsedKey>, StoreError> {
        let key = key.to_owned();
        self.read(move |connection| used_key(connection, owner, &key)).await
    }

    async fn session(&self, id: SessionId) -> Result<Option<SessionRecord>, StoreError> {
        self.read(move |connection| {
            let sql = format!("SELECT {SESSION_COLUMNS} FROM sessions WHERE id = ?1");
            query_first(connection, &sql, [id.to_string()], decode::session)
        })
        .await
    }

    async fn sessions(&self, owner: Option<UserId>, before: Option<SessionId>, limit: usize) -> Result<Vec<SessionRecord>, StoreError> {
        let damaged = self.damaged.clone();
        self.read(move |connection| {
            // Every session id is less than `ses_g`.
            let sql = format!(
                "SELECT {SESSION_COLUMNS} FROM sessions WHERE owner = coalesce(?1, owner) AND id < coalesce(?2, 'ses_g') ORDER BY id DESC"
            );
            let (owner, before) = (owner.map(|owner| owner.to_string()), before.map(|before| before.to_string()));
            damaged.page(connection, &sql, &[&owner, &before], limit, decode::session)
        })
        .await
    }

    async fn forget_keys(&self, before: Timestamp, limit: usize) -> Result<bool, StoreError> {
        self.writer
            .write(move |connection| {
                let sql = "DELETE FROM idempotency WHERE rowid IN
                           (SELECT rowid FROM idempotency WHERE created_at < ?1 ORDER BY created_at LIMIT ?2)";
                let limit = integer(limit as u64);
                execute(connection, sql, params![before.as_millis(), limit]).map(|rows| integer(rows as u64) == limit)
            })
            .await
    }

    async fn unfinished(&self) -> Result<Vec<RunId>, StoreError> {
        let damaged = self.damaged.clone();
        let sql = "SELECT id FROM runs WHERE ended_at IS NULL ORDER BY id";
        self.read(move |connection| damaged.all(connection, sql, |row| Columns::new("runs", row).parse(0))).await
    }

    async fn orphans(&self) -> Result<Vec<RunId>, StoreError> {
        let damaged = self.damaged.clone();
        let sql = "SELECT run_id FROM orphans JOIN runs ON id = run_id WHERE ended_at IS NULL ORDER BY run_id";
        self.read(move |connection| damaged.all(connection, sql, |row| Columns::new("orphans", row).parse(0))).await
    }

    async fn first_runs(&self) -> Result<Vec<RunId>, StoreError> {
        let damaged = self.damaged.clone();
        let sql = "SELECT first_run FROM sessions";
        self.read(move |connection| damaged.all(connection, sql, |row| Columns::new("sessions", row).parse(0))).await
    }

    async fn begin_delete(&self, id: RunId, audit: Option<Audited>) -> Result<Deleted, StoreError> {
        let is_done = |deleted: Deleted| matches!(deleted, Deleted::Done { .. });
        self.write_audited(audit, is_done, move |connection| delete::begin(connection, &id.to_string().into())).await
    }

    async fn chunks(&self, run: RunId, after: u64, budget: usize) -> Result<Vec<Result<Chunk, DamagedChunk>>, StoreError> {
        self.read(move |connection| chunks::read(connection, run, after, budget)).await
    }

    async fn changes(&self, run: RunId) -> Result<Option<StoredChanges>, StoreError> {
        self.read(move |connection| changes::read(connection, run)).await
    }
}

/// Stores that a run waits for a usage limit, or no longer does.
fn write_wait(connection: &Connection, run: RunId, change: Option<WaitChange>) -> Result<(), StoreError> {
    let (sql, until) = match change {
        None => return Ok(()),
        Some(WaitChange::Until(until)) => ("UPDATE runs SET waits_until = ?2 WHERE id = ?1", Some(until)),
        Some(WaitChange::Parked(until)) => {
            ("UPDATE runs SET waits_until = ?2, launched_at = NULL, checkpoint = NULL WHERE id = ?1", Some(until))
        }
        Some(WaitChange::Over) => ("UPDATE runs SET waits_until = ?2 WHERE id = ?1", None),
    };
    execute(connection, sql, params![run.to_string(), until.map(Timestamp::as_millis)])?;
    Ok(())
}

/// Why a batch that begins with event `first` was refused, or a change without events.
fn refusal(connection: &Connection, lease: &Lease, first: Option<Seq>) -> Result<StoreError, StoreError> {
    let run = lease.run;
    let sql = "SELECT node_id = ?2 AND epoch = ?3, ended_at IS NOT NULL FROM runs WHERE id = ?1";
    let values = params![run.to_string(), lease.node.to_string(), integer(lease.epoch.get())];
    let row = query_first(connection, sql, values, |row| Ok((row.get(0).map_err(read_error)?, row.get(1).map_err(read_error)?)))?;
    Ok(match (row, first) {
        (None | Some((false, _)), _) => StoreError::LeaseLost { run },
        (Some((true, false)), Some(first)) => StoreError::NotNext { run, first },
        (Some((true, _)), _) => StoreError::Ended { run },
    })
}

fn run_exists(connection: &Connection, run: RunId) -> Result<bool, StoreError> {
    let exists = connection.prepare_cached("SELECT 1 FROM runs WHERE id = ?1").and_then(|mut find| find.exists([run.to_string()]));
    exists.map_err(read_error)
}

/// Records the idempotency key for this run, unless it was used before.
fn claim_key(connection: &Connection, run: RunId, idempotency: Option<Idempotency>) -> Result<(), StoreError> {
    let Some(Idempotency { owner, key, fingerprint, at }) = idempotency else { return Ok(()) };
    if let Some(used) = used_key(connection, owner, &key)? {
        return Err(StoreError::KeyUsed(used));
    }
    // An earlier use that is still there is that of a deleted run.
    let sql = "INSERT INTO idempotency (owner, key, fingerprint, run_id, created_at) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (owner, key) DO UPDATE SET fingerprint = ?3, run_id = ?4, created_at = ?5";
    execute(connection, sql, params![owner.to_string(), key, fingerprint, run.to_string(), at.as_millis()]).map(|_| ())
}

fn used_key(connection: &Connection, owner: UserId, key: &str) -> Result<Option<UsedKey>, StoreError> {
    let sql = "SELECT run_id, fingerprint, EXISTS (SELECT 1 FROM runs WHERE id = run_id) FROM idempotency WHERE owner = ?1 AND key = ?2";
    let used = query_first(connection, sql, params![owner.to_string(), key], |row| {
        let columns = Columns::new("idempotency", row);
        let used = UsedKey { run: columns.parse(0)?, fingerprint: columns.get(1)? };
        Ok(Some(used).filter(|_| columns.get(2).unwrap_or(true)))
    })?;
    Ok(used.flatten())
}

fn insert_attachments(connection: &Connection, run: RunId, message: u64, contents: &[Bytes]) -> Result<(), StoreError> {
    for (position, content) in (0_i64..).zip(contents) {
        let sql = "INSERT INTO attachments (run_id, message, position, content) VALUES (?1, ?2, ?3, ?4)
                   ON CONFLICT (run_id, message, position) DO UPDATE SET content = excluded.content";
        execute(connection, sql, params![run.to_string(), integer(message), position, &content[..]])?;
    }
    Ok(())
}

fn insert_chunks(connection: &Connection, run: RunId, chunks: &[Chunk]) -> Result<(), StoreError> {
    let sql = "INSERT INTO event_chunks (run_id, first_seq, last_seq, crc32, body) VALUES (?1, ?2, ?3, ?4, ?5)";
    let run = run.to_string();
    for chunk in chunks {
        let crc = crc32fast::hash(&chunk.body);
        execute(connection, sql, params![run, integer(chunk.first.get()), integer(chunk.last.get()), crc, chunk.body.as_ref()])?;
    }
    Ok(())
}
