//! Reads the batches of a log.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::sql::read_error;
use crate::run::store::log_reader::{LogReader, StoredChunk};
use crate::run::store::values::integer;
use crate::run::store::{Chunk, DamagedChunk, StoreError};
use crate::types::RunId;

/// Implements [`RunStore::chunks`](crate::run::store::RunStore::chunks).
pub(super) fn read(connection: &Connection, run: RunId, after: u64, budget: usize) -> Result<Vec<Result<Chunk, DamagedChunk>>, StoreError> {
    // One snapshot: a batch that is appended or removed between the two queries would look like a missing one.
    let snapshot = connection.unchecked_transaction().map_err(read_error)?;
    let bounds = "SELECT last_seq, trimmed_to FROM runs WHERE id = ?1";
    let bounds = snapshot
        .prepare_cached(bounds)
        .and_then(|mut bounds| bounds.query_row([run.to_string()], |row| Ok((row.get(0)?, row.get(1)?))).optional());
    let Some((tip, trimmed_to)) = bounds.map_err(read_error)? else { return Ok(Vec::new()) };
    let number = |number: i64| u64::try_from(number).unwrap_or(0);
    let mut reader = LogReader::new(after.max(number(trimmed_to)), number(tip), budget);
    // Starts with the last chunk that begins at or before the next event.
    let sql = "SELECT first_seq, last_seq, crc32, body FROM event_chunks
               WHERE run_id = ?1 AND first_seq >= coalesce(
                   (SELECT max(first_seq) FROM event_chunks WHERE run_id = ?1 AND first_seq <= ?2), 0)
               ORDER BY first_seq";
    let mut statement = snapshot.prepare_cached(sql).map_err(read_error)?;
    let mut rows = statement.query(params![run.to_string(), integer(after.saturating_add(1))]).map_err(read_error)?;
    loop {
        match rows.next() {
            Ok(Some(row)) if reader.add(stored(row)) => {}
            Ok(Some(_)) => return Ok(reader.items),
            Ok(None) => return Ok(reader.finish()),
            // What was read before the damaged page is delivered first.
            Err(_) if !reader.items.is_empty() => return Ok(reader.items),
            Err(error) => return Err(read_error(error)),
        }
    }
}

/// A row of the log; `None` if a value is unreadable.
fn stored(row: &Row<'_>) -> Option<StoredChunk> {
    Some(StoredChunk { first: row.get(0).ok()?, last: row.get(1).ok()?, crc: row.get(2).ok()?, body: row.get(3).ok()? })
}
