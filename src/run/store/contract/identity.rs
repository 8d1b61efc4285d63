//! What every store must do for users, API keys, tokens and the audit log.
//!
//! Rules: I10.

use std::collections::BTreeSet;

use super::fixtures::{at, batch, contract, create, done, record};
use crate::run::store::{
    ApiKeyRecord, AuditEntry, AuditFilter, AuditStore, KeyStore, OwnerFilter, RunChange, RunFilter, RunRecord, RunStore, TokenStore,
    UsageFilter, UsageGroup, UsageStore, UserChange, UserEdit, UserRecord, UserStore,
};
use crate::types::{
    AuditAction, Budget, KeyDefaults, KeyId, OnDisconnect, PerQuota, RunId, RunStatus, Scope, TokenId, UserId, UserName, UserRef, UserRole,
};

fn name(text: &str) -> UserName {
    text.parse().unwrap()
}

fn user(text: &str, role: UserRole) -> UserRecord {
    let UserRef { id, name } = UserRef::named(text);
    UserRecord {
        id,
        name,
        role,
        password_hash: "h1".into(),
        default_password: true,
        generation: 1,
        budget: Budget::default(),
        quotas: PerQuota::default(),
    }
}

/// A change of only the role.
fn set_role(role: UserRole) -> UserEdit {
    UserEdit { role: Some(role), ..UserEdit::default() }
}

fn key(owner: &str, hash: u8, scopes: &[Scope]) -> ApiKeyRecord {
    ApiKeyRecord {
        id: KeyId::new(),
        owner: UserRef::named(owner),
        name: "ci \"x\"".into(),
        hash: [hash; 32],
        scopes: scopes.iter().copied().collect::<BTreeSet<_>>(),
        created_at: at(1_000),
        expires_at: Some(at(9_000)),
        last_used_at: None,
        defaults: KeyDefaults {
            profile: Some("team".parse().unwrap()),
            session: Some("chat 7".into()),
            directory: Some("/srv".into()),
            on_disconnect: Some(OnDisconnect::Cancel),
        },
    }
}

async fn a_new_password_clears_the_default_and_invalidates_tokens(store: &dyn UserStore) {
    let carol = user("carol", UserRole::User);
    assert!(store.add_user(carol.clone(), None).await.unwrap());
    assert!(!store.add_user(UserRecord { password_hash: "h2".into(), ..carol.clone() }, None).await.unwrap());
    assert_eq!(store.user(&carol.name).await.unwrap(), Some(carol.clone()));
    assert!(store.set_password(carol.id, "h3".into()).await.unwrap());
    let read = store.user(&carol.name).await.unwrap().unwrap();
    assert_eq!((read.password_hash.as_str(), read.default_password, read.generation), ("h3", false, 2));
    assert!(!store.set_password(UserId::new(), "h".into()).await.unwrap());
    assert_eq!(store.user(&name("unknown")).await.unwrap(), None);
}

async fn a_role_can_change_but_the_last_admin_stays(store: &dyn UserStore) {
    let (ann, bob) = (user("ann", UserRole::Admin), user("bob", UserRole::User));
    for user in [&ann, &bob] {
        store.add_user(user.clone(), None).await.unwrap();
    }
    assert_eq!(
        store.change_user(ann.id, UserEdit { password_hash: Some("h2".into()), ..set_role(UserRole::User) }, None).await.unwrap(),
        UserChange::LastAdmin
    );
    assert_eq!(store.remove_user(ann.id, None).await.unwrap(), UserChange::LastAdmin);
    assert_eq!(store.user(&ann.name).await.unwrap(), Some(ann.clone()), "the password changed");
    assert_eq!(store.change_user(ann.id, set_role(UserRole::Admin), None).await.unwrap(), UserChange::Done);
    assert_eq!(store.change_user(bob.id, set_role(UserRole::Admin), None).await.unwrap(), UserChange::Done);
    assert_eq!(store.user(&bob.name).await.unwrap(), Some(UserRecord { role: UserRole::Admin, ..bob.clone() }));
    // Of two concurrent removals, one fails.
    let (first, second) = tokio::join!(store.remove_user(ann.id, None), store.remove_user(bob.id, None));
    let mut outcomes = [first.unwrap(), second.unwrap()];
    outcomes.sort_by_key(|outcome| *outcome == UserChange::LastAdmin);
    assert_eq!(outcomes, [UserChange::Done, UserChange::LastAdmin]);
    assert_eq!(store.remove_user(UserId::new(), None).await.unwrap(), UserChange::NotFound);
    assert_eq!(store.change_user(UserId::new(), UserEdit::default(), None).await.unwrap(), UserChange::NotFound);
}

