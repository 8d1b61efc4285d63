//! A store is moved to PostgreSQL and back, and is the same afterwards.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::types::Value;

use super::super::{PostgresStore, TransferError, transfer_from_sqlite, transfer_to_sqlite};
use crate::run::store::contract::{changes, create, done, record};
use crate::run::store::sqlite::Source;
use crate::run::store::testing::{new_database, postgres};
use crate::run::store::{
    ApiKeyRecord, Attempt, AuditEntry, AuditStore, ChatStore, Chunk, Idempotency, KeyStore, MessageAttachments, NewWebhook, NextAttempt,
    OpenError, ProfileRecord, ProfileStore, QuotaStore, RestoreError, RetentionStore, RunChange, RunFilter, RunRecord, RunStore,
    SearchText, SessionUse, SqliteStore, TokenStore, UsageFilter, UsageStore, UserRecord, UserStore, WebhookStore,
};
use crate::types::{
    Amount, AuditAction, Budget, KeyDefaults, KeyId, Limit, OutputCheckpoint, PerQuota, RunDone, RunId, RunStatus, Seq, Timestamp, TokenId,
    Usage, UserRef, UserRole,
};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn chunk(number: u64) -> Vec<Chunk> {
    let seq = Seq::new(number).unwrap();
    vec![Chunk { first: seq, last: seq, body: format!("{{\"seq\":{number},\"text\":\"äöü\"}}\n").into() }]
}

fn user(name: &str, role: UserRole) -> UserRecord {
    let UserRef { id, name } = UserRef::named(name);
    UserRecord {
        id,
        name,
        role,
        password_hash: "h".into(),
        default_password: true,
        generation: 3,
        budget: Budget::default(),
        quotas: PerQuota::new(|quota| Some(Limit::At(Amount::new(1_000_000 + quota as u64)))),
    }
}

