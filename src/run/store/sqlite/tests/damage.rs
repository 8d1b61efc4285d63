//! Damaged rows: what is affected, and what is not. Rules: W4.

use rusqlite::ToSql;

use super::super::SqliteStore;
use super::super::sql::write_error;
use crate::run::store::contract::{add_run, create, done, record, stored_run};
use crate::run::store::{Chunk, RetentionStore, RunChange, RunStore};
use crate::types::{RunId, Seq, Timestamp};

/// Executes one statement in the store's database, as damage does: without the program's checks.
async fn damage(store: &SqliteStore, sql: &'static str, value: impl ToSql + Send + 'static) {
    let rows = store.writer.write(move |connection| connection.execute(sql, [value]).map_err(write_error)).await.unwrap();
    assert!(rows > 0, "{sql} changed nothing");
}

/// A run with a log of these chunks, given as their last numbers.
async fn run_with_chunks(store: &SqliteStore, ends: &[u64]) -> RunId {
    let lease = create(store, &record("ann", "demo", None)).await;
    let mut first = 2;
    for &last in ends {
        let body = (first..=last).map(|number| format!("{{\"seq\":{number}}}\n")).collect::<String>();
        let chunk = Chunk { first: Seq::new(first).unwrap(), last: Seq::new(last).unwrap(), body: body.into() };
        store.append(&lease, vec![chunk], RunChange::default()).await.unwrap();
        first = last + 1;
    }
    lease.run
}

/// What a reader gets: the numbers of each chunk, and whether it is intact.
async fn read(store: &SqliteStore, run: RunId, after: u64, budget: usize) -> Vec<(u64, u64, bool)> {
    let chunks = store.chunks(run, after, budget).await.unwrap().into_iter();
    chunks
        .map(|chunk| match chunk {
            Ok(chunk) => (chunk.first.get(), chunk.last.get(), true),
            Err(damaged) => (damaged.first.get(), damaged.last.get(), false),
        })
        .collect()
}

const LOG: &[u64] = &[3, 5, 7, 9];

#[tokio::test]
async fn a_damaged_chunk_hides_neither_its_neighbors_nor_other_runs() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    let intact = stored_run(&store).await;
    let whole = [(1, 1, true), (2, 3, true), (4, 5, true), (6, 7, true), (8, 9, true)];
    // Which event numbers become unreadable by each statement.
    let cases: [(&'static str, std::ops::RangeInclusive<u64>); 10] = [
        ("UPDATE event_chunks SET body = x'00' WHERE first_seq = 4 AND run_id = ?1", 4..=5),
        ("UPDATE event_chunks SET crc32 = 1 WHERE first_seq = 1 AND run_id = ?1", 1..=1),
        ("UPDATE event_chunks SET crc32 = -1 WHERE first_seq = 8 AND run_id = ?1", 8..=9),
        ("UPDATE event_chunks SET last_seq = 6 WHERE first_seq = 4 AND run_id = ?1", 4..=5),
        ("UPDATE event_chunks SET last_seq = -7 WHERE first_seq = 4 AND run_id = ?1", 4..=5),
        ("UPDATE event_chunks SET first_seq = 5 WHERE first_seq = 4 AND run_id = ?1", 4..=5),
        ("UPDATE event_chunks SET first_seq = 0, last_seq = 1 WHERE first_seq = 4 AND run_id = ?1", 4..=5),
        ("DELETE FROM event_chunks WHERE first_seq = 1 AND run_id = ?1", 1..=1),
        ("DELETE FROM event_chunks WHERE first_seq IN (4, 6) AND run_id = ?1", 4..=7),
        ("DELETE FROM event_chunks WHERE first_seq >= 6 AND run_id = ?1", 6..=9),
    ];
    for (sql, lost) in cases {
        let run = run_with_chunks(&store, LOG).await;
        damage(&store, sql, run.to_string()).await;
        let mut expected: Vec<_> = whole.into_iter().filter(|(first, ..)| !lost.contains(first)).collect();
        expected.push((*lost.start(), *lost.end(), false));
        expected.sort_unstable();
        assert_eq!(read(&store, run, 0, usize::MAX).await, expected, "{sql}");
        // From any cursor and with the smallest budget, a reader covers every later event and always proceeds.
        for after in 0..9 {
            let (mut cursor, mut covered) = (after, Vec::new());
            while let [(first, last, is_intact), ..] = read(&store, run, cursor, 1).await[..] {
                assert!(first <= cursor + 1 && last > cursor, "{sql}: {first} to {last} after {cursor}");
                covered.extend((cursor + 1..=last).map(|number| (number, is_intact)));
                cursor = last;
            }
            let expected: Vec<_> = (after + 1..=9).map(|number| (number, !lost.contains(&number))).collect();
            assert_eq!(covered, expected, "{sql} after {after}");
        }
        assert_eq!(read(&store, intact, 0, usize::MAX).await, [(1, 1, true)]);
    }
}

#[tokio::test]
async fn removed_events_are_not_reported_as_damaged_and_lost_ones_after_them_are() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    let run = run_with_chunks(&store, LOG).await;
    let lease = store.take_lease(run).await.unwrap();
    let end = RunChange { done: Some((done(), Timestamp::from_millis(1))), ..RunChange::default() };
    store.append(&lease, vec![], end).await.unwrap();
    // The first two chunks are removed, then the server dies.
    for _ in 0..2 {
        store.trim_oldest(Timestamp::from_millis(2), 1).await.unwrap();
    }
    assert_eq!(read(&store, run, 0, usize::MAX).await, [(4, 5, true), (6, 7, true), (8, 9, true)]);
    damage(&store, "DELETE FROM event_chunks WHERE first_seq = 4 AND run_id = ?1", run.to_string()).await;
    assert_eq!(read(&store, run, 0, usize::MAX).await, [(4, 5, false), (6, 7, true), (8, 9, true)]);
}

#[tokio::test]
async fn a_long_damaged_range_is_read_in_parts() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    let run = run_with_chunks(&store, &[2, 3, 4, 5, 6]).await;
    damage(&store, "UPDATE event_chunks SET crc32 = 1 WHERE run_id = ?1", run.to_string()).await;
    assert_eq!(read(&store, run, 0, 1).await, [(1, 1, false)], "one damaged chunk is enough for the budget");
    assert_eq!(read(&store, run, 0, usize::MAX).await, [(1, 6, false)]);
}

#[tokio::test]
async fn a_damaged_node_id_makes_the_server_a_new_node_that_can_take_the_runs() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open_alongside_server(dir.path()).unwrap();
    let run = add_run(&store, 1).await.unwrap();
    let reopened = SqliteStore::open_alongside_server(dir.path()).unwrap();
    assert_eq!(reopened.node(), store.node(), "the node is kept");
    damage(&store, "UPDATE nodes SET id = ?1", "damaged").await;
    let renewed = SqliteStore::open_alongside_server(dir.path()).unwrap();
    assert_ne!(renewed.node(), store.node());
    let lease = renewed.take_lease(run).await.unwrap();
    assert_eq!((lease.node, lease.epoch.get()), (renewed.node(), 2));
}
