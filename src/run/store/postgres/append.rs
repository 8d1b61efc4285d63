//! One batch of events with the change of its run, and the statements that write it.

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio_postgres::Client;

use super::audit_entry;
use super::sql::{self, get};
use super::sql_error::{SqlError, write_error};
use super::value::{Blob, Value, values};
use crate::run::store::search::searchable_answer;
use crate::run::store::usage::MAX_PER_RUN;
use crate::run::store::values::{batch_size, integer, to_json};
use crate::run::store::{Chunk, Idempotency, MessageAttachments, RunChange, StoreError, UsedKey, WaitChange};
use crate::types::{Day, Lease, Money, RunDone, RunId, RunStatus, Seq, Timestamp, Usage, UserId};

/// The error code with which the database refuses an idempotency key that was used before.
const KEY_USED: &str = "OR001";

/// A batch on its way to the database.
pub(super) struct Append {
    pub(super) lease: Lease,
    pub(super) batch: Vec<Chunk>,
    checkpoint: Option<String>,
    withheld: Option<String>,
    output: Option<i64>,
    grown: i64,
    /// What else changes; `None` if nothing does.
    rest: Option<Box<Rest>>,
    pub(super) reply: oneshot::Sender<Result<(), StoreError>>,
    /// Whether it was sent before and its answer was lost.
    pub(super) was_sent: bool,
}

/// A change of more than the lease.
struct Rest {
    status: Option<RunStatus>,
    launched_at: Option<Timestamp>,
    started_at: Option<Timestamp>,
    wait: Option<WaitChange>,
    agent_session: Option<String>,
    title: Option<String>,
    model: Option<String>,
    done: Option<(String, RunDone, Timestamp)>,
    usage: Option<(Usage, Timestamp)>,
    idempotency: Option<Idempotency>,
    audit: Vec<Option<String>>,
    /// The changes of the working directory: a record in JSON and a patch.
    changes: Option<(String, Option<Vec<u8>>)>,
    attachments: Option<MessageAttachments>,
}

impl Append {
    /// # Errors
    /// If a value cannot be encoded.
    pub(super) fn new(
        lease: Lease,
        batch: Vec<Chunk>,
        change: RunChange,
        reply: oneshot::Sender<Result<(), StoreError>>,
    ) -> Result<Self, StoreError> {
        let (_, bytes) = batch_size(&batch);
        let output = change.checkpoint.map(|checkpoint| integer(checkpoint.out.saturating_add(checkpoint.err)));
        let checkpoint = change.checkpoint.map(|checkpoint| to_json(&checkpoint)).transpose()?;
        let withheld = change.withheld.map(|withheld| to_json(&withheld)).transpose()?;
        let done = change.done.map(|(done, at)| to_json(&done).map(|json| (json, done, at))).transpose()?;
        let changes = change.changes.map(|stored| to_json(&stored.record).map(|record| (record, stored.patch))).transpose()?;
        let at_end = done.as_ref().map_or(0, |(json, _, _)| {
            json.len() + changes.as_ref().map_or(0, |(record, patch)| record.len() + patch.as_ref().map_or(0, Vec::len))
        });
        let attached: usize = change.attachments.iter().flat_map(|attached| &attached.contents).map(Bytes::len).sum();
        let grown = integer(bytes + (attached + at_end) as u64);
        let rest = Rest {
            status: change.status,
            launched_at: change.launched_at,
            started_at: change.started_at,
            wait: change.wait,
            agent_session: change.agent_session,
            title: change.session_title,
            model: change.model,
            done,
            usage: change.usage,
            idempotency: change.idempotency,
            changes,
            attachments: change.attachments,
            audit: change.audit.iter().flat_map(|audited| audit_entry::columns(audited.entry())).collect(),
        };
        let rest = (!rest.is_empty()).then(|| Box::new(rest));
        Ok(Self { lease, batch, checkpoint, withheld, output, grown, rest, reply, was_sent: false })
    }

    /// Whether it changes nothing but the lease, so that others can share its statement.
    pub(super) fn is_simple(&self) -> bool {
        self.rest.is_none()
    }