/// Ids of a live run, one that ended, and one that was deleted and not yet removed.
async fn fill(store: &SqliteStore) -> [RunId; 3] {
    store.add_user(user("ann", UserRole::Admin), None).await.unwrap();
    store.add_user(user("gone", UserRole::User), None).await.unwrap();
    store.remove_user(UserRef::named("gone").id, None).await.unwrap();
    let key = ApiKeyRecord {
        id: KeyId::new(),
        owner: UserRef::named("ann"),
        name: "key".into(),
        hash: [7; 32],
        scopes: std::collections::BTreeSet::new(),
        created_at: at(1),
        expires_at: None,
        last_used_at: None,
        defaults: KeyDefaults { profile: Some("p".parse().unwrap()), ..KeyDefaults::default() },
    };
    store.add_key(key, None).await.unwrap();
    store.revoke_token(TokenId::new(), at(9_000), at(1), None).await.unwrap();
    let profile = ProfileRecord { name: "p".parse().unwrap(), profile: serde_json::from_str("{}").unwrap(), updated_at: at(1) };
    store.set_profile(profile, 9, None).await.unwrap();
    let entry = AuditEntry {
        created_at: at(1),
        user: Some(UserRef::named("ann")),
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
    let webhook = NewWebhook { url: Some("https://example.test/".into()), secret: Some("s".into()), events: None };
    let mut runs = Vec::new();
    for number in 0..3_u8 {
        let mut run = RunRecord {
            attachments: vec![vec![number; 100].into()],
            webhooks: vec![webhook.clone()],
            ..record("ann", "demo", Some(("team", "a\nb")))
        };
        run.spec.prompt = format!("find the needle {number}\0");
        run.spec.model = Some("large".into());
        let key = Idempotency { owner: run.owner.id, key: format!("k{number}"), fingerprint: [number; 32], at: at(2) };
        let lease = store.create_run(run.clone(), SessionUse::Starts, chunk(1), Some(key), None).await.unwrap();
        let checkpoint = OutputCheckpoint { out: 70, ..OutputCheckpoint::default() };
        let change = RunChange {
            checkpoint: Some(checkpoint),
            status: Some(RunStatus::Running),
            usage: Some((Usage { input_tokens: 5, cost_usd: Some(0.5), ..Usage::default() }, at(3))),
            changes: Some(Box::new(changes(1, Some(b"patch")))),
            attachments: Some(MessageAttachments { message: 1, contents: vec!["more".into()] }),
            ..RunChange::default()
        };
        store.append(&lease, chunk(2), change).await.unwrap();
        if number > 0 {
            let end = RunDone { usage: Some(Usage { input_tokens: 9, ..Usage::default() }), ..done() };
            let change = RunChange { status: Some(RunStatus::Completed), done: Some((end, at(4))), ..RunChange::default() };
            store.append(&lease, chunk(3), change).await.unwrap();
        }
        store.set_chat(run.session, Some([number; 32])).await.unwrap();
        store.workspace_kept(run.session, at(9)).await.unwrap();
        runs.push(run.id);
    }
    for webhook in store.active_webhooks(0, 9).await.unwrap() {
        let attempt = Attempt {
            webhook: webhook.id,
            message_id: "m".into(),
            seq: 1,
            event: "done".into(),
            host: "h".into(),
            at: at(5),
            http_status: Some(503),
            error: None,
            next: NextAttempt::RetryAt(at(6)),
        };
        store.record_attempt(attempt).await.unwrap();
    }
    store.begin_delete(runs[2], None).await.unwrap();
    [runs[0], runs[1], runs[2]]
}

/// Closes a store. Its thread unlocks the directory when it has ended.
async fn close(store: SqliteStore, data_dir: &Path) {
    drop(store);
    while let Err(RestoreError::DataDir(OpenError::InUse(_))) = Source::open(data_dir) {
        tokio::task::yield_now().await;
    }
}

/// All rows of all tables except the index of searches, as text.
fn content(data_dir: &Path) -> BTreeMap<String, Vec<String>> {
    let connection = rusqlite::Connection::open(data_dir.join("openrunner.db")).unwrap();
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'search_index%' AND name NOT LIKE 'sqlite_%'";
    let mut statement = connection.prepare(sql).unwrap();
    let names: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let rows = |name: &String| {
        let mut statement = connection.prepare(&format!("SELECT * FROM {name} WHERE '{name}' <> 'refinery_schema_history'")).unwrap();
        let columns = statement.column_count();
        let text = |row: &rusqlite::Row<'_>| {
            let values: Vec<Value> = (0..columns).map(|column| row.get(column).unwrap()).collect();
            Ok(format!("{values:?}"))
        };
        let mut rows: Vec<String> = statement.query_map([], text).unwrap().map(Result::unwrap).collect();
        rows.sort();
        rows
    };
    names.iter().map(|name| (name.clone(), rows(name))).collect()
}

