//! Files, modes, locks, full disks and backups. Rules: S10, W5.

use std::os::unix::fs::PermissionsExt;

use super::super::sql::{read_error, write_error};
use super::super::{BackupError, RestoreError, SqliteStore};
use crate::run::store::OpenError;
use crate::run::store::contract::{add_run, stored_run};
use crate::run::store::{AuditEntry, AuditFilter, AuditStore, RunStore, StoreError, UserStore};
use crate::types::{AuditAction, Timestamp, UserId};

#[tokio::test]
async fn a_second_server_on_a_data_directory_is_rejected_until_the_first_stops() {
    let dir = tempfile::tempdir().unwrap();
    let first = SqliteStore::open(dir.path()).unwrap();
    assert!(matches!(SqliteStore::open(dir.path()), Err(OpenError::InUse(_))));
    drop(first);
    // The writing thread unlocks the directory last.
    while matches!(SqliteStore::open(dir.path()), Err(OpenError::InUse(_))) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn only_the_owner_can_access_the_files_of_the_store() {
    let outer = tempfile::tempdir().unwrap();
    let dir = outer.path().join("data");
    let store = SqliteStore::open(&dir).unwrap();
    store.set_password(UserId::new(), "x".into()).await.unwrap();
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    for entry in std::fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[tokio::test]
async fn a_full_disk_rejects_writes_serves_reads_and_heals() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    let kept = stored_run(&store).await;
    let limit = async |pages: &'static str| {
        let set = move |connection: &rusqlite::Connection| {
            connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).map_err(write_error)
        };
        store.writer.write(set).await.unwrap();
    };
    limit("1").await; // makes SQLite report a full disk when it needs another page
    let big = add_run(&store, 1024 * 1024).await;
    assert!(matches!(big, Err(StoreError::Write(_))), "{big:?}");
    assert!(!store.is_healthy(), "healthy although the disk rejected a write");
    assert!(store.try_to_heal().await, "a write without a new page failed");
    assert!(store.is_healthy());
    assert!(store.run(kept).await.unwrap().is_some());
    limit("1000000").await;
    add_run(&store, 1024 * 1024).await.unwrap();
    assert!(store.is_healthy());
}

#[tokio::test]
async fn the_audit_log_is_append_only() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    let entry = AuditEntry {
        created_at: Timestamp::from_millis(1),
        user: None,
        key: None,
        address: None,
        action: AuditAction::Login,
        outcome: "ok".into(),
        run: None,
        target_user: None,
        target_username: None,
        target_key: None,
        detail: None,
    };
    store.add_audit(entry.clone()).await.unwrap();
    for sql in [
        "UPDATE audit SET outcome = 'x'",
        "DELETE FROM audit",
        "INSERT OR REPLACE INTO audit (id, created_at, action, outcome) VALUES (1, 1, 'login', 'x')",
    ] {
        let write = move |connection: &rusqlite::Connection| connection.execute(sql, []).map(|_rows| ()).map_err(write_error);
        let result = store.writer.write(write).await;
        assert!(matches!(&result, Err(StoreError::Write(why)) if why.contains("append-only")), "{sql}: {result:?}");
    }
    let kept = store.audit(AuditFilter::default(), 9).await.unwrap();
    assert_eq!(kept.into_iter().map(|record| record.entry).collect::<Vec<_>>(), [entry]);
}

#[tokio::test]
async fn a_store_alongside_a_server_shares_its_data_and_does_not_lock_it() {
    let dir = tempfile::tempdir().unwrap();
    let alongside = SqliteStore::open_alongside_server(dir.path()).unwrap();
    let server = SqliteStore::open(dir.path()).unwrap();
    let second = SqliteStore::open_alongside_server(dir.path()).unwrap();
    let run = stored_run(&alongside).await;
    assert!(server.run(run).await.unwrap().is_some());
    let run = stored_run(&server).await;
    assert!(second.run(run).await.unwrap().is_some());
}

/// A data directory with a store of one live run, and a backup of it.
async fn backed_up() -> (tempfile::TempDir, SqliteStore, std::path::PathBuf) {
    let outer = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&outer.path().join("data")).unwrap();
    stored_run(&store).await;
    let to = outer.path().join("backup");
    SqliteStore::back_up(&outer.path().join("data"), &to, false).unwrap();
    (outer, store, to)
}

