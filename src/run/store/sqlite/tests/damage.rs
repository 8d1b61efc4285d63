//! Damaged rows: what is affected, and what is not. Rules: W4.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ToSql};

use super::super::SqliteStore;
use super::super::sql::write_error;
use crate::run::store::contract::{add_run, changes, create, done, record, stored_run};
use crate::run::store::{
    ApiKeyRecord, Attempt, AuditEntry, AuditFilter, AuditStore, Chunk, DeliveryFilter, Idempotency, KeyStore, NewWebhook, NextAttempt,
    ProfileRecord, ProfileStore, RetentionStore, RunChange, RunFilter, RunRecord, RunStore, SearchText, SessionUse, StoreError, TokenStore,
    UsageFilter, UsageGroup, UsageStore, UserRecord, UserStore, WebhookStore,
};
use crate::types::{AuditAction, Budget, KeyId, PerQuota, Profile, RunDone, RunId, Seq, Timestamp, TokenId, Usage, UserRef, UserRole};

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
        let body = (first..=last).map(|number| format!("{{\"seq\":{number}}}\n")).collect::<Vec<_>>().concat();
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

/// Everything that a server reads from the store without being asked for one certain row, and the ids that it finds.
async fn read_all(store: &SqliteStore) -> BTreeMap<&'static str, Vec<String>> {
    let all = UsageFilter::default;
    let mut usage = Vec::new();
    for group in [UsageGroup::Day, UsageGroup::Owner, UsageGroup::AgentType, UsageGroup::Model, UsageGroup::Session, UsageGroup::Run] {
        usage.extend(store.usage(all(), group, None, 9).await.unwrap().into_iter().map(|record| record.key));
    }
    store.total_usage(all()).await.unwrap();
    let found = store.search(SearchText::parse("do it").unwrap(), RunFilter::default(), 9, Duration::from_mins(1));
    let labelled = RunFilter { label: Some(("team".into(), "a".into())), ..RunFilter::default() };
    let runs = |runs: Vec<RunRecord>| runs.into_iter().map(|run| run.id.to_string()).collect::<Vec<_>>();
    BTreeMap::from([
        ("runs", runs(store.runs(RunFilter::default(), 9).await.unwrap())),
        ("found", runs(found.await.unwrap())),
        ("labelled", runs(store.runs(labelled, 9).await.unwrap())),
        ("sessions", store.sessions(None, None, 9).await.unwrap().into_iter().map(|session| session.id.to_string()).collect()),
        ("users", store.users(None, 9).await.unwrap().into_iter().map(|user| user.name.to_string()).collect()),
        ("keys", store.keys(None, None, 9).await.unwrap().into_iter().map(|key| key.id.to_string()).collect()),
        ("profiles", store.profiles(9).await.unwrap().into_iter().map(|record| record.name.to_string()).collect()),
        ("audit", store.audit(AuditFilter::default(), 9).await.unwrap().into_iter().map(|entry| entry.id.to_string()).collect()),
        ("webhooks", store.active_webhooks(0, 9).await.unwrap().into_iter().map(|webhook| webhook.run.to_string()).collect()),
        ("deliveries", store.deliveries(DeliveryFilter::default(), 9).await.unwrap().into_iter().map(|sent| sent.id).collect()),
        ("unfinished", store.unfinished().await.unwrap().into_iter().map(|run| run.to_string()).collect()),
        ("orphans", store.orphans().await.unwrap().into_iter().map(|run| run.to_string()).collect()),
        ("removals", store.pending_removals(9).await.unwrap().into_iter().map(|removal| removal.run.to_string()).collect()),
        ("usage", usage),
    ])
}

