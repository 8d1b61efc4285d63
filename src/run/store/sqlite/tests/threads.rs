//! The writing thread and the reading threads: panics, dropped callers, dropped stores.

use std::sync::{Arc, mpsc};

use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use super::super::SqliteStore;
use super::super::sql::{read_error, write_error};
use crate::run::store::contract::stored_run;
use crate::run::store::{RunStore, StoreError};

fn open() -> (tempfile::TempDir, SqliteStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    (dir, store)
}

/// Adds a row to a table that has no other use in these tests.
fn add_row(id: &str) -> impl FnOnce(&rusqlite::Connection) -> Result<(), StoreError> + Send + 'static {
    let id = id.to_owned();
    move |connection| {
        connection.execute("INSERT INTO revoked_tokens (id, expires_at) VALUES (?1, 1)", [id]).map(|_rows| ()).map_err(write_error)
    }
}

async fn rows(store: &SqliteStore) -> Vec<String> {
    let read = |connection: &rusqlite::Connection| {
        let mut statement = connection.prepare("SELECT id FROM revoked_tokens ORDER BY id").map_err(read_error)?;
        let rows = statement.query_map([], |row| row.get(0)).map_err(read_error)?;
        rows.collect::<Result<_, _>>().map_err(read_error)
    };
    store.read(read).await.unwrap()
}

/// Occupies the writing thread until the sender is used or dropped. Returns once it is occupied.
async fn occupy_writer(store: &SqliteStore, tasks: &TaskTracker) -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel::<()>();
    let (occupied, is_occupied) = tokio::sync::oneshot::channel();
    let store = store.clone();
    tasks.spawn(async move {
        let wait = move |_: &rusqlite::Connection| {
            let _ = occupied.send(());
            let _ = released.recv();
            Ok(())
        };
        store.writer.write(wait).await
    });
    is_occupied.await.unwrap();
    release
}

#[tokio::test]
async fn a_job_that_panics_fails_alone_and_leaves_no_trace() {
    let (_dir, store) = open();
    let panicking = || {
        let add = add_row("panicked");
        store.writer.write(move |connection| {
            add(connection)?;
            assert!(connection.is_autocommit(), "a bug");
            Ok(())
        })
    };
    assert_eq!(panicking().await, Err(StoreError::Internal("a bug".into())), "alone in its transaction");
    // In one transaction with others: those that are queued while the thread is occupied.
    let tasks = TaskTracker::new();
    let release = occupy_writer(&store, &tasks).await;
    let (before, panicked, after) = (store.writer.write(add_row("before")), panicking(), store.writer.write(add_row("after")));
    let group = async { tokio::join!(biased; before, panicked, after) };
    let (group, _sent) = tokio::join!(biased; group, async { release.send(()) });
    assert_eq!(group, (Ok(()), Err(StoreError::Internal("a bug".into())), Ok(())));
    assert_eq!(rows(&store).await, ["after", "before"]);
    assert!(store.is_healthy(), "a bug in one operation does not mean that the disk is full");
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("the thread dies");
    }
}

#[tokio::test]
async fn a_dead_writing_thread_is_unhealthy_and_no_caller_waits_forever() {
    let (_dir, store) = open();
    let run = stored_run(&store).await;
    // What a panic carries is dropped after it was caught, so this second panic ends the thread.
    let die = |_: &rusqlite::Connection| -> Result<(), StoreError> { std::panic::panic_any(PanicsWhenDropped) };
    assert_eq!(store.writer.write(die).await, Err(StoreError::Closed));
    assert_eq!(store.writer.write(add_row("late")).await, Err(StoreError::Closed));
    assert!(!store.is_healthy() && !store.try_to_heal().await);
    assert!(store.run(run).await.unwrap().is_some(), "reads continue");
}