#[tokio::test]
async fn only_the_owner_can_access_a_backup_and_no_temporary_file_is_left() {
    let (outer, _store, to) = backed_up().await;
    assert_eq!(to.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let names: std::collections::BTreeSet<_> = std::fs::read_dir(outer.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["backup", "data"].map(std::ffi::OsString::from).into());
}

#[tokio::test]
async fn a_backup_overwrites_a_file_only_on_request() {
    let (outer, store, to) = backed_up().await;
    let data = outer.path().join("data");
    std::fs::write(&to, "precious").unwrap();
    assert!(matches!(SqliteStore::back_up(&data, &to, false), Err(BackupError::Exists(_))));
    assert_eq!(std::fs::read(&to).unwrap(), b"precious");
    stored_run(&store).await;
    assert_eq!(SqliteStore::back_up(&data, &to, true).unwrap().runs, 2);
    assert!(matches!(SqliteStore::back_up(&outer.path().join("none"), &outer.path().join("x"), false), Err(BackupError::NoDatabase(_))));
    assert!(!outer.path().join("x").exists());
}

#[tokio::test]
async fn a_backup_is_restored_only_without_a_server_and_without_a_database() {
    let (outer, store, to) = backed_up().await;
    let (data, fresh) = (outer.path().join("data"), outer.path().join("fresh"));
    assert!(
        matches!(SqliteStore::restore(&to, &data, true), Err(RestoreError::DataDir(OpenError::InUse(_)))),
        "a server uses the directory"
    );
    let restored = SqliteStore::restore(&to, &fresh, false).unwrap();
    assert_eq!((restored.runs, restored.live, restored.replaced), (1, 1, None));
    assert!(matches!(SqliteStore::restore(&to, &fresh, false), Err(RestoreError::NotEmpty(_))));
    stored_run(&store).await;
    let second = SqliteStore::restore(&to, &fresh, true).unwrap();
    let replaced = second.replaced.unwrap();
    assert!(replaced.exists());
    let names = std::fs::read_dir(&fresh).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: std::collections::BTreeSet<_> = names.collect();
    assert_eq!(names, ["openrunner.db", "openrunner.db.replaced", "openrunner.lock"].map(String::from).into());
    let opened = SqliteStore::open(&fresh).unwrap();
    assert_ne!(opened.node(), store.node(), "the server that the backup was made of may still be this node");
    assert_eq!(opened.orphans().await.unwrap(), opened.unfinished().await.unwrap());
    let vacuum: u32 = opened
        .writer
        .write(|connection| connection.pragma_query_value(None, "auto_vacuum", |row| row.get(0)).map_err(read_error))
        .await
        .unwrap();
    assert_eq!(vacuum, 2, "incremental vacuum is off after a restore");
}

#[tokio::test]
async fn only_intact_backups_are_restored() {
    let (outer, _store, to) = backed_up().await;
    let fresh = outer.path().join("fresh");
    let altered = |name: &str, change: &dyn Fn(&rusqlite::Connection)| {
        let path = outer.path().join(name);
        std::fs::copy(&to, &path).unwrap();
        change(&rusqlite::Connection::open(&path).unwrap());
        path
    };
    let later = altered("later", &|file| {
        file.execute("INSERT INTO refinery_schema_history (version, name) VALUES (4711, 'later')", []).map(|_| ()).unwrap();
    });
    let result = SqliteStore::restore(&later, &fresh, false);
    assert!(matches!(result, Err(RestoreError::Later { version: 4711, .. })), "{result:?}");
    let other = altered("other", &|file| file.execute_batch("DROP TABLE event_chunks").unwrap());
    assert!(matches!(SqliteStore::restore(&other, &fresh, false), Err(RestoreError::NotABackup(_))));
    let text = outer.path().join("text");
    std::fs::write(&text, "no database ".repeat(1000)).unwrap();
    assert!(matches!(SqliteStore::restore(&text, &fresh, false), Err(RestoreError::NotABackup(_))));
    let truncated = outer.path().join("truncated");
    let complete = std::fs::read(&to).unwrap();
    std::fs::write(&truncated, &complete[..complete.len() - 4096 * 3]).unwrap();
    let result = SqliteStore::restore(&truncated, &fresh, false);
    assert!(matches!(result, Err(RestoreError::Damaged { .. } | RestoreError::NotABackup(_))), "{result:?}");
    assert!(matches!(SqliteStore::restore(&outer.path().join("none"), &fresh, false), Err(RestoreError::Io { .. })));
    let left: Vec<_> = std::fs::read_dir(&fresh).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["openrunner.lock"], "a file was left");
}

#[tokio::test]
async fn stats_do_not_create_a_store() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(SqliteStore::stats(dir.path(), None).unwrap(), None);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    let store = SqliteStore::open(dir.path()).unwrap();
    stored_run(&store).await;
    let stats = SqliteStore::stats(dir.path(), Some(Timestamp::from_millis(9_000))).unwrap().unwrap();
    assert_eq!((stats.runs, stats.expired), (1, 0), "a live run does not expire");
    assert!(stats.size.used > 0);
}

#[test]
fn a_database_with_other_migrations_is_rejected() {
    for change in [
        "UPDATE refinery_schema_history SET checksum = '1' WHERE version = 1",
        "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) VALUES (2, 'later', '2026-11-22T13:05:00Z', '1')",
        "DELETE FROM refinery_schema_history WHERE version = 1",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let mut connection = rusqlite::Connection::open(dir.path().join("openrunner.db")).unwrap();
        super::super::connection::embedded::migrations::runner().run(&mut connection).unwrap();
        connection.execute(change, []).unwrap();
        drop(connection);
        let result = SqliteStore::open(dir.path());
        assert!(matches!(result, Err(OpenError::Migration(_))), "{change}: {result:?}");
    }
}