    /// Whether it can be sent again although it may have been written: the numbers of events tell, or a second time changes nothing.
    pub(super) fn is_repeatable(&self) -> bool {
        !self.batch.is_empty() || self.rest.as_ref().is_none_or(|rest| rest.audit.is_empty() && rest.idempotency.is_none())
    }

    fn before(&self) -> Option<i64> {
        self.batch.first().map(|chunk| integer(chunk.first.get() - 1))
    }

    fn last(&self) -> Option<i64> {
        self.batch.last().map(|chunk| integer(chunk.last.get()))
    }
}

impl Rest {
    fn is_empty(&self) -> bool {
        let Self {
            status,
            launched_at,
            started_at,
            wait,
            agent_session,
            title,
            model,
            done,
            usage,
            idempotency,
            audit,
            changes,
            attachments,
        } = self;
        status.is_none()
            && launched_at.is_none()
            && started_at.is_none()
            && wait.is_none()
            && agent_session.is_none()
            && title.is_none()
            && model.is_none()
            && done.is_none()
            && usage.is_none()
            && idempotency.is_none()
            && audit.is_empty()
            && changes.is_none()
            && attachments.is_none()
    }
}

/// Writes batches of different runs in one statement. Returns which were written, in their order.
pub(super) async fn write_all(client: &Client, appends: &[&Append]) -> Result<Vec<bool>, SqlError> {
    // The WHERE clause is the guard: a batch under a void lease, one that is not the next, or one that follows the end changes nothing.
    const SQL: &str = "WITH written AS (
            UPDATE run_leases l SET tip = coalesce(u.last, l.tip), checkpoint = coalesce(u.checkpoint, l.checkpoint),
                withheld = coalesce(u.withheld, l.withheld), stored_bytes = l.stored_bytes + u.grown,
                output_bytes = coalesce(u.output, l.output_bytes)
            FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::bigint[], $9::bigint[])
                AS u (run_id, node_id, epoch, before, last, checkpoint, withheld, grown, output)
            WHERE l.run_id = u.run_id AND l.node_id = u.node_id AND l.epoch = u.epoch AND l.tip = coalesce(u.before, l.tip) AND NOT l.ended
            RETURNING l.run_id),
        inserted AS (
            INSERT INTO event_chunks (run_id, first_seq, last_seq, crc32, body)
            SELECT c.run_id, c.first_seq, c.last_seq, c.crc32, c.body
            FROM unnest($10::text[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bytea[]) AS c (run_id, first_seq, last_seq, crc32, body)
            JOIN written USING (run_id))
        SELECT run_id FROM written";
    let ids: Vec<String> = appends.iter().map(|append| append.lease.run.to_string()).collect();
    let chunks = || appends.iter().zip(&ids).flat_map(|(append, id)| append.batch.iter().map(move |chunk| (id, chunk)));
    let values = values![
        ids.clone(),
        appends.iter().map(|append| append.lease.node.to_string()).collect::<Vec<_>>(),
        appends.iter().map(|append| integer(append.lease.epoch.get())).collect::<Vec<_>>(),
        appends.iter().map(|append| append.before()).collect::<Vec<_>>(),
        appends.iter().map(|append| append.last()).collect::<Vec<_>>(),
        appends.iter().map(|append| append.checkpoint.clone()).collect::<Vec<_>>(),
        appends.iter().map(|append| append.withheld.clone()).collect::<Vec<_>>(),
        appends.iter().map(|append| append.grown).collect::<Vec<_>>(),
        appends.iter().map(|append| append.output).collect::<Vec<_>>(),
        chunks().map(|(id, _)| id.clone()).collect::<Vec<_>>(),
        chunks().map(|(_, chunk)| integer(chunk.first.get())).collect::<Vec<_>>(),
        chunks().map(|(_, chunk)| integer(chunk.last.get())).collect::<Vec<_>>(),
        chunks().map(|(_, chunk)| i64::from(crc32fast::hash(&chunk.body))).collect::<Vec<_>>(),
        Value::Blobs(chunks().map(|(_, chunk)| Blob(chunk.body.clone())).collect()),
    ];
    let written = sql::rows(client, SQL, &values).await?;
    let written: std::collections::HashSet<String> = written.iter().filter_map(|row| row.try_get(0).ok()).collect();
    Ok(ids.iter().map(|id| written.contains(id)).collect())
}

