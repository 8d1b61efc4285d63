//! What every store must do for quotas.

use super::fixtures::{at, batch, contract, create, done, record};
use crate::run::store::{
    ApiKeyRecord, KeyStore, OverQuota, QuotaStore, RetentionStore, RunChange, RunRecord, RunStore, SessionUse, StoreError, UserChange,
    UserEdit, UserRecord, UserStore,
};
use crate::types::{
    Amount, Budget, KeyDefaults, KeyId, Lease, Limit, LimitChange, OutputCheckpoint, PerQuota, Quota, QuotaChange, SessionId, UserId,
    UserRef, UserRole,
};

fn user(name: &str, quotas: PerQuota<Option<Limit<Amount>>>) -> UserRecord {
    let UserRef { id, name } = UserRef::named(name);
    UserRecord {
        id,
        name,
        role: UserRole::Admin,
        password_hash: "h".into(),
        default_password: false,
        generation: 1,
        budget: Budget::default(),
        quotas,
    }
}

/// Quotas of which only one is set.
fn only(quota: Quota, amount: u64) -> PerQuota<Option<Limit<Amount>>> {
    PerQuota::new(|other| (other == quota).then(|| Limit::At(Amount::new(amount))))
}

fn refusal(quota: Quota, used: u64, allowed: u64) -> StoreError {
    StoreError::OverQuota(OverQuota { quota, used, allowed })
}

/// A run in a fresh workspace.
fn in_workspace(owner: &str) -> RunRecord {
    let mut run = record(owner, "demo", None);
    run.spec.working_dir = format!("/data/workspaces/{}", run.id).into();
    run
}

async fn try_create(store: &dyn RunStore, owner: &str) -> Result<Lease, StoreError> {
    store.create_run(in_workspace(owner), SessionUse::Starts, batch(1, 1), None, None).await
}

fn key(owner: &str, hash: u8) -> ApiKeyRecord {
    ApiKeyRecord {
        id: KeyId::new(),
        owner: UserRef::named(owner),
        name: "key".into(),
        hash: [hash; 32],
        scopes: std::collections::BTreeSet::new(),
        created_at: at(1),
        expires_at: None,
        last_used_at: None,
        defaults: KeyDefaults::default(),
    }
}

async fn used(store: &dyn QuotaStore, owner: UserId) -> PerQuota<u64> {
    store.quota_use(owner).await.unwrap().used
}

async fn own_quotas_are_stored_with_the_user_and_change_one_by_one(store: &(impl UserStore + QuotaStore)) {
    let mut quotas = PerQuota::new(|quota| Some(Limit::At(Amount::new(100 + quota as u64))));
    (quotas[Quota::Runs], quotas[Quota::Keys]) = (None, Some(Limit::NONE));
    let ann = user("ann", quotas);
    store.add_user(ann.clone(), None).await.unwrap();
    store.add_user(user("bob", PerQuota::default()), None).await.unwrap();
    let mut change = QuotaChange::default();
    change.0[Quota::Runs] = LimitChange::Set(Limit::At(Amount::new(0)));
    change.0[Quota::Sessions] = LimitChange::Reset;
    for change in [QuotaChange::default(), change] {
        let edit = UserEdit { quotas: change, ..UserEdit::default() };
        assert_eq!(store.change_user(ann.id, edit, None).await, Ok(UserChange::Done));
        if change.is_some() {
            (quotas[Quota::Runs], quotas[Quota::Sessions]) = (Some(Limit::At(Amount::new(0))), None);
        }
        assert_eq!(store.user_by_id(ann.id).await.unwrap(), Some(UserRecord { quotas, ..ann.clone() }));
        assert_eq!(store.users(None, 9).await.unwrap().first().map(|user| user.quotas), Some(quotas));
        assert_eq!(store.quota_use(ann.id).await.unwrap().own, quotas);
    }
    assert_eq!(store.quota_use(UserRef::named("bob").id).await.unwrap().own, PerQuota::default());
    assert_eq!(used(store, UserId::new()).await, PerQuota::default(), "of an unknown user");
}

async fn the_run_session_or_key_over_a_quota_is_refused_until_one_is_removed(store: &(impl UserStore + QuotaStore + RunStore + KeyStore)) {
    for (quota, name) in [(Quota::Runs, "ann"), (Quota::Sessions, "bob")] {
        store.add_user(user(name, only(quota, 1)), None).await.unwrap();
        let lease = try_create(store, name).await.unwrap();
        assert_eq!(try_create(store, name).await, Err(refusal(quota, 1, 1)));
        try_create(store, "cy").await.unwrap();
        let change = RunChange { done: Some((done(), at(5))), ..RunChange::default() };
        store.append(&lease, batch(2, 2), change).await.unwrap();
        assert_eq!(try_create(store, name).await, Err(refusal(quota, 1, 1)), "one that ended counts as well");
        store.begin_delete(lease.run, None).await.unwrap();
        try_create(store, name).await.unwrap();
    }
    store.add_user(user("dan", only(Quota::Keys, 1)), None).await.unwrap();
    let first = key("dan", 1);
    assert_eq!(store.add_key(first.clone(), None).await, Ok(true));
    assert_eq!(store.add_key(key("dan", 2), None).await, Err(refusal(Quota::Keys, 1, 1)));
    assert_eq!(store.remove_key(first.id, None).await, Ok(true));
    assert_eq!(store.add_key(key("dan", 2), None).await, Ok(true));
}

