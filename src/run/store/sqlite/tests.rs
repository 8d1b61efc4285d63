//! What only the `SQLite` store owes: files, modes, locks, damage.

use std::os::unix::fs::PermissionsExt;

use super::{OpenError, SqliteStore};
use crate::run::store::{AuditEntry, AuditFilter, AuditStore, RunStore, StoreError, UserStore};
use crate::types::{Action, Timestamp};

#[tokio::test]
async fn a_second_server_on_the_same_folder_is_refused_until_the_first_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let first = SqliteStore::open(folder.path()).unwrap();
    assert!(matches!(SqliteStore::open(folder.path()), Err(OpenError::InUse(_))));
    drop(first);
    // The writing thread gives up the folder as its last act.
    while matches!(SqliteStore::open(folder.path()), Err(OpenError::InUse(_))) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn s10_the_files_of_the_store_are_the_owners_alone() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("data");
    let store = SqliteStore::open(&folder).unwrap();
    store.set_password(&"nobody".parse().unwrap(), "x".into()).await.unwrap();
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[tokio::test]
async fn w4_a_damaged_chunk_is_reported_and_other_runs_are_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let (damaged, whole) = (super::super::contract::stored_run(&store).await, super::super::contract::stored_run(&store).await);
    store
        .writer
        .write(move |connection| {
            let sql = "UPDATE event_chunks SET body = x'00' WHERE run_id = ?1";
            connection.execute(sql, [damaged.to_string()]).map(|_| ()).map_err(|error| super::decode::writing(&error))
        })
        .await
        .unwrap();
    assert!(matches!(store.chunks(damaged, 0, usize::MAX).await, Err(StoreError::Damaged { table: "event_chunks", .. })));
    assert_eq!(store.chunks(whole, 0, usize::MAX).await.unwrap().len(), 1);
}

#[tokio::test]
async fn w5_a_full_disk_refuses_writes_keeps_serving_reads_and_heals() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let kept = super::super::contract::stored_run(&store).await;
    let limit = async |pages: &'static str| {
        let set = move |connection: &rusqlite::Connection| {
            connection
                .query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
                .map_err(|error| super::decode::writing(&error))
        };
        store.writer.write(set).await.unwrap();
    };
    limit("1").await; // SQLite's own full disk: not one page more than there are
    let big = super::super::contract::add_run(&store, 1024 * 1024).await;
    assert!(matches!(big, Err(StoreError::Write(_))), "{big:?}");
    assert!(!store.is_healthy(), "although what was left of the transaction could be committed");
    assert!(store.try_to_heal().await, "a write that needs no new page");
    assert!(store.is_healthy());
    assert!(store.run(kept).await.unwrap().is_some());
    limit("1000000").await;
    super::super::contract::add_run(&store, 1024 * 1024).await.unwrap();
    assert!(store.is_healthy());
}

#[tokio::test]
async fn the_audit_log_can_be_neither_changed_nor_shortened() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let entry = AuditEntry {
        at: Timestamp::from_millis(1),
        user: None,
        key: None,
        address: None,
        action: Action::Login,
        outcome: "ok".into(),
        run: None,
        target_user: None,
        target_key: None,
        detail: None,
    };
    store.add_audit(entry.clone()).await.unwrap();
    for sql in [
        "UPDATE audit SET outcome = 'x'",
        "DELETE FROM audit",
        "INSERT OR REPLACE INTO audit (id, at, action, outcome) VALUES (1, 1, 'login', 'x')",
    ] {
        let write = move |connection: &rusqlite::Connection| {
            connection.execute(sql, []).map(|_rows| ()).map_err(|error| super::decode::writing(&error))
        };
        let refused = store.writer.write(write).await;
        assert!(matches!(&refused, Err(StoreError::Write(why)) if why.contains("only ever added to")), "{sql}: {refused:?}");
    }
    let kept = store.audit(AuditFilter::default(), 9).await.unwrap();
    assert_eq!(kept.into_iter().map(|record| record.entry).collect::<Vec<_>>(), [entry]);
}

#[tokio::test]
async fn a_store_beside_a_server_sees_and_is_seen_and_locks_nobody_out() {
    let folder = tempfile::tempdir().unwrap();
    let beside = SqliteStore::open_beside_a_server(folder.path()).unwrap();
    let server = SqliteStore::open(folder.path()).unwrap();
    let second = SqliteStore::open_beside_a_server(folder.path()).unwrap();
    let run = super::super::contract::stored_run(&beside).await;
    assert!(server.run(run).await.unwrap().is_some());
    let run = super::super::contract::stored_run(&server).await;
    assert!(second.run(run).await.unwrap().is_some());
}