/// Writes a batch with a change of more than the lease, in one statement. Returns whether it was written.
pub(super) async fn write_one(client: &Client, append: &Append) -> Result<bool, SqlError> {
    let Some(rest) = append.rest.as_deref() else {
        return Ok(write_all(client, &[append]).await?.first().copied().unwrap_or(false));
    };
    let millis = |at: Option<Timestamp>| at.map(Timestamp::as_millis);
    let (wait, wait_until) = match rest.wait {
        None => (None, None),
        Some(WaitChange::Until(until)) => (Some("until"), Some(until)),
        Some(WaitChange::Parked(until)) => (Some("parked"), Some(until)),
        Some(WaitChange::Over) => (Some("over"), None),
    };
    let (ended, done) = rest.done.as_ref().map(|(json, done, at)| (at.as_millis(), (json.clone(), done))).unzip();
    let (done_json, done) = done.unzip();
    let answer = done.and_then(|done| done.result.as_deref()).map(searchable_answer);
    let (total, usage_at) = match (&rest.done, &rest.usage) {
        (Some((_, done, at)), _) => (done.usage.as_ref(), Some(*at)),
        (None, Some((total, at))) => (Some(total), Some(*at)),
        (None, None) => (None, None),
    };
    let tokens = total.map(|total| {
        [total.input_tokens, total.output_tokens, total.cache_read_tokens, total.cache_write_tokens, total.reasoning_tokens]
            .map(|tokens| integer(tokens.min(MAX_PER_RUN)))
            .to_vec()
    });
    let cost = total.and_then(|total| total.cost_usd).map(|dollars| integer(Money::from_reported(dollars).micros()));
    let key = rest.idempotency.as_ref();
    let chunk_values = |value: fn(&Chunk) -> i64| append.batch.iter().map(value).collect::<Vec<_>>();
    let values = [
        append.lease.run.to_string().into(),
        append.lease.node.to_string().into(),
        integer(append.lease.epoch.get()).into(),
        append.before().into(),
        append.last().into(),
        append.checkpoint.clone().into(),
        append.withheld.clone().into(),
        append.grown.into(),
        append.output.into(),
        chunk_values(|chunk| integer(chunk.first.get())).into(),
        chunk_values(|chunk| integer(chunk.last.get())).into(),
        chunk_values(|chunk| i64::from(crc32fast::hash(&chunk.body))).into(),
        Value::Blobs(append.batch.iter().map(|chunk| Blob(chunk.body.clone())).collect()),
        rest.status.map(RunStatus::as_str).into(),
        millis(rest.launched_at).into(),
        millis(rest.started_at).into(),
        wait.into(),
        millis(wait_until).into(),
        rest.agent_session.clone().into(),
        rest.title.clone().into(),
        rest.model.clone().into(),
        ended.into(),
        done_json.into(),
        answer.into(),
        usage_at.map(|at| Day::from_timestamp(at).to_string()).into(),
        Value::Ints(tokens.unwrap_or_default().into_iter().map(Some).collect()),
        cost.into(),
        total.is_some_and(|total| total.cost_is_estimate).into(),
        done.map(|done| done.status.as_str()).into(),
        key.map(|key| key.owner.to_string()).into(),
        key.map(|key| key.key.clone()).into(),
        key.map(|key| Bytes::copy_from_slice(&key.fingerprint)).into(),
        key.map(|key| key.at.as_millis()).into(),
        rest.audit.clone().into(),
        rest.changes.as_ref().map(|(record, _)| record.clone()).into(),
        rest.changes.as_ref().and_then(|(_, patch)| patch.clone()).map(Bytes::from).into(),
        rest.attachments.as_ref().map_or(0, |attached| integer(attached.message)).into(),
        Value::Blobs(rest.attachments.iter().flat_map(|attached| &attached.contents).cloned().map(Blob).collect()),
    ];
    let parameters: Vec<String> =
        (1..=values.len()).map(|n| if n == 26 { "nullif($26, '{}')".to_owned() } else { format!("${n}") }).collect();
    let written = sql::rows(client, &format!("SELECT append_and_change({})", parameters.join(", ")), &values).await?;
    Ok(written.first().is_some_and(|row| row.get(0)))
}

