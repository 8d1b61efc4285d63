//! What only the `SQLite` store owes: files, modes, locks, damage.

use std::os::unix::fs::PermissionsExt;

use super::{BackupError, OpenError, RestoreError, SqliteStore};
use crate::run::store::{AuditEntry, AuditFilter, AuditStore, RunStore, StoreError, UsageFilter, UsageGroup, UsageStore, UserStore};
use crate::types::{AuditAction, Timestamp};

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
        created_at: Timestamp::from_millis(1),
        username: None,
        key: None,
        address: None,
        action: AuditAction::Login,
        outcome: "ok".into(),
        run: None,
        target_username: None,
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

/// A data folder with a store of one ended and one live run, and a backup of it.
async fn backed_up() -> (tempfile::TempDir, SqliteStore, std::path::PathBuf) {
    let outer = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&outer.path().join("data")).unwrap();
    super::super::contract::stored_run(&store).await;
    let to = outer.path().join("backup");
    SqliteStore::back_up(&outer.path().join("data"), &to, false).unwrap();
    (outer, store, to)
}

#[tokio::test]
async fn s10_a_backup_is_its_owners_alone_and_nothing_is_left_beside_it() {
    let (outer, _store, to) = backed_up().await;
    assert_eq!(to.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let names: std::collections::BTreeSet<_> = std::fs::read_dir(outer.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["backup", "data"].map(std::ffi::OsString::from).into());
}

#[tokio::test]
async fn a_backup_overwrites_nothing_unless_it_is_told_to() {
    let (outer, store, to) = backed_up().await;
    let data = outer.path().join("data");
    std::fs::write(&to, "precious").unwrap();
    assert!(matches!(SqliteStore::back_up(&data, &to, false), Err(BackupError::Exists(_))));
    assert_eq!(std::fs::read(&to).unwrap(), b"precious");
    super::super::contract::stored_run(&store).await;
    assert_eq!(SqliteStore::back_up(&data, &to, true).unwrap().runs, 2);
    assert!(matches!(SqliteStore::back_up(&outer.path().join("none"), &outer.path().join("x"), false), Err(BackupError::Nothing(_))));
    assert!(!outer.path().join("x").exists());
}

#[tokio::test]
async fn a_backup_is_restored_into_a_folder_without_a_server_and_without_a_database() {
    let (outer, store, to) = backed_up().await;
    let (data, fresh) = (outer.path().join("data"), outer.path().join("fresh"));
    assert!(matches!(SqliteStore::restore(&to, &data, true), Err(RestoreError::Folder(OpenError::InUse(_)))), "a server works there");
    let restored = SqliteStore::restore(&to, &fresh, false).unwrap();
    assert_eq!((restored.runs, restored.live, restored.replaced), (1, 1, None));
    assert!(matches!(SqliteStore::restore(&to, &fresh, false), Err(RestoreError::NotEmpty(_))));
    super::super::contract::stored_run(&store).await;
    let second = SqliteStore::restore(&to, &fresh, true).unwrap();
    let replaced = second.replaced.unwrap();
    assert!(replaced.exists());
    let names = std::fs::read_dir(&fresh).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: std::collections::BTreeSet<_> = names.collect();
    assert_eq!(names, ["openrunner.db", "openrunner.db.replaced", "openrunner.lock"].map(String::from).into());
    let opened = SqliteStore::open(&fresh).unwrap();
    assert_eq!(opened.orphans().await.unwrap(), opened.unfinished().await.unwrap());
    let vacuum: u32 = opened
        .writer
        .write(|connection| connection.pragma_query_value(None, "auto_vacuum", |row| row.get(0)).map_err(super::decode::reading))
        .await
        .unwrap();
    assert_eq!(vacuum, 2, "it can still give room back to the disk");
}

#[tokio::test]
async fn what_is_no_whole_backup_of_ours_is_not_restored() {
    let (outer, _store, to) = backed_up().await;
    let fresh = outer.path().join("fresh");
    let put = |name: &str, change: &dyn Fn(&rusqlite::Connection)| {
        let path = outer.path().join(name);
        std::fs::copy(&to, &path).unwrap();
        change(&rusqlite::Connection::open(&path).unwrap());
        path
    };
    let later = put("later", &|file| {
        file.execute("INSERT INTO refinery_schema_history (version, name) VALUES (4711, 'later')", []).map(|_| ()).unwrap();
    });
    let refused = SqliteStore::restore(&later, &fresh, false);
    assert!(matches!(refused, Err(RestoreError::Later { version: 4711, .. })), "{refused:?}");
    let other = put("other", &|file| file.execute_batch("DROP TABLE event_chunks").unwrap());
    assert!(matches!(SqliteStore::restore(&other, &fresh, false), Err(RestoreError::NotABackup(_))));
    let text = outer.path().join("text");
    std::fs::write(&text, "no database ".repeat(1000)).unwrap();
    assert!(matches!(SqliteStore::restore(&text, &fresh, false), Err(RestoreError::NotABackup(_))));
    let torn = outer.path().join("torn");
    let whole = std::fs::read(&to).unwrap();
    std::fs::write(&torn, &whole[..whole.len() - 4096 * 3]).unwrap();
    let refused = SqliteStore::restore(&torn, &fresh, false);
    assert!(matches!(refused, Err(RestoreError::Damaged { .. } | RestoreError::NotABackup(_))), "{refused:?}");
    assert!(matches!(SqliteStore::restore(&outer.path().join("none"), &fresh, false), Err(RestoreError::Io { .. })));
    let left: Vec<_> = std::fs::read_dir(&fresh).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["openrunner.lock"], "nothing of them is left");
}