async fn a_run_counts_with_its_events_and_output_while_it_is_live_and_after_its_end(store: &(impl UserStore + QuotaStore + RunStore)) {
    let ann = user("ann", only(Quota::StoredBytes, 50_000));
    store.add_user(ann.clone(), None).await.unwrap();
    let lease = create(store, &in_workspace("ann")).await;
    let stored = used(store, ann.id).await[Quota::StoredBytes];
    assert!(stored > 10, "{stored}");
    let events = batch(2, 3);
    let grown: u64 = events.iter().map(|chunk| chunk.body.len() as u64).sum();
    let checkpoint = OutputCheckpoint { out: 40_000, err: 30_000, ..OutputCheckpoint::default() };
    store.append(&lease, events, RunChange { checkpoint: Some(checkpoint), ..RunChange::default() }).await.unwrap();
    let live = used(store, ann.id).await[Quota::StoredBytes];
    assert_eq!(live, stored + grown + 70_000);
    assert_eq!(try_create(store, "ann").await, Err(refusal(Quota::StoredBytes, live, 50_000)));
    let end = batch(4, 4);
    let size = end[0].body.len() as u64;
    store.append(&lease, end, RunChange { done: Some((done(), at(5))), ..RunChange::default() }).await.unwrap();
    let ended = used(store, ann.id).await[Quota::StoredBytes];
    let outcome = serde_json::to_string(&done()).unwrap().len() as u64;
    assert_eq!(ended, live + size + outcome);
    store.begin_delete(lease.run, None).await.unwrap();
    assert_eq!(used(store, ann.id).await, PerQuota::default());
}

async fn bytes_written_into_a_workspace_count_and_it_is_measured_again(store: &(impl UserStore + QuotaStore + RunStore + RetentionStore)) {
    let ann = user("ann", only(Quota::WorkspaceBytes, 120));
    store.add_user(ann.clone(), None).await.unwrap();
    let run = in_workspace("ann");
    let lease = create(store, &run).await;
    let change = RunChange { launched_at: Some(at(2)), ..RunChange::default() };
    store.append(&lease, vec![], change).await.unwrap();
    store.append(&lease, batch(2, 2), RunChange { done: Some((done(), at(5))), ..RunChange::default() }).await.unwrap();
    for workspace in store.unmeasured_workspaces(9).await.unwrap() {
        store.workspace_measured(workspace, 100).await.unwrap();
    }
    assert_eq!((used(store, ann.id).await[Quota::WorkspaceBytes], store.unmeasured_workspaces(9).await.unwrap().len()), (100, 0));
    try_create(store, "ann").await.unwrap();
    store.workspace_written(run.session, 50).await.unwrap();
    assert_eq!(try_create(store, "ann").await, Err(refusal(Quota::WorkspaceBytes, 150, 120)));
    let again = store.unmeasured_workspaces(9).await.unwrap();
    assert!(again.iter().any(|workspace| workspace.session == run.session), "{again:?}");
    store.workspace_emptied(run.session).await.unwrap();
    assert_eq!(used(store, ann.id).await[Quota::WorkspaceBytes], 0);
    store.workspace_written(run.session, 30).await.unwrap();
    assert_eq!(used(store, ann.id).await[Quota::WorkspaceBytes], 30, "an empty workspace can be written to");
    store.workspace_written(SessionId::new(), 9).await.unwrap();
}

async fn an_expired_workspace_that_is_kept_counts_and_expires_again_later(
    store: &(impl UserStore + QuotaStore + RunStore + RetentionStore),
) {
    let run = in_workspace("ann");
    let lease = create(store, &run).await;
    store.append(&lease, batch(2, 2), RunChange { done: Some((done(), at(5))), ..RunChange::default() }).await.unwrap();
    for workspace in store.unmeasured_workspaces(9).await.unwrap() {
        store.workspace_measured(workspace, 100).await.unwrap();
    }
    let expired = async |before| store.expired_workspaces(at(before), None, 9).await.unwrap().len();
    assert_eq!((expired(1_000).await, expired(2_000).await), (0, 1), "it was created at 1,000");
    store.workspace_kept(run.session, at(3_000)).await.unwrap();
    assert_eq!((expired(2_999).await, expired(3_000).await), (0, 1));
    assert_eq!(used(store, run.owner.id).await[Quota::WorkspaceBytes], 100);
    store.workspace_emptied(run.session).await.unwrap();
    assert_eq!((expired(9_000).await, used(store, run.owner.id).await[Quota::WorkspaceBytes]), (0, 0));
}

contract! {
    own_quotas_are_stored_with_the_user_and_change_one_by_one,
    the_run_session_or_key_over_a_quota_is_refused_until_one_is_removed,
    a_run_counts_with_its_events_and_output_while_it_is_live_and_after_its_end,
    bytes_written_into_a_workspace_count_and_it_is_measured_again,
    an_expired_workspace_that_is_kept_counts_and_expires_again_later,
}