async fn the_name_of_a_removed_user_can_be_used_again_but_not_the_id(store: &dyn UserStore) {
    let dora = user("dora", UserRole::User);
    assert!(store.add_user(dora.clone(), None).await.unwrap());
    assert_eq!(store.user_by_id(dora.id).await.unwrap(), Some(dora.clone()));
    assert!(!store.add_user(UserRecord { id: UserId::new(), ..dora.clone() }, None).await.unwrap(), "the name is taken");
    assert!(!store.add_user(UserRecord { name: name("other"), ..dora.clone() }, None).await.unwrap(), "the id is taken");
    assert_eq!(store.remove_user(dora.id, None).await.unwrap(), UserChange::Done);
    assert_eq!((store.user(&dora.name).await.unwrap(), store.user_by_id(dora.id).await.unwrap()), (None, None));
    assert_eq!(store.remove_user(dora.id, None).await.unwrap(), UserChange::NotFound);
    assert!(!store.add_user(dora.clone(), None).await.unwrap(), "an id is used once");
    let second = UserRecord { id: UserId::new(), ..dora.clone() };
    assert!(store.add_user(second.clone(), None).await.unwrap());
    assert_eq!(store.user(&dora.name).await.unwrap(), Some(second.clone()));
    assert_eq!(store.user_by_id(dora.id).await.unwrap(), None);
}

async fn what_belonged_to_a_removed_user_keeps_its_owner_and_shows_the_name(store: &(impl UserStore + RunStore + UsageStore)) {
    let (first, second) = (user("hal", UserRole::User), UserRecord { id: UserId::new(), ..user("hal", UserRole::User) });
    let run = RunRecord { owner: first.reference(), ..record("hal", "demo", None) };
    store.add_user(first.clone(), None).await.unwrap();
    let lease = create(store, &run).await;
    let end = RunChange { status: Some(RunStatus::Completed), done: Some((done(), at(2_000))), ..RunChange::default() };
    store.append(&lease, batch(2, 2), end).await.unwrap();
    store.remove_user(first.id, None).await.unwrap();
    store.add_user(second.clone(), None).await.unwrap();
    let owner_of = |owner: &UserRef| (owner.id, owner.name.to_string());
    assert_eq!(owner_of(&store.run(run.id).await.unwrap().unwrap().owner), (first.id, "hal".into()));
    assert_eq!(owner_of(&store.session(run.session).await.unwrap().unwrap().owner), (first.id, "hal".into()));
    let runs = async |owner| store.runs(RunFilter { owner: Some(owner), ..RunFilter::default() }, 9).await.unwrap().len();
    assert_eq!(runs(OwnerFilter::Id(first.id)).await, 1);
    assert_eq!(runs(OwnerFilter::Id(second.id)).await, 0);
    assert_eq!(runs(OwnerFilter::Name(name("hal"))).await, 1, "an admin finds the run under the name that it shows");
    assert_eq!(runs(OwnerFilter::Name(name("other"))).await, 0);
    assert_eq!(store.sessions(Some(second.id), None, 9).await.unwrap(), []);
    let used = async |owner| {
        let filter = UsageFilter { owner: Some(owner), ..UsageFilter::default() };
        let groups = store.usage(filter, UsageGroup::Owner, None, 9).await.unwrap();
        groups.into_iter().map(|group| (group.key, group.sum.completed)).collect::<Vec<_>>()
    };
    assert_eq!(used(OwnerFilter::Id(first.id)).await, [("hal".to_owned(), 1)]);
    assert_eq!(used(OwnerFilter::Name(name("hal"))).await, [("hal".to_owned(), 1)]);
    assert_eq!(used(OwnerFilter::Id(second.id)).await, []);
}