/// Why a batch was refused: `None` if it was written after all, by a statement whose answer was lost.
pub(super) async fn refusal(client: &Client, append: &Append) -> Result<Option<StoreError>, StoreError> {
    let Lease { run, node, epoch } = append.lease;
    if append.was_sent && is_written(client, append).await? {
        return Ok(None);
    }
    let sql = "SELECT node_id = $2 AND epoch = $3, ended FROM run_leases WHERE run_id = $1";
    let row = sql::first(client, sql, &values![run.to_string(), node.to_string(), integer(epoch.get())]).await?;
    let row: Option<(bool, bool)> = row.map(|row| Ok::<_, StoreError>((get(&row, 0)?, get(&row, 1)?))).transpose()?;
    Ok(Some(match (row, append.batch.first().map(|chunk| chunk.first)) {
        (None | Some((false, _)), _) => StoreError::LeaseLost { run },
        (Some((true, false)), Some(first)) => StoreError::NotNext { run, first },
        (Some((true, _)), _) => StoreError::Ended { run },
    }))
}

/// Whether exactly this batch is the end of the log, under its lease.
pub(super) async fn is_written(client: &Client, append: &Append) -> Result<bool, StoreError> {
    let Some(chunk) = append.batch.last() else { return Ok(false) };
    let Lease { run, node, epoch } = append.lease;
    let sql = "SELECT 1 FROM run_leases JOIN event_chunks USING (run_id)
               WHERE run_id = $1 AND node_id = $2 AND epoch = $3 AND tip = $5 AND first_seq = $4 AND last_seq = $5 AND crc32 = $6";
    let number = |seq: Seq| integer(seq.get());
    let crc = i64::from(crc32fast::hash(&chunk.body));
    let values = values![run.to_string(), node.to_string(), integer(epoch.get()), number(chunk.first), number(chunk.last), crc];
    Ok(sql::first(client, sql, &values).await?.is_some())
}

/// The error for a refused statement.
pub(super) async fn statement_error(client: &Client, append: &Append, error: SqlError) -> StoreError {
    let key = append.rest.as_ref().and_then(|rest| rest.idempotency.as_ref());
    if let (Some(KEY_USED), Some(key)) = (error.code(), key)
        && let Ok(Some(used)) = used_key(client, key.owner, &key.key).await
    {
        return StoreError::KeyUsed(used);
    }
    write_error(error)
}

/// Records an idempotency key for this run, unless it was used before.
pub(super) async fn claim_key(client: &Client, run: RunId, idempotency: Option<Idempotency>) -> Result<(), StoreError> {
    let Some(Idempotency { owner, key, fingerprint, at }) = idempotency else { return Ok(()) };
    if let Some(used) = used_key(client, owner, &key).await? {
        return Err(StoreError::KeyUsed(used));
    }
    let values = values![owner.to_string(), key, fingerprint, run.to_string(), at.as_millis()];
    sql::returning(client, "SELECT claim_key($1, $2, $3, $4, $5)", &values).await.map(|_| ())
}

/// The statement that finds what an idempotency key was used for, unless its run was deleted.
pub(super) const USED_KEY: &str =
    "SELECT run_id, fingerprint FROM idempotency WHERE owner = $1 AND key = $2 AND EXISTS (SELECT 1 FROM runs WHERE id = run_id)";

async fn used_key(client: &Client, owner: UserId, key: &str) -> Result<Option<UsedKey>, StoreError> {
    sql::first(client, USED_KEY, &values![owner.to_string(), key]).await?.as_ref().map(decode_key).transpose()
}

/// Decodes a row of [`USED_KEY`].
pub(super) fn decode_key(row: &tokio_postgres::Row) -> Result<UsedKey, StoreError> {
    let columns = sql::Columns::new("idempotency", row);
    let fingerprint: Vec<u8> = columns.get(1)?;
    let fingerprint = fingerprint.try_into().map_err(|_| columns.damaged("the hash of the request has another length"))?;
    Ok(UsedKey { run: columns.parse(0)?, fingerprint })
}