/// Adds one row to every table, all of them about `owner`, and returns what must stay readable when the rows of another owner are damaged.
async fn add_rows(store: &SqliteStore, owner: &str) -> RunId {
    let (present, former) = (UserRef::named(owner), UserRef::named(&format!("former.{owner}")));
    let user = UserRecord {
        id: present.id,
        name: present.name.clone(),
        role: UserRole::Admin,
        password_hash: "hash".into(),
        default_password: false,
        generation: 1,
        budget: Budget::default(),
        quotas: PerQuota::default(),
    };
    for UserRef { id, name } in [present.clone(), former.clone()] {
        store.add_user(UserRecord { id, name, ..user.clone() }, None).await.unwrap();
    }
    store.remove_user(former.id, None).await.unwrap();
    let at = Timestamp::from_millis(1_000);
    let profile = ProfileRecord { name: owner.parse().unwrap(), profile: Profile::default(), updated_at: at };
    store.set_profile(profile, 9, None).await.unwrap();
    let key = ApiKeyRecord {
        id: KeyId::new(),
        owner: present.clone(),
        name: "ci".into(),
        hash: [u8::from(owner == "ann"); 32],
        scopes: BTreeSet::new(),
        created_at: at,
        expires_at: None,
        last_used_at: None,
        defaults: crate::types::KeyDefaults::default(),
    };
    store.add_key(key, None).await.unwrap();
    store.revoke_token(TokenId::new(), at, at, None).await.unwrap();
    let entry = AuditEntry {
        created_at: at,
        user: Some(present.clone()),
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
    store.add_audit(entry).await.unwrap();
    let run = RunRecord {
        webhooks: vec![NewWebhook::default()],
        attachments: vec!["content".into()],
        ..record(owner, "demo", Some(("team", "a")))
    };
    let idempotency = Idempotency { owner: present.id, key: "k".into(), fingerprint: [1; 32], at };
    let first = Chunk { first: Seq::FIRST, last: Seq::FIRST, body: "{}\n".into() };
    let lease = store.create_run(run.clone(), SessionUse::Starts, vec![first], Some(idempotency), None).await.unwrap();
    let usage = Usage { input_tokens: 1, ..Usage::default() };
    store
        .append(
            &lease,
            vec![],
            RunChange { usage: Some((usage, at)), changes: Some(Box::new(changes(1, Some(b"patch")))), ..RunChange::default() },
        )
        .await
        .unwrap();
    let webhook = store.active_webhooks(0, 9).await.unwrap().into_iter().find(|webhook| webhook.run == run.id).unwrap();
    let attempt = Attempt {
        webhook: webhook.id,
        message_id: owner.to_owned(),
        seq: 1,
        event: "done".into(),
        host: "example.test".into(),
        at,
        http_status: None,
        error: None,
        next: NextAttempt::RetryAt(at),
    };
    store.record_attempt(attempt).await.unwrap();
    let ended = create(store, &record(owner, "demo", None)).await;
    let end = RunChange { done: Some((done(), at)), ..RunChange::default() };
    store.append(&ended, vec![], end).await.unwrap();
    store.begin_delete(ended.run, None).await.unwrap();
    let id = run.id;
    let orphan = move |connection: &Connection| {
        connection.execute("INSERT INTO orphans (run_id) VALUES (?1)", [id.to_string()]).map(|_| ()).map_err(write_error)
    };
    store.writer.write(orphan).await.unwrap();
    run.id
}

/// The columns of all tables with rows: table, column, and type. Damage to the search index has a test of its own.
fn columns_of(path: &Path) -> Vec<(String, String, String)> {
    let connection = Connection::open(path).unwrap();
    let sql = "SELECT tables.name, columns.name, columns.type FROM sqlite_schema AS tables JOIN pragma_table_info(tables.name) AS columns
               WHERE tables.type = 'table' AND tables.name NOT LIKE 'sqlite_%' AND tables.name <> 'refinery_schema_history'
               AND tables.name NOT LIKE 'search_index%'";
    let mut statement = connection.prepare(sql).unwrap();
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn a_damaged_value_in_any_table_hides_no_other_row_from_any_list() {
    let dir = tempfile::tempdir().unwrap();
    let template = dir.path().join("template");
    // The rows of `ann` are first in each table.
    let (ann, bob, expected) = {
        let store = SqliteStore::open_alongside_server(dir.path()).unwrap();
        let (ann, bob) = (add_rows(&store, "ann").await, add_rows(&store, "bob").await);
        SqliteStore::back_up(dir.path(), &template, false).unwrap();
        (ann, bob, read_all(&store).await)
    };
    let mut tables = BTreeSet::new();
    for (number, (table, column, kind)) in columns_of(&template).into_iter().enumerate() {
        let values: &[&str] = match kind.as_str() {
            "TEXT" => &["CAST(x'ff' AS TEXT)", "'{'"],
            "INTEGER" => &["-9223372036854775808"],
            _ => &["x''"],
        };
        for (variant, value) in values.iter().enumerate() {
            let context = format!("{table}.{column} = {value}");
            let copy = dir.path().join(format!("{number}-{variant}"));
            std::fs::create_dir(&copy).unwrap();
            std::fs::copy(&template, copy.join("openrunner.db")).unwrap();
            let connection = Connection::open(copy.join("openrunner.db")).unwrap();
            connection.execute_batch("PRAGMA foreign_keys = OFF; DROP TRIGGER audit_no_update; DROP TRIGGER audit_no_delete;").unwrap();
            let key = match table.as_str() {
                "usage" => "run_id = (SELECT min(run_id) FROM usage)".to_owned(),
                "usage_by_day" | "quota_use" => format!("owner = '{}'", UserRef::named("ann").id),
                _ => format!("rowid = (SELECT min(rowid) FROM {table})"),
            };
            let sql = format!("UPDATE {table} SET {column} = {value} WHERE {key}");
            assert_eq!(connection.execute(&sql, []), Ok(1), "{context}");
            drop(connection);
            tables.insert(table.clone());

            let store = SqliteStore::open_alongside_server(&copy).unwrap_or_else(|error| panic!("{context}: {error}"));
            let found = read_all(&store).await;
            for (list, rows) in &expected {
                // What is in the list at most, and the row of `bob`, which is intact, at least.
                let lost: Vec<_> = rows.iter().filter(|row| !found[list].contains(row)).collect();
                assert!(lost.len() <= 1 || *list == "usage", "{context}: {list} lacks {lost:?}");
            }
            assert!(found["runs"].contains(&bob.to_string()) && found["users"].contains(&"bob".to_owned()), "{context}");
            // Single reads of the damaged row fail with an error that names it, or return what is still readable.
            for result in [store.run(ann).await.map(|_| ()), store.user(&"ann".parse().unwrap()).await.map(|_| ())] {
                assert!(matches!(result, Ok(()) | Err(StoreError::Damaged { .. })), "{context}: {result:?}");
            }
            assert!(matches!(store.log_tip(ann).await, Ok(_) | Err(StoreError::Damaged { .. })), "{context}");
            assert!(matches!(store.changes(ann).await, Ok(_) | Err(StoreError::Damaged { .. })), "{context}");
            assert!(store.changes(bob).await.unwrap().is_some(), "{context}");
            store.forget_damaged_removals().await.unwrap_or_else(|error| panic!("{context}: {error}"));
            for result in [store.key_by_hash([1; 8]).await.map(|_| ()), store.used_key(UserRef::named("ann").id, "k").await.map(|_| ())] {
                assert!(matches!(result, Ok(()) | Err(StoreError::Damaged { .. })), "{context}: {result:?}");
            }
            assert!(store.run(bob).await.unwrap().is_some(), "{context}");
            assert!(store.user(&"bob".parse().unwrap()).await.unwrap().is_some(), "{context}");
            assert!(store.key_by_hash([0; 8]).await.unwrap().is_some(), "{context}");
            // A run with a damaged row can be ended, and retention gets past it.
            if let Ok(lease) = store.take_lease(ann).await {
                let usage = Some(Usage { input_tokens: 2, ..Usage::default() });
                let end = RunDone { usage, ..done() };
                let change = RunChange { done: Some((end, Timestamp::from_millis(1))), ..RunChange::default() };
                store.append(&lease, vec![], change).await.unwrap_or_else(|error| panic!("{context}: {error}"));
            }
            for _ in 0..9 {
                store.remove_oldest(Timestamp::from_millis(9_000)).await.unwrap_or_else(|error| panic!("{context}: {error}"));
                store.remove_deleted(usize::MAX).await.unwrap_or_else(|error| panic!("{context}: {error}"));
                store.remove_audit(Timestamp::from_millis(9_000), 9).await.unwrap_or_else(|error| panic!("{context}: {error}"));
                store.trim_oldest(Timestamp::from_millis(9_000), usize::MAX).await.unwrap_or_else(|error| panic!("{context}: {error}"));
            }
            drop(store);
            std::fs::remove_dir_all(&copy).unwrap();
        }
    }
    assert_eq!(tables.len(), 23, "a table has no row in this test: {tables:?}");
}

#[tokio::test]
async fn a_page_is_filled_past_damaged_rows_which_are_counted_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    let mut runs = Vec::new();
    for _ in 0..8 {
        runs.push(stored_run(&store).await);
    }
    for run in &runs[2..7] {
        damage(&store, "UPDATE runs SET spec = '{' WHERE id = ?1", run.to_string()).await;
    }
    for _ in 0..2 {
        let found = store.runs(RunFilter::default(), 2).await.unwrap();
        assert_eq!(found.into_iter().map(|run| run.id).collect::<Vec<_>>(), [runs[7], runs[1]]);
    }
    assert_eq!(store.metrics().damaged_rows(), 5);
    assert!(matches!(store.run(runs[3]).await, Err(StoreError::Damaged { table: "runs", .. })));
    assert_eq!(store.unfinished().await.unwrap(), runs, "a damaged spec does not hide an unfinished run");
}

#[tokio::test]
async fn the_end_of_a_log_is_read_although_the_row_of_its_run_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    let lease = create(&store, &record("ann", "demo", None)).await;
    let at = Timestamp::from_millis(7);
    store.append(&lease, vec![], RunChange { done: Some((done(), at)), ..RunChange::default() }).await.unwrap();
    damage(&store, "UPDATE runs SET spec = '{', owner = 'no/name', status = 'lost' WHERE id = ?1", lease.run.to_string()).await;
    let tip = store.log_tip(lease.run).await.unwrap().unwrap();
    assert_eq!((tip.ended_at, tip.done), (Some(at), Some(done())));
    damage(&store, "UPDATE runs SET done = '{' WHERE id = ?1", lease.run.to_string()).await;
    let tip = store.log_tip(lease.run).await.unwrap().unwrap();
    assert_eq!((tip.ended_at, tip.done), (Some(at), None));
    damage(&store, "UPDATE runs SET last_seq = 0 WHERE id = ?1", lease.run.to_string()).await;
    assert!(matches!(store.log_tip(lease.run).await, Err(StoreError::Damaged { .. })));
}