async fn users_are_sorted_by_name_and_paged(store: &dyn UserStore) {
    for text in ["zoe", "anna", "mia"] {
        store.add_user(user(text, UserRole::User), None).await.unwrap();
    }
    let names = async |after: Option<&str>, limit| {
        let users = store.users(after.map(name), limit).await.unwrap();
        users.into_iter().map(|user| user.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(None, 2).await, ["anna", "mia"]);
    assert_eq!(names(Some("mia"), 2).await, ["zoe"]);
}

async fn a_key_is_found_by_id_and_by_the_prefix_of_its_hash(store: &(impl UserStore + KeyStore)) {
    store.add_user(user("erik", UserRole::User), None).await.unwrap();
    let first = key("erik", 1, &[Scope::RunsRead, Scope::Admin]);
    assert!(store.add_key(first.clone(), None).await.unwrap());
    assert!(!store.add_key(key("unknown", 9, &[Scope::RunsRead]), None).await.unwrap());
    assert_eq!(store.key(first.id).await.unwrap(), Some(first.clone()));
    assert_eq!(store.key_by_hash([1; 8]).await.unwrap(), Some(first.clone()));
    assert_eq!(store.key_by_hash([2; 8]).await.unwrap(), None);
    let used = at(5_000);
    store.key_used(first.id, used).await.unwrap();
    assert_eq!(store.key(first.id).await.unwrap().unwrap().last_used_at, Some(used));
    assert!(store.remove_key(first.id, None).await.unwrap());
    assert!(!store.remove_key(first.id, None).await.unwrap());
    assert_eq!(store.key_by_hash([1; 8]).await.unwrap(), None);
}

async fn keys_are_listed_newest_first_and_removed_with_their_owner(store: &(impl UserStore + KeyStore)) {
    for text in ["fay", "gus"] {
        store.add_user(user(text, UserRole::User), None).await.unwrap();
    }
    let keys = [key("fay", 1, &[Scope::RunsRead]), key("gus", 2, &[Scope::RunsRead]), key("fay", 3, &[Scope::RunsWrite])];
    for key in &keys {
        assert!(store.add_key(key.clone(), None).await.unwrap());
    }
    let ids = async |owner: Option<&str>, before, limit| {
        let keys = store.keys(owner.map(|owner| UserRef::named(owner).id), before, limit).await.unwrap();
        keys.into_iter().map(|key| key.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(None, None, 2).await, [keys[2].id, keys[1].id]);
    assert_eq!(ids(None, Some(keys[1].id), 2).await, [keys[0].id]);
    assert_eq!(ids(Some("fay"), None, 9).await, [keys[2].id, keys[0].id]);
    assert_eq!(store.remove_user(UserRef::named("fay").id, None).await.unwrap(), UserChange::Done);
    assert_eq!(ids(None, None, 9).await, [keys[1].id]);
}

async fn a_revoked_token_is_kept_until_it_would_have_expired(store: &dyn TokenStore) {
    let (one, other) = (TokenId::new(), TokenId::new());
    assert!(!store.is_revoked(one).await.unwrap());
    for _twice in 0..2 {
        store.revoke_token(one, at(2_000), at(1_000), None).await.unwrap();
    }
    assert!(store.is_revoked(one).await.unwrap() && !store.is_revoked(other).await.unwrap());
    store.revoke_token(other, at(9_000), at(3_000), None).await.unwrap();
    assert!(!store.is_revoked(one).await.unwrap(), "an expired entry was kept");
    assert!(store.is_revoked(other).await.unwrap());
}

async fn the_audit_log_is_filtered_and_paged(store: &dyn AuditStore) {
    let (run, key) = (RunId::new(), KeyId::new());
    let entry = |user: Option<&str>, action, millis| AuditEntry {
        created_at: at(millis),
        user: user.map(UserRef::named),
        key: None,
        address: Some("::1".parse().unwrap()),
        action,
        outcome: "ok".into(),
        run: None,
        target_user: None,
        target_username: None,
        target_key: None,
        detail: None,
    };
    let full = AuditEntry {
        key: Some(key),
        run: Some(run),
        target_user: Some(UserRef::named("bob").id),
        target_username: Some(name("bob")),
        target_key: Some(key),
        detail: Some("role=admin".into()),
        ..entry(Some("ann"), AuditAction::RunCancel, 2_000)
    };
    for entry in [entry(Some("ann"), AuditAction::Login, 1_000), full.clone(), entry(None, AuditAction::Login, 3_000)] {
        store.add_audit(entry).await.unwrap();
    }
    let times = async |filter: AuditFilter| {
        let found = store.audit(filter, 9).await.unwrap();
        found.into_iter().map(|record| record.entry.created_at.as_millis()).collect::<Vec<_>>()
    };
    let all = AuditFilter::default;
    assert_eq!(times(all()).await, [3_000, 2_000, 1_000]);
    assert_eq!(times(AuditFilter { username: Some(name("ann")), ..all() }).await, [2_000, 1_000]);
    assert_eq!(times(AuditFilter { action: Some(AuditAction::Login), ..all() }).await, [3_000, 1_000]);
    assert_eq!(times(AuditFilter { run: Some(run), ..all() }).await, [2_000]);
    assert_eq!(times(AuditFilter { since: Some(at(2_000)), ..all() }).await, [3_000, 2_000]);
    let page = store.audit(all(), 2).await.unwrap();
    assert_eq!(page[1].entry, full);
    assert_eq!(times(AuditFilter { before: Some(page[1].id), ..all() }).await, [1_000]);
}

contract! {
    a_new_password_clears_the_default_and_invalidates_tokens,
    a_role_can_change_but_the_last_admin_stays,
    the_name_of_a_removed_user_can_be_used_again_but_not_the_id,
    what_belonged_to_a_removed_user_keeps_its_owner_and_shows_the_name,
    users_are_sorted_by_name_and_paged,
    a_key_is_found_by_id_and_by_the_prefix_of_its_hash,
    keys_are_listed_newest_first_and_removed_with_their_owner,
    a_revoked_token_is_kept_until_it_would_have_expired,
    the_audit_log_is_filtered_and_paged,
}
