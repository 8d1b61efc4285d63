//! Reads and writes the batches of a log.

use deadpool_postgres::Object;
use tokio_postgres::{IsolationLevel, Row};

use super::PostgresStore;
use super::connector::take;
use super::sql::{execute, rows};
use super::sql_error::{SqlError, in_time, read_error};
use super::value::{Blob, Value, values};
use crate::run::store::log_reader::{LogReader, StoredChunk};
use crate::run::store::values::integer;
use crate::run::store::{Chunk, DamagedChunk, StoreError};
use crate::types::RunId;

/// Maximum number of batches that are read at once.
const PAGE: i64 = 256;

/// Adds batches.
pub(super) async fn insert(client: &tokio_postgres::Client, run: RunId, chunks: &[Chunk]) -> Result<(), StoreError> {
    let sql = "INSERT INTO event_chunks (run_id, first_seq, last_seq, crc32, body)
               SELECT $1, c.f, c.l, c.c, c.b FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[]) AS c (f, l, c, b)";
    let values = values![
        run.to_string(),
        chunks.iter().map(|chunk| integer(chunk.first.get())).collect::<Vec<_>>(),
        chunks.iter().map(|chunk| integer(chunk.last.get())).collect::<Vec<_>>(),
        chunks.iter().map(|chunk| i64::from(crc32fast::hash(&chunk.body))).collect::<Vec<_>>(),
        Value::Blobs(chunks.iter().map(|chunk| Blob(chunk.body.clone())).collect()),
    ];
    execute(client, sql, &values).await.map(|_| ())
}

/// Implements [`RunStore::chunks`](crate::run::store::RunStore::chunks).
pub(super) async fn read(
    store: &PostgresStore,
    run: RunId,
    after: u64,
    budget: usize,
) -> Result<Vec<Result<Chunk, DamagedChunk>>, StoreError> {
    let mut client = take(&store.readers).await?;
    match read_snapshot(&mut client, run, after, budget).await {
        Err(error) if error.is_lost() => {
            drop(Object::take(client));
            if matches!(error, SqlError::NoAnswer(_)) {
                return Err(read_error(error));
            }
            let mut client = take(&store.readers).await?;
            read_snapshot(&mut client, run, after, budget).await.map_err(read_error)
        }
        result => result.map_err(read_error),
    }
}

/// Reads in one snapshot: a batch that is appended or removed between two queries would look like a missing one.
async fn read_snapshot(client: &mut Object, run: RunId, after: u64, budget: usize) -> Result<Vec<Result<Chunk, DamagedChunk>>, SqlError> {
    // The length of a body is known without reading it.
    const PAGE_SQL: &str = "SELECT first_seq, last_seq, crc32, body FROM (
            SELECT *, sum(octet_length(body)) OVER (ORDER BY first_seq) - octet_length(body) AS before FROM (
                SELECT * FROM event_chunks WHERE run_id = $1 AND first_seq >= $2 ORDER BY first_seq LIMIT $4) AS page
            ) AS sized WHERE before <= $3 ORDER BY first_seq";
    // With the first chunk to read: the last one that begins at or before the next event.
    const BOUNDS: &str =
        "SELECT tip, trimmed_to, (SELECT coalesce(max(first_seq), 0) FROM event_chunks WHERE run_id = $1 AND first_seq <= $2)
        FROM runs JOIN run_leases ON run_id = id WHERE id = $1";
    let snapshot = in_time(client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start()).await?;
    let snapshot = snapshot.client();
    let bounds = rows(snapshot, BOUNDS, &values![run.to_string(), integer(after.saturating_add(1))]).await?;
    let Some(bounds) = bounds.first() else { return Ok(Vec::new()) };
    let (tip, trimmed_to, mut from): (i64, i64, i64) = (bounds.try_get(0)?, bounds.try_get(1)?, bounds.try_get(2)?);
    let number = |number: i64| u64::try_from(number).unwrap_or(0);
    let mut reader = LogReader::new(after.max(number(trimmed_to)), number(tip), budget);
    loop {
        let page = rows(snapshot, PAGE_SQL, &values![run.to_string(), from, integer(budget as u64), PAGE]).await?;
        let Some(last) = page.last() else { return Ok(reader.finish()) };
        from = last.try_get::<_, i64>(0)?.saturating_add(1);
        for row in &page {
            if !reader.add(stored(row)) {
                return Ok(reader.items);
            }
        }
    }
}

/// A row of the log; `None` if a value is out of range.
fn stored(row: &Row) -> Option<StoredChunk> {
    let crc = row.try_get::<_, i64>(2).ok()?;
    Some(StoredChunk { first: row.try_get(0).ok()?, last: row.try_get(1).ok()?, crc: u32::try_from(crc).ok()?, body: row.try_get(3).ok()? })
}