#[tokio::test]
async fn damaged_entries_of_directories_to_remove_are_deleted_and_no_others() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    add_rows(&store, "ann").await;
    let before = store.pending_removals(9).await.unwrap();
    damage(&store, "INSERT INTO pending_removals (run_id, workspace) VALUES (?1, 1), (CAST(x'ff' AS TEXT), 0)", "no run").await;
    store.forget_damaged_removals().await.unwrap();
    assert_eq!(store.pending_removals(9).await.unwrap(), before);
    let count = |connection: &Connection| {
        connection.query_row("SELECT count(*) FROM pending_removals", [], |row| row.get::<_, i64>(0)).map_err(write_error)
    };
    assert_eq!(usize::try_from(store.writer.write(count).await.unwrap()).unwrap(), before.len());
}

#[tokio::test]
async fn a_damaged_user_does_not_hide_the_passwords_of_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    assert_eq!(SqliteStore::default_passwords(dir.path()).unwrap(), None);
    for name in ["ann", "bob"] {
        let user = UserRecord {
            id: UserRef::named(name).id,
            name: name.parse().unwrap(),
            role: UserRole::User,
            password_hash: "hash".into(),
            default_password: true,
            generation: 1,
            budget: Budget::default(),
            quotas: PerQuota::default(),
        };
        store.add_user(user, None).await.unwrap();
    }
    damage(&store, "UPDATE users SET name = CAST(x'ff' AS TEXT) WHERE name = ?1", "ann").await;
    let logins = SqliteStore::default_passwords(dir.path()).unwrap().unwrap();
    assert_eq!((logins.users, logins.damaged), (vec![("bob".to_owned(), true)], 1));
    damage(&store, "UPDATE users SET name = ?1 WHERE name = 'bob'", "no/name").await;
    let logins = SqliteStore::default_passwords(dir.path()).unwrap().unwrap();
    assert_eq!((logins.users, logins.damaged), (vec![], 2));
}

#[tokio::test]
async fn a_store_with_only_damaged_users_has_users() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    assert!(!store.has_users().await.unwrap());
    add_rows(&store, "ann").await;
    damage(&store, "UPDATE users SET role = ?1", "emperor").await;
    assert_eq!(store.users(None, 9).await.unwrap(), []);
    assert!(store.has_users().await.unwrap(), "a server would add users with default passwords");
}
