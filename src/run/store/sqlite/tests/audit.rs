//! A change and its audit entry are stored together or not at all, wherever the write is interrupted.
//!
//! Rules: D12.

use std::sync::atomic::Ordering;

use rusqlite::types::Value;

use super::super::SqliteStore;
use super::atomicity::{dump, interrupt_at};
use crate::run::store::contract::{create, done, record};
use crate::run::store::{
    ApiKeyRecord, AuditEntry, AuditFilter, AuditStore, Audited, Chunk, Deleted, KeyStore, RunChange, RunStore, SessionUse, StoreError,
    TokenStore, UserChange, UserEdit, UserRecord, UserStore,
};
use crate::types::{AuditAction, Budget, KeyId, Lease, PerQuota, RunId, RunStatus, Scope, Seq, Timestamp, TokenId, UserRef, UserRole};

/// The changes that are audited.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::enum_variant_names, reason = "named as the methods of the store")]
enum Change {
    AddUser(&'static str),
    ChangeUser(&'static str, UserRole),
    RemoveUser(&'static str),
    AddKey(&'static str),
    RemoveKey(KeyId),
    RevokeToken(TokenId),
    CreateRun,
    /// Of the live run.
    Append,
    /// Of the live run.
    SetStatus,
    /// Of the ended run.
    DeleteRun,
}

impl Change {
    fn action(self) -> AuditAction {
        match self {
            Self::AddUser(_) => AuditAction::UserCreate,
            Self::ChangeUser(..) => AuditAction::UserChange,
            Self::RemoveUser(_) => AuditAction::UserDelete,
            Self::AddKey(_) => AuditAction::KeyCreate,
            Self::RemoveKey(_) => AuditAction::KeyDelete,
            Self::RevokeToken(_) => AuditAction::Logout,
            Self::CreateRun => AuditAction::RunCreate,
            Self::Append => AuditAction::RunMessage,
            Self::SetStatus => AuditAction::RunCancel,
            Self::DeleteRun => AuditAction::RunDelete,
        }
    }

    /// Returns whether anything was changed.
    async fn make(self, fixture: &Fixture, audit: Audited) -> Result<bool, StoreError> {
        let (store, audit) = (&fixture.store, Some(audit));
        match self {
            Self::AddUser(name) => store.add_user(user(name, UserRole::User), audit).await,
            Self::ChangeUser(name, role) => {
                let edit = UserEdit { role: Some(role), password_hash: Some("h2".into()), ..UserEdit::default() };
                store.change_user(UserRef::named(name).id, edit, audit).await.map(|change| change == UserChange::Done)
            }
            Self::RemoveUser(name) => store.remove_user(UserRef::named(name).id, audit).await.map(|change| change == UserChange::Done),
            Self::AddKey(owner) => store.add_key(key(KeyId::new(), owner, 2), audit).await,
            Self::RemoveKey(id) => store.remove_key(id, audit).await,
            Self::RevokeToken(id) => store.revoke_token(id, at(9_000), at(1_000), audit).await.map(|()| true),
            Self::CreateRun => {
                let run = record("ann", "demo", None);
                store.create_run(run, SessionUse::Starts, vec![chunk(1)], None, audit).await.map(|_lease| true)
            }
            Self::Append => {
                let change = RunChange { audit: audit.into_iter().collect(), ..RunChange::default() };
                store.append(&fixture.live, vec![chunk(2)], change).await.map(|()| true)
            }
            Self::SetStatus => {
                let change = RunChange { status: Some(RunStatus::Stopping), audit: audit.into_iter().collect(), ..RunChange::default() };
                store.append(&fixture.live, vec![], change).await.map(|()| true)
            }
            Self::DeleteRun => store.begin_delete(fixture.ended, audit).await.map(|deleted| matches!(deleted, Deleted::Done { .. })),
        }
    }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn user(name: &str, role: UserRole) -> UserRecord {
    let UserRef { id, name } = UserRef::named(name);
    UserRecord {
        id,
        name,
        role,
        password_hash: "h1".into(),
        default_password: false,
        generation: 1,
        budget: Budget::default(),
        quotas: PerQuota::default(),
    }
}

fn key(id: KeyId, owner: &str, hash: u8) -> ApiKeyRecord {
    ApiKeyRecord {
        id,
        owner: UserRef::named(owner),
        name: "ci".into(),
        hash: [hash; 32],
        scopes: [Scope::RunsRead].into(),
        created_at: at(1_000),
        expires_at: None,
        last_used_at: None,
        defaults: crate::types::KeyDefaults::default(),
    }
}

fn chunk(number: u64) -> Chunk {
    let seq = Seq::new(number).unwrap();
    Chunk { first: seq, last: seq, body: format!("{{\"seq\":{number}}}\n").into() }
}

/// A store with an admin, a user with a key, a live run and an ended one.
struct Fixture {
    store: SqliteStore,
    live: Lease,
    ended: RunId,
}

impl Fixture {
    async fn new(id: KeyId) -> Self {
        let store = SqliteStore::in_memory();
        store.add_user(user("root", UserRole::Admin), None).await.unwrap();
        store.add_user(user("ann", UserRole::User), None).await.unwrap();
        store.add_key(key(id, "ann", 1), None).await.unwrap();
        let live = create(&store, &record("ann", "demo", None)).await;
        let ended = create(&store, &record("ann", "demo", None)).await;
        let end = RunChange { status: Some(RunStatus::Completed), done: Some((done(), at(2_000))), ..RunChange::default() };
        store.append(&ended, vec![chunk(2)], end).await.unwrap();
        Self { store, live, ended: ended.run }
    }
}

fn audited(change: Change) -> Audited {
    Audited::new(AuditEntry {
        created_at: at(1_000),
        user: Some(UserRef::named("root")),
        key: None,
        address: None,
        action: change.action(),
        outcome: "ok".into(),
        run: None,
        target_user: None,
        target_username: None,
        target_key: None,
        detail: None,
    })
}

async fn entries(store: &SqliteStore) -> Vec<AuditEntry> {
    let found = store.audit(AuditFilter::default(), 9).await.unwrap();
    found.into_iter().map(|record| record.entry).collect()
}

/// Every row of every table except for the audit log.
fn content(store: &SqliteStore) -> Vec<(String, Vec<Vec<Value>>)> {
    dump(store).into_iter().filter(|(table, _)| table != "audit" && !table.starts_with("sqlite_")).collect()
}

#[tokio::test]
async fn an_interrupted_change_leaves_neither_its_effect_nor_its_entry_and_any_other_leaves_both() {
    let id = KeyId::new();
    let changes = [
        Change::AddUser("bob"),
        Change::ChangeUser("ann", UserRole::Admin),
        Change::RemoveUser("ann"),
        Change::AddKey("ann"),
        Change::RemoveKey(id),
        Change::RevokeToken(TokenId::new()),
        Change::CreateRun,
        Change::Append,
        Change::SetStatus,
        Change::DeleteRun,
    ];
    for change in changes {
        let mut fixture = Fixture::new(id).await;
        let (mut nth, mut interrupted, mut lost_replies) = (1, 0, 0);
        loop {
            let (store, audit) = (fixture.store.clone(), audited(change));
            let before = content(&store);
            let fired = interrupt_at(&store, nth);
            let result = change.make(&fixture, audit.clone()).await;
            store.inline().lock().progress_handler(1, None::<fn() -> bool>).unwrap();
            let has_effect = content(&store) != before;
            let expected = if has_effect { vec![audit.entry().clone()] } else { vec![] };
            assert_eq!(entries(&store).await, expected, "{change:?}, instruction {nth}");
            if result.is_err() {
                // The last instruction of a commit can be interrupted after it took effect.
                lost_replies += usize::from(has_effect);
                interrupted += 1;
                assert!(!audit.is_stored(), "{change:?}, instruction {nth}");
            } else {
                assert_eq!(result, Ok(true), "{change:?}");
                assert!(has_effect && audit.is_stored(), "{change:?}, instruction {nth}");
                if !fired.load(Ordering::Relaxed) {
                    break;
                }
            }
            if has_effect {
                fixture = Fixture::new(id).await;
            }
            nth += 1;
        }
        assert!(interrupted > 10 && lost_replies <= 1, "{change:?}: {interrupted} interruptions, {lost_replies} after the commit");
    }
}

#[tokio::test]
async fn only_old_entries_can_be_removed_and_only_through_retention() {
    let fixture = Fixture::new(KeyId::new()).await;
    let store = &fixture.store;
    let now = Timestamp::from_millis(store.inline().lock().query_row("SELECT unixepoch() * 1000", [], |row| row.get(0)).unwrap());
    for created_at in [at(1_000), at(2_000), now, at(3_000)] {
        let entry = AuditEntry { created_at, ..audited(Change::AddKey("ann")).entry().clone() };
        store.add_audit(entry).await.unwrap();
    }
    let rejected = |sql: &str| store.inline().lock().execute_batch(sql).unwrap_err().to_string();
    for sql in [
        "DELETE FROM audit",
        "DELETE FROM audit WHERE created_at = 1000",
        "UPDATE audit SET created_at = 0",
        "REPLACE INTO audit SELECT * FROM audit",
    ] {
        assert!(rejected(sql).contains("append-only"), "{sql}");
    }
    for sql in ["UPDATE audit_retention SET removable_before = unixepoch() * 1000", "INSERT INTO audit_retention VALUES (0)"] {
        assert!(rejected(sql).contains("audit log"), "{sql}");
    }
    let times = async || entries(store).await.into_iter().map(|entry| entry.created_at).collect::<Vec<_>>();
    assert_eq!(store.remove_audit(at(2_000), 9).await, Ok(false));
    assert_eq!(times().await, [at(3_000), now, at(2_000)]);
    // Neither the newest entry nor one of the last day is removed.
    assert_eq!(store.remove_audit(Timestamp::from_millis(i64::MAX), 1).await, Ok(true));
    assert_eq!(store.remove_audit(Timestamp::from_millis(i64::MAX), 1).await, Ok(false));
    assert_eq!(times().await, [at(3_000), now]);
    // What retention has allowed to be removed does not include later entries, and without its row nothing can be removed.
    assert!(rejected("DELETE FROM audit").contains("append-only"));
    store.inline().lock().execute_batch("DELETE FROM audit_retention").unwrap();
    store.add_audit(audited(Change::AddKey("ann")).entry().clone()).await.unwrap();
    assert!(rejected("DELETE FROM audit WHERE created_at = 3000").contains("append-only"));
}

#[tokio::test]
async fn a_change_that_is_refused_leaves_no_entry() {
    let fixture = Fixture::new(KeyId::new()).await;
    let store = &fixture.store;
    let before = content(store);
    let refused = [
        Change::AddUser("ann"),
        Change::ChangeUser("root", UserRole::User),
        Change::ChangeUser("unknown", UserRole::User),
        Change::RemoveUser("root"),
        Change::RemoveUser("unknown"),
        Change::AddKey("unknown"),
        Change::RemoveKey(KeyId::new()),
    ];
    for change in refused {
        let audit = audited(change);
        assert_eq!(change.make(&fixture, audit.clone()).await, Ok(false), "{change:?}");
        assert!(!audit.is_stored(), "{change:?}");
    }
    let change = RunChange { audit: vec![audited(Change::Append)], ..RunChange::default() };
    assert!(matches!(store.append(&fixture.live, vec![chunk(9)], change).await, Err(StoreError::NotNext { .. })));
    assert_eq!(store.begin_delete(fixture.live.run, Some(audited(Change::DeleteRun))).await, Ok(Deleted::Live));
    assert_eq!((content(store), entries(store).await), (before, vec![]));
}
