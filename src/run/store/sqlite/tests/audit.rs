//! A change and its audit entry are stored together or not at all, wherever the write is interrupted.

use std::sync::atomic::Ordering;

use rusqlite::types::Value;

use super::super::SqliteStore;
use super::atomicity::{dump, interrupt_at};
use crate::run::store::{
    ApiKeyRecord, AuditEntry, AuditFilter, AuditStore, Audited, KeyStore, StoreError, TokenStore, UserChange, UserEdit, UserRecord,
    UserStore,
};
use crate::types::{AuditAction, Budget, KeyId, Scope, Timestamp, TokenId, UserName, UserRole};

/// The changes of users, keys and tokens.
#[derive(Clone, Copy, Debug)]
enum Change {
    AddUser(&'static str),
    ChangeUser(&'static str, UserRole),
    RemoveUser(&'static str),
    AddKey(&'static str),
    RemoveKey(KeyId),
    RevokeToken(TokenId),
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
        }
    }

    /// Returns whether anything was changed.
    async fn make(self, store: &SqliteStore, audit: Audited) -> Result<bool, StoreError> {
        let audit = Some(audit);
        match self {
            Self::AddUser(name) => store.add_user(user(name, UserRole::User), audit).await,
            Self::ChangeUser(name, role) => {
                let edit = UserEdit { role: Some(role), password_hash: Some("h2".into()), ..UserEdit::default() };
                store.change_user(&name.parse().unwrap(), edit, audit).await.map(|change| change == UserChange::Done)
            }
            Self::RemoveUser(name) => store.remove_user(&name.parse().unwrap(), audit).await.map(|change| change == UserChange::Done),
            Self::AddKey(owner) => store.add_key(key(KeyId::new(), owner, 2), audit).await,
            Self::RemoveKey(id) => store.remove_key(id, audit).await,
            Self::RevokeToken(id) => store.revoke_token(id, at(9_000), at(1_000), audit).await.map(|()| true),
        }
    }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn user(name: &str, role: UserRole) -> UserRecord {
    let name: UserName = name.parse().unwrap();
    UserRecord { name, role, password_hash: "h1".into(), default_password: false, generation: 1, budget: Budget::default() }
}

fn key(id: KeyId, owner: &str, hash: u8) -> ApiKeyRecord {
    ApiKeyRecord {
        id,
        owner: owner.parse().unwrap(),
        name: "ci".into(),
        hash: [hash; 32],
        scopes: [Scope::RunsRead].into(),
        created_at: at(1_000),
        expires_at: None,
        last_used_at: None,
    }
}

/// A store with an admin, a user and a key of that user.
async fn store_with_key(id: KeyId) -> SqliteStore {
    let store = SqliteStore::in_memory();
    store.add_user(user("root", UserRole::Admin), None).await.unwrap();
    store.add_user(user("ann", UserRole::User), None).await.unwrap();
    store.add_key(key(id, "ann", 1), None).await.unwrap();
    store
}

fn audited(change: Change) -> Audited {
    Audited::new(AuditEntry {
        created_at: at(1_000),
        username: Some("root".parse().unwrap()),
        key: None,
        address: None,
        action: change.action(),
        outcome: "ok".into(),
        run: None,
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
    ];
    for change in changes {
        let mut store = store_with_key(id).await;
        let (mut nth, mut interrupted, mut lost_replies) = (1, 0, 0);
        loop {
            let (before, audit) = (content(&store), audited(change));
            let fired = interrupt_at(&store, nth);
            let result = change.make(&store, audit.clone()).await;
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
                store = store_with_key(id).await;
            }
            nth += 1;
        }
        assert!(interrupted > 10 && lost_replies <= 1, "{change:?}: {interrupted} interruptions, {lost_replies} after the commit");
    }
}

#[tokio::test]
async fn a_change_that_is_refused_leaves_no_entry() {
    let store = store_with_key(KeyId::new()).await;
    let before = content(&store);
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
        assert_eq!(change.make(&store, audit.clone()).await, Ok(false), "{change:?}");
        assert!(!audit.is_stored(), "{change:?}");
    }
    assert_eq!((content(&store), entries(&store).await), (before, vec![]));
}