#[tokio::test]
async fn queued_jobs_are_completed_although_their_callers_and_the_store_are_dropped() {
    let (dir, store) = open();
    let tasks = TaskTracker::new();
    let release = occupy_writer(&store, &tasks).await;
    for id in ["a", "b"] {
        let mut write = Box::pin(store.writer.write(add_row(id)));
        assert!(futures_util::poll!(&mut write).is_pending());
        drop(write);
    }
    drop(store);
    release.send(()).unwrap();
    tasks.close();
    tasks.wait().await;
    // The writing thread unlocks the directory when it has completed its jobs.
    let reopened = loop {
        match SqliteStore::open(dir.path()) {
            Ok(store) => break store,
            Err(_in_use) => tokio::task::yield_now().await,
        }
    };
    assert_eq!(rows(&reopened).await, ["a", "b"]);
}

#[tokio::test]
async fn a_read_counts_until_it_ends_although_its_caller_is_gone() {
    let (_dir, store) = open();
    let run = stored_run(&store).await;
    let permits = store.read_permits();
    let all = permits.available_permits();
    let mut releases = Vec::new();
    for _ in 0..all {
        let (release, signal) = mpsc::channel::<()>();
        let mut read = Box::pin(store.read(move |_| {
            let _ = signal.recv();
            Ok(())
        }));
        assert!(futures_util::poll!(&mut read).is_pending());
        drop(read);
        releases.push(release);
    }
    assert_eq!(permits.available_permits(), 0, "a dropped caller freed the place of a read that continues");
    let mut waiting = Box::pin(store.run(run));
    assert!(futures_util::poll!(&mut waiting).is_pending());
    drop(releases);
    assert!(waiting.await.unwrap().is_some());
}

#[tokio::test]
async fn reads_that_are_not_polled_keep_no_connection_from_others() {
    let (_dir, store) = open();
    let run = stored_run(&store).await;
    let permits = store.read_permits();
    let count = u32::try_from(permits.available_permits()).unwrap();
    let all = permits.acquire_many_owned(count).await.unwrap();
    let mut suspended: Vec<_> = (0..count).map(|_| Box::pin(store.run(run))).collect();
    for read in &mut suspended {
        assert!(futures_util::poll!(read).is_pending());
    }
    drop(all);
    assert!(store.run(run).await.unwrap().is_some());
    for read in suspended {
        assert!(read.await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_read_whose_caller_stops_waiting_for_a_connection_is_not_made() {
    let (_dir, store) = open();
    let permits = store.read_permits();
    let count = u32::try_from(permits.available_permits()).unwrap();
    let all = Arc::clone(&permits).acquire_many_owned(count).await.unwrap();
    let (work, was_run) = oneshot::channel::<()>();
    let mut read = Box::pin(store.read(move |_| Ok(work.send(()).is_ok())));
    assert!(futures_util::poll!(&mut read).is_pending());
    drop(read);
    drop(all);
    assert!(was_run.await.is_err(), "the work was done although its caller is gone");
}

#[tokio::test]
async fn a_read_that_panics_fails_alone() {
    let (_dir, store) = open();
    let run = stored_run(&store).await;
    for _ in 0..9 {
        let result = store.read(|_| -> Result<(), StoreError> { panic!("a bug") }).await;
        assert_eq!(result, Err(StoreError::Internal("a bug".into())));
    }
    assert!(store.run(run).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_of_many_callers_that_share_transactions_are_durable_when_they_are_reported() {
    let (dir, store) = open();
    let tasks = TaskTracker::new();
    let writers: Vec<_> = (0..30)
        .map(|writer| {
            let store = store.clone();
            let path = dir.path().join(super::super::connection::FILE_NAME);
            tasks.spawn(async move {
                let reader = rusqlite::Connection::open(path).unwrap();
                for round in 0..10 {
                    let id = format!("{writer:02}-{round}");
                    // One of them fails, in a transaction with others.
                    let fails = writer == 7 && round == 5;
                    let add = add_row(&id);
                    let written = store.writer.write(move |connection| {
                        add(connection)?;
                        if fails { Err(StoreError::Closed) } else { Ok(()) }
                    });
                    assert_eq!(written.await.is_err(), fails);
                    let count: i64 =
                        reader.query_row("SELECT count(*) FROM revoked_tokens WHERE id = ?1", [&id], |row| row.get(0)).unwrap();
                    assert_eq!(count, i64::from(!fails), "{id} as another process sees it");
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(rows(&store).await.len(), 30 * 10 - 1);
}
