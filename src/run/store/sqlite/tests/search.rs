//! Full-text search: what is found, also with hostile text and a damaged index, and what a search may take.
//!
//! Rules: C9.

use std::sync::mpsc;
use std::time::Duration;

use futures_util::FutureExt;
use proptest::prelude::*;

use super::super::SqliteStore;
use super::super::sql::{read_error, write_error};
use crate::run::store::contract::{create, done, record};
use crate::run::store::{BadSearch, Chunk, RunChange, RunFilter, RunRecord, RunStore, SearchText, StoreError};
use crate::types::{RunDone, RunId, Seq, Timestamp};

const LONG: Duration = Duration::from_mins(10);

fn open() -> (tempfile::TempDir, SqliteStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    (dir, store)
}

fn prompt(text: &str) -> RunRecord {
    let mut run = record("ann", "demo", None);
    run.spec.prompt = text.to_owned();
    run
}

async fn add(store: &SqliteStore, run: RunRecord) -> RunId {
    create(store, &run).await.run
}

/// Ends a run with an answer.
async fn end(store: &SqliteStore, run: RunId, answer: &str) {
    let lease = store.run(run).await.unwrap().unwrap().lease.unwrap();
    let done = RunDone { result: Some(answer.to_owned()), ..done() };
    let seq = Seq::new(2).unwrap();
    let end = vec![Chunk { first: seq, last: seq, body: bytes::Bytes::from_static(b"{}\n") }];
    let change = RunChange { done: Some((done, Timestamp::from_millis(5))), ..RunChange::default() };
    store.append(&lease, end, change).await.unwrap();
}

async fn found(store: &SqliteStore, text: &str) -> Vec<RunId> {
    let text = SearchText::parse(text).unwrap();
    store.search(text, RunFilter::default(), 100, LONG).await.unwrap().into_iter().map(|run| run.id).collect()
}

#[tokio::test]
async fn nothing_is_left_in_the_texts_of_a_deleted_run() {
    let (_dir, store) = open();
    let run = add(&store, prompt("compute something")).await;
    end(&store, run, "It is Forty-Two.").await;
    store.begin_delete(run, None).await.unwrap();
    let rows = store.read(|connection| connection.query_row("SELECT count(*) FROM search_texts", [], |row| row.get(0)).map_err(read_error));
    assert_eq!(rows.await, Ok(0));
}

#[tokio::test]
async fn a_search_that_takes_too_long_or_is_abandoned_is_stopped() {
    let (_dir, store) = open();
    let endless = |connection: &rusqlite::Connection| {
        let sql = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers) SELECT max(n) FROM numbers";
        connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(read_error)
    };
    assert_eq!(store.read_for_search(Duration::ZERO, endless).await, Err(StoreError::SearchTimeout(0)));
    let (started, has_started) = mpsc::channel();
    let mut search = Box::pin(store.read_for_search(LONG, move |connection| {
        started.send(()).unwrap();
        endless(connection)
    }));
    assert!((&mut search).now_or_never().is_none());
    tokio::task::spawn_blocking(move || has_started.recv().unwrap()).await.unwrap();
    drop(search);
    // The connection is free again, and usable.
    let all = store.search_permits().acquire_many_owned(2).await.unwrap();
    drop(all);
    let run = add(&store, prompt("still there")).await;
    assert_eq!(found(&store, "still").await, [run]);
}

#[tokio::test]
async fn a_damaged_index_keeps_no_run_from_being_stored_ended_listed_and_deleted() {
    let (_dir, store) = open();
    let before = add(&store, prompt("before the damage")).await;
    let damage = "UPDATE search_index_data SET block = x'00112233'";
    store.writer.write(move |connection| connection.execute_batch(damage).map_err(write_error)).await.unwrap();
    let run = add(&store, prompt("after the damage")).await;
    end(&store, run, "an answer").await;
    end(&store, before, "an answer").await;
    let listed = store.runs(RunFilter::default(), 9).await.unwrap();
    assert_eq!(listed.into_iter().map(|run| run.id).collect::<Vec<_>>(), [run, before]);
    for run in [run, before] {
        store.begin_delete(run, None).await.unwrap();
    }
    assert!(store.is_healthy());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_is_taken_for_syntax(text in r#"[ -~"*():^{}+一-三\u{0}-\u{1f}]{1,40}"#) {
        let store = SqliteStore::in_memory();
        let run = create(&store, &prompt(&text)).now_or_never().unwrap().run;
        // The whole text, without what ends a quotation.
        let whole = text.replace('"', " ");
        let queries = [text.clone(), format!("\"{}\"", text.trim_matches('"')), whole];
        for (number, query) in queries.into_iter().enumerate() {
            let parsed = match SearchText::parse(&query) {
                Ok(parsed) => parsed,
                Err(BadSearch::Empty | BadSearch::TooManyTerms) => continue,
            };
            let found = store.search(parsed, RunFilter::default(), 9, LONG).now_or_never().unwrap();
            let found: Vec<RunId> = found.unwrap().into_iter().map(|run| run.id).collect();
            if number == 2 && !text.contains('"') {
                prop_assert_eq!(found, vec![run]);
            }
        }
    }
}