#[tokio::test]
async fn a_survey_looks_at_a_store_and_makes_none() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(SqliteStore::survey(folder.path(), None).unwrap(), None);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let store = SqliteStore::open(folder.path()).unwrap();
    super::super::contract::stored_run(&store).await;
    let survey = SqliteStore::survey(folder.path(), Some(Timestamp::from_millis(9_000))).unwrap().unwrap();
    assert_eq!((survey.runs, survey.old), (1, 0), "it has not ended");
    assert!(survey.size.used > 0);
}

#[test]
fn a_database_whose_migrations_were_others_is_refused() {
    for change in
        ["UPDATE refinery_schema_history SET checksum = '1' WHERE version = 2", "DELETE FROM refinery_schema_history WHERE version = 1"]
    {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = rusqlite::Connection::open(folder.path().join("openrunner.db")).unwrap();
        super::connection::embedded::migrations::runner().run(&mut connection).unwrap();
        connection.execute(change, []).unwrap();
        drop(connection);
        let refused = SqliteStore::open(folder.path());
        assert!(matches!(refused, Err(super::OpenError::Migration(_))), "{change}: {refused:?}");
    }
}

#[tokio::test]
async fn what_runs_of_an_earlier_release_have_used_is_counted_when_its_database_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let mut connection = rusqlite::Connection::open(folder.path().join("openrunner.db")).unwrap();
    let target = refinery::Target::Version(3);
    super::connection::embedded::migrations::runner().set_target(target).run(&mut connection).unwrap();
    let done = [
        r#"{"usage":{"input_tokens":5,"output_tokens":2,"cache_read_tokens":1,"cache_write_tokens":1,"reasoning_tokens":0,"cost_usd":0.25,"cost_is_estimate":true}}"#,
        r#"{"usage":{"input_tokens":18446744073709551615,"output_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,"reasoning_tokens":0,"cost_is_estimate":false}}"#,
        "{}",
        "damaged",
    ];
    connection
        .execute("INSERT INTO sessions (id, owner, agent_type, working_dir, created_at) VALUES ('s', 'ann', 'demo', '\"/\"', 1)", [])
        .unwrap();
    for (number, done) in done.iter().enumerate() {
        let sql = r#"INSERT INTO runs (id, session_id, owner, agent_type, status, spec, widened, created_at, ended_at, last_seq, done)
                     VALUES (?1, 's', 'ann', 'demo', 'completed', '{"model":"large"}', '[]', 1, 86400000, 1, ?2)"#;
        connection.execute(sql, rusqlite::params![number.to_string(), done]).unwrap();
    }
    drop(connection);
    let store = SqliteStore::open(folder.path()).unwrap();
    for (group, key) in [(UsageGroup::Day, "1970-01-02"), (UsageGroup::Model, "large"), (UsageGroup::Session, "s")] {
        let found = store.usage(UsageFilter::default(), group, None, 9).await.unwrap();
        let [record] = &found[..] else { panic!("{found:?}") };
        let sum = record.sum;
        assert_eq!((record.key.as_str(), sum.completed, sum.unpriced), (key, 3, 1));
        assert_eq!((sum.input_tokens, sum.output_tokens, sum.is_estimate), (1_000_000_000_005, 2, true));
        assert_eq!(sum.cost, Some(crate::types::Money::from_reported(0.25)));
    }
}