#[tokio::test]
async fn a_store_is_the_same_after_it_was_moved_to_postgresql_and_back() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = SqliteStore::open(from.path()).unwrap();
    let [live, ended, _deleted] = fill(&store).await;
    let seen = |runs: Vec<RunRecord>| runs.into_iter().map(|run| (run.id, run)).collect::<BTreeMap<_, _>>();
    let before = seen(store.runs(RunFilter::default(), 9).await.unwrap());
    let (quota, usage) = (store.quota_use(UserRef::named("ann").id).await, store.total_usage(UsageFilter::default()).await);
    let node = store.node();
    close(store, from.path()).await;
    let before_content = content(from.path());
    // `orphans` only exist after a restore.
    let empty: Vec<&String> = before_content.iter().filter(|(_, rows)| rows.is_empty()).map(|(name, _)| name).collect();
    assert_eq!(empty, ["orphans", "refinery_schema_history"], "a table has no row in this test");

    let Some(url) = new_database() else { return };
    let mut steps = Vec::new();
    let moved = transfer_from_sqlite(from.path(), &url, |step| steps.push(step)).await.unwrap();
    assert_eq!((moved.runs, steps.iter().any(|step| step.table == "event_chunks" && step.rows == 8)), (2, true), "{steps:?}");

    let shared = PostgresStore::open_for_test(&url).await;
    assert_eq!(seen(shared.runs(RunFilter::default(), 9).await.unwrap()), before);
    assert_eq!((shared.quota_use(UserRef::named("ann").id).await, shared.total_usage(UsageFilter::default()).await), (quota, usage));
    assert_eq!(shared.node(), node, "leases name the node");
    let found = |text: &str| shared.search(SearchText::parse(text).unwrap(), RunFilter::default(), 9, std::time::Duration::from_mins(1));
    assert_eq!(found("needle 1").await.unwrap().len(), 1);
    let labeled = RunFilter { label: Some(("team".into(), "a\nb".into())), ..RunFilter::default() };
    assert_eq!(shared.runs(labeled, 9).await.unwrap().len(), 2);
    assert_eq!(shared.chunks(ended, 0, usize::MAX).await.unwrap().len(), 3);
    // It goes on: leases hold, and new rows get new numbers.
    let lease = before[&live].lease.unwrap();
    shared.append(&lease, chunk(3), RunChange::default()).await.unwrap();
    create(&shared, &RunRecord { webhooks: vec![NewWebhook::default()], ..record("ann", "demo", None) }).await;
    assert!(shared.remove_deleted(usize::MAX).await.unwrap().bytes > 0);
    drop(shared);

    // Back, from what was moved.
    let Some(second) = new_database() else { return };
    transfer_from_sqlite(from.path(), &second, |_| {}).await.unwrap();
    transfer_to_sqlite(&second, to.path(), |_| {}).await.unwrap();
    assert_eq!(content(to.path()), before_content);
    let back = SqliteStore::open(to.path()).unwrap();
    let text = SearchText::parse("needle 1").unwrap();
    assert_eq!(back.search(text, RunFilter::default(), 9, std::time::Duration::from_mins(1)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn nothing_is_moved_onto_something_or_beside_a_server() {
    let (from, empty) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let Some(url) = new_database() else { return };
    let refused = transfer_from_sqlite(empty.path(), &url, |_| {}).await.unwrap_err();
    assert!(matches!(refused, TransferError::Sqlite(RestoreError::NoDatabase(_))), "{refused:?}");
    let store = SqliteStore::open(from.path()).unwrap();
    fill(&store).await;
    let refused = transfer_from_sqlite(from.path(), &url, |_| {}).await.unwrap_err();
    assert!(refused.to_string().contains("another openrunner server"), "{refused:?}");
    close(store, from.path()).await;
    let server = PostgresStore::open_for_test(&url).await;
    let refused = transfer_from_sqlite(from.path(), &url, |_| {}).await.unwrap_err();
    assert!(refused.to_string().contains("another openrunner server"), "{refused:?}");
    server.add_user(user("bob", UserRole::Admin), None).await.unwrap();
    drop(server);
    let refused = transfer_from_sqlite(from.path(), &url, |_| {}).await.unwrap_err();
    assert!(matches!(refused, TransferError::NotEmpty), "{refused:?}");
    let refused = transfer_to_sqlite(&url, from.path(), |_| {}).await.unwrap_err();
    assert!(matches!(refused, TransferError::Sqlite(RestoreError::Occupied(_))), "{refused:?}");
}

// psql waits for the transaction, which another thread rolls back.
#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_that_fails_leaves_nothing() {
    let from = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(from.path()).unwrap();
    fill(&store).await;
    close(store, from.path()).await;
    let Some(url) = new_database() else { return };
    drop(PostgresStore::open_alongside_server(&url).await.unwrap());
    let database = url.split(['/', '?']).nth(3).unwrap();
    // A row is changed while it is written, and one is refused.
    for (body, statement) in
        [("NEW.prompt_was_here := NULL", "BEFORE INSERT ON usage_by_day"), ("NEW.detail := 'changed'", "BEFORE INSERT ON audit")]
    {
        let function = format!(
            "CREATE OR REPLACE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN {}; RETURN NEW; END'",
            body.replace('\'', "''")
        );
        postgres().sql(database, &function);
        postgres().sql(database, &format!("CREATE TRIGGER spoil {statement} FOR EACH ROW EXECUTE FUNCTION spoil()"));
        transfer_from_sqlite(from.path(), &url, |_| {}).await.unwrap_err();
        assert_eq!(postgres().sql(database, "SELECT (SELECT count(*) FROM runs) + (SELECT count(*) FROM users)"), "0");
        postgres().sql(database, "DROP FUNCTION spoil() CASCADE");
    }
    transfer_from_sqlite(from.path(), &url, |_| {}).await.unwrap();
}
