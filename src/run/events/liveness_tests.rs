//! Followers end when the run's row has an end, and not before. Rules: W1, W2.

#![expect(clippy::disallowed_methods, reason = "the tests themselves wait for their tasks")]

use std::sync::Arc;
use std::time::Duration;

use futures_util::poll;
use tempfile::TempDir;

use super::tests::{StoppedClock, create_run, end_run, event_ids, gaps, new_log, read_all, tokens};
use super::{EventLog, Follower, Framing};
use crate::redact::Secrets;
use crate::run::store::contract::{done, record};
use crate::run::store::testing::{FaultStore, explore};
use crate::run::store::{RunChange, RunStore, SessionUse, SqliteStore};
use crate::types::{RunId, StreamEvent};

async fn follow(log: &EventLog, run: RunId, after: u64) -> Follower {
    log.follow(run, after, Framing::Sse).await.unwrap().unwrap()
}

/// A store in which another server writes, with the log of this one.
fn shared_store() -> (TempDir, Arc<SqliteStore>, EventLog, EventLog) {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(dir.path()).unwrap());
    let log = || EventLog::new(Arc::<SqliteStore>::clone(&store), Arc::new(StoppedClock));
    let (here, elsewhere) = (log(), log());
    (dir, store, here, elsewhere)
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_written_elsewhere_is_followed_to_its_end() {
    let (_dir, _store, here, elsewhere) = shared_store();
    let mut writer = create_run(&elsewhere).await;
    let reader = tokio::spawn(read_all(follow(&here, writer.run(), 0).await));
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(!reader.is_finished(), "the run has not ended");
    writer.append(&tokens(3, 1), RunChange::default()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    end_run(&mut writer).await;
    assert_eq!(event_ids(&reader.await.unwrap()), [1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_follower_waits_for_the_writer_that_continues_the_log() {
    let (_dir, store, log, _) = shared_store();
    let mut lost = create_run(&log).await;
    let run = lost.run();
    let reader = tokio::spawn(read_all(follow(&log, run, 0).await));
    lost.append(&tokens(1, 1), RunChange::default()).await.unwrap();
    drop(lost);
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(!reader.is_finished(), "the writer is gone, but the run has not ended");
    let lease = store.take_lease(run).await.unwrap();
    let row = store.run(run).await.unwrap().unwrap();
    let mut writer = log.reopen(lease, &row, Secrets::default());
    tokio::time::sleep(Duration::from_secs(2)).await;
    end_run(&mut writer).await;
    assert_eq!(event_ids(&reader.await.unwrap()), [1, 2, 3]);
}

#[tokio::test]
async fn an_earlier_writer_does_not_remove_the_entry_of_a_later_one() {
    let (_dir, store, log, _) = shared_store();
    let earlier = create_run(&log).await;
    let run = earlier.run();
    let lease = store.take_lease(run).await.unwrap();
    let row = store.run(run).await.unwrap().unwrap();
    let mut later = log.reopen(lease, &row, Secrets::default());
    drop(earlier);
    let mut follower = follow(&log, run, 1).await;
    assert!(poll!(std::pin::pin!(follower.next())).is_pending());
    later.append(&tokens(1, 1), RunChange::default()).await.unwrap();
    let received = poll!(std::pin::pin!(follower.next()));
    assert!(received.is_ready(), "received from the memory of the later writer, without a read of the store");
}

#[tokio::test]
async fn a_shutdown_ends_followers_of_logs_without_a_writer_only() {
    let (_dir, _store, here, elsewhere) = shared_store();
    let (remote, mut local) = (create_run(&elsewhere).await, create_run(&here).await);
    let (mut of_remote, mut of_local) = (follow(&here, remote.run(), 0).await, follow(&here, local.run(), 0).await);
    here.close();
    assert_eq!(event_ids(&of_remote.next().await.unwrap().unwrap()), [1], "what is stored is still delivered");
    assert!(of_remote.next().await.is_none());
    assert_eq!(event_ids(&of_local.next().await.unwrap().unwrap()), [1]);
    end_run(&mut local).await;
    assert_eq!(event_ids(&of_local.next().await.unwrap().unwrap()), [2]);
    assert!(of_local.next().await.is_none());
}

#[tokio::test]
async fn followers_of_a_run_that_was_not_stored_end() {
    let (_dir, log) = new_log();
    let run = record("ann", "demo", None);
    let first = [StreamEvent::RunQueued { position: 0 }];
    // The session does not exist, so the store rejects the run.
    assert!(log.create(run.clone(), SessionUse::Continues, &first, None, None).await.is_err());
    assert!(log.follow(run.id, 0, Framing::Sse).await.unwrap().is_none());
}

/// A run with ten events of which the given ones are damaged, and the rows of its chunks, one per event.
async fn damaged_run(damaged: &str) -> (TempDir, EventLog, RunId) {
    let dir = tempfile::tempdir().unwrap();
    let log = EventLog::new(Arc::new(SqliteStore::open(dir.path()).unwrap()), Arc::new(StoppedClock));
    let mut writer = create_run(&log).await;
    for _ in 0..8 {
        writer.append(&tokens(1, 1), RunChange::default()).await.unwrap();
    }
    end_run(&mut writer).await;
    let database = rusqlite::Connection::open(dir.path().join("openrunner.db")).unwrap();
    database.execute(&format!("UPDATE event_chunks SET body = x'00' WHERE first_seq IN ({damaged})"), []).unwrap();
    let run = writer.run();
    drop(writer);
    (dir, log, run)
}

#[tokio::test]
async fn a_damaged_end_is_announced_and_done_is_restored_from_the_row() {
    let (_dir, log, run) = damaged_run("8, 9, 10").await;
    for after in [0, 7, 8] {
        let read = read_all(follow(&log, run, after).await).await;
        assert_eq!(gaps(&read), [serde_json::json!({ "after": after.max(7), "next": 10 })], "after {after}");
        assert_eq!(event_ids(&read), (after + 1..=7).chain([10]).collect::<Vec<_>>());
        let text = String::from_utf8(read).unwrap();
        let line = text.lines().rfind(|line| line.starts_with("data: ")).unwrap();
        let event: serde_json::Value = serde_json::from_str(line.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!((&event["seq"], &event["type"], &event["ts"]), (&10.into(), &"done".into(), &"1970-01-01T00:00:02.000Z".into()));
        assert_eq!(event["result"], serde_json::json!(done().result));
    }
}

#[tokio::test]
async fn a_reader_that_reconnects_after_damage_receives_each_event_once_and_comes_to_an_end() {
    for damaged in ["1", "2, 3", "1, 5, 10", "1, 2, 3, 4, 5, 6, 7, 8, 9, 10"] {
        let (_dir, log, run) = damaged_run(damaged).await;
        let (mut cursor, mut seen) = (0, Vec::new());
        // As a browser does: it reconnects with the last number that it has received until the answer is that nothing follows.
        for connection in 0.. {
            assert!(connection <= 10, "reconnects forever");
            let mut follower = follow(&log, run, cursor).await;
            if follower.is_exhausted() {
                break;
            }
            let piece = read_all(follower).await;
            assert!(!piece.is_empty());
            seen.extend(event_ids(&piece));
            cursor = seen.last().copied().unwrap_or(cursor);
        }
        let expected = (1..=10).filter(|event| *event == 10 || !damaged.split(", ").any(|damaged| damaged == event.to_string()));
        assert_eq!(seen, expected.collect::<Vec<_>>(), "damaged: {damaged}");
    }
}

/// A run that is created, written and ended while observers that find its row read it.
#[test]
fn a_run_that_is_found_while_it_is_created_is_followed_to_its_end_in_every_order() {
    let limit = 50_000;
    let orders = explore(limit, |store| async move {
        let log = EventLog::new(Arc::new(store.clone()), Arc::new(StoppedClock));
        let run = record("ann", "demo", None);
        let id = run.id;
        let writing = async {
            let mut writer = log.create(run, SessionUse::Starts, &[StreamEvent::RunQueued { position: 0 }], None, None).await.unwrap();
            end_run(&mut writer).await;
        };
        let reading = async {
            if store.run(id).await.unwrap().is_some() {
                assert_eq!(event_ids(&read_all(follow(&log, id, 1).await).await), [2]);
            }
        };
        tokio::join!(writing, reading);
    });
    assert!(orders < limit, "not all orders were tried");
}

/// A writer that is lost, and another that takes its lease and ends the run, while a reader follows.
async fn lose_writer(store: FaultStore, is_local: bool) {
    let log = || EventLog::new(Arc::new(store.clone()), Arc::new(StoppedClock));
    let (here, elsewhere) = (log(), log());
    // Prepared without pauses.
    let created = create_run(&EventLog::new(Arc::new(store.inner().clone()), Arc::new(StoppedClock))).await;
    let run = created.run();
    let row = store.inner().run(run).await.unwrap().unwrap();
    let lost = here.reopen(store.inner().take_lease(run).await.unwrap(), &row, Secrets::default());
    let ending = async {
        drop(lost);
        let lease = store.take_lease(run).await.unwrap();
        let mut writer = here.reopen(lease, &row, Secrets::default());
        end_run(&mut writer).await;
    };
    let reading = async { event_ids(&read_all(follow(if is_local { &here } else { &elsewhere }, run, 1).await).await) };
    let ((), seen) = tokio::join!(ending, reading);
    assert_eq!(seen, [2]);
}

#[test]
fn readers_receive_the_end_of_a_run_whose_writer_was_lost_in_every_order() {
    for is_local in [true, false] {
        let limit = 20_000;
        let orders = explore(limit, |store| lose_writer(store, is_local));
        assert!(orders < limit, "not all orders were tried");
    }
}
