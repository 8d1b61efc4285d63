//! What every store must do for runs, events, sessions and idempotency keys.

use super::fixtures::{at, batch, contract, create, done, record, seq};
use crate::run::store::{
    Chunk, Conversation, DamagedChunk, Deleted, Idempotency, MessageAttachments, OwnerFilter, RunChange, RunFilter, RunRecord, RunStore,
    SessionUse, StoreError, UsedKey, WaitChange,
};
use crate::types::{Epoch, Lease, NodeId, OutputCheckpoint, RunId, RunStatus, SessionId, Usage, UserRef, Withheld};

async fn a_run_is_read_as_it_was_written(store: &dyn RunStore) {
    let run = record("admin", "demo", None);
    let lease = create(store, &run).await;
    assert_eq!(lease, Lease { run: run.id, node: store.node(), epoch: Epoch::FIRST });
    assert_eq!(store.run(run.id).await.unwrap().unwrap(), RunRecord { lease: Some(lease), ..run });
    assert_eq!(store.run(RunId::new()).await.unwrap(), None);

    let now = at(2_000);
    let change = RunChange {
        status: Some(RunStatus::Running),
        launched_at: Some(at(1_500)),
        started_at: Some(now),
        agent_session: Some("s-1".into()),
        ..RunChange::default()
    };
    let checkpoint = OutputCheckpoint { out: 7, err: 8, err_ended: true, calls: 9, ..OutputCheckpoint::default() };
    let withheld: Withheld = serde_json::from_value(one_withheld_text()).unwrap();
    store
        .append(&lease, batch(2, 4), RunChange { checkpoint: Some(checkpoint), withheld: Some(withheld.clone()), ..change })
        .await
        .unwrap();
    let change = RunChange { status: Some(RunStatus::Completed), done: Some((done(), now)), ..RunChange::default() };
    store.append(&lease, batch(5, 5), change).await.unwrap();
    let read = store.run(run.id).await.unwrap().unwrap();
    assert_eq!((read.status, read.last_seq, read.started_at, read.ended_at), (RunStatus::Completed, seq(5), Some(now), Some(now)));
    assert_eq!((read.launched_at, read.lease), (Some(at(1_500)), Some(lease)), "a later change keeps them");
    assert_eq!((read.done, read.checkpoint), (Some(done()), Some(checkpoint)), "a change without a checkpoint keeps it");
    assert_eq!(read.withheld, withheld);
}

async fn a_run_that_waits_counts_as_not_launched(store: &dyn RunStore) {
    let run = record("admin", "demo", None);
    let lease = create(store, &run).await;
    let change = RunChange { launched_at: Some(at(1_500)), checkpoint: Some(OutputCheckpoint::default()), ..RunChange::default() };
    store.append(&lease, batch(2, 2), change).await.unwrap();
    let step = async |wait| {
        store.append(&lease, vec![], RunChange { wait: Some(wait), ..RunChange::default() }).await.unwrap();
        let read = store.run(run.id).await.unwrap().unwrap();
        (read.waits_until, read.launched_at, read.checkpoint)
    };
    let (launched_at, checkpoint) = (Some(at(1_500)), Some(OutputCheckpoint::default()));
    assert_eq!(step(WaitChange::Until(at(9))).await, (Some(at(9)), launched_at, checkpoint), "its agent is exiting");
    assert_eq!(step(WaitChange::Parked(at(9))).await, (Some(at(9)), None, None));
    assert_eq!(step(WaitChange::Over).await, (None, None, None));
}

fn one_withheld_text() -> serde_json::Value {
    serde_json::json!([{ "kind": "token", "id": "m", "parent_tool_call_id": null, "length": 3, "covered": 1, "digest": vec![7; 32] }])
}

/// The run's row and its whole log.
async fn content(store: &dyn RunStore, run: RunId) -> (Option<RunRecord>, Vec<Result<Chunk, DamagedChunk>>) {
    (store.run(run).await.unwrap(), store.chunks(run, 0, usize::MAX).await.unwrap())
}

/// A change of everything that a batch can change, under a key of its own.
fn full_change() -> RunChange {
    let usage = Usage { input_tokens: 1, ..Usage::default() };
    RunChange {
        status: Some(RunStatus::Running),
        launched_at: Some(at(7)),
        started_at: Some(at(8)),
        wait: Some(WaitChange::Until(at(11))),
        agent_session: Some("refused".into()),
        session_title: Some("refused".into()),
        model: Some("refused".into()),
        usage: Some((usage, at(9))),
        checkpoint: Some(OutputCheckpoint::default()),
        withheld: Some(serde_json::from_value(one_withheld_text()).unwrap()),
        changes: Some(Box::new(super::changes::changes(1, Some(b"refused")))),
        done: Some((done(), at(10))),
        attachments: Some(MessageAttachments { message: 1, contents: vec!["refused".into()] }),
        idempotency: Some(Idempotency { owner: UserRef::named("admin").id, key: "refused".into(), fingerprint: [1; 32], at: at(1) }),
        audit: vec![],
    }
}

async fn a_batch_that_is_not_the_next_one_writes_nothing(store: &dyn RunStore) {
    let run = record("admin", "demo", None);
    let lease = create(store, &run).await;
    let before = content(store, run.id).await;
    for wrong in [batch(1, 2), batch(3, 3)] {
        let result = store.append(&lease, wrong.clone(), full_change()).await;
        assert_eq!(result, Err(StoreError::NotNext { run: run.id, first: wrong[0].first }));
    }
    let with_gap = [batch(2, 3), batch(5, 5)].concat();
    let result = store.append(&lease, with_gap, full_change()).await;
    assert_eq!(result, Err(StoreError::NotNext { run: run.id, first: seq(5) }));
    assert_eq!(content(store, run.id).await, before);
    let session = store.session(run.session).await.unwrap().unwrap();
    assert_eq!((session.agent_session, session.title), (None, None));
    assert_eq!(store.used_key(run.owner.id, "refused").await.unwrap(), None);
    assert_eq!(store.changes(run.id).await, Ok(None));
}

async fn a_batch_under_a_void_lease_writes_nothing(store: &dyn RunStore) {
    let run = record("admin", "demo", None);
    let first = create(store, &run).await;
    let second = store.take_lease(run.id).await.unwrap();
    assert_eq!((second.run, second.node, second.epoch.get()), (run.id, store.node(), 2));
    let before = content(store, run.id).await;
    let (next, other_node) = (Epoch::new(3).unwrap(), NodeId::new());
    for void in [first, Lease { epoch: next, ..second }, Lease { node: other_node, ..second }, Lease { run: RunId::new(), ..second }] {
        // Also if the batch is the next one, and if there is no batch.
        for events in [batch(2, 2), batch(9, 9), vec![]] {
            let result = store.append(&void, events, full_change()).await;
            assert_eq!(result, Err(StoreError::LeaseLost { run: void.run }));
        }
    }
    assert_eq!(content(store, run.id).await, before);
    let session = store.session(run.session).await.unwrap().unwrap();
    assert_eq!((session.agent_session, session.title), (None, None));
    assert_eq!(store.used_key(run.owner.id, "refused").await.unwrap(), None);
    store.append(&second, batch(2, 2), RunChange::default()).await.unwrap();
}

async fn an_ended_run_changes_no_more_and_its_lease_cannot_be_taken(store: &dyn RunStore) {
    let run = record("admin", "demo", None);
    let lease = create(store, &run).await;
    let change = RunChange { status: Some(RunStatus::Completed), done: Some((done(), at(5))), ..RunChange::default() };
    store.append(&lease, batch(2, 2), change).await.unwrap();
    let before = content(store, run.id).await;
    for events in [batch(3, 3), vec![]] {
        assert_eq!(store.append(&lease, events, full_change()).await, Err(StoreError::Ended { run: run.id }));
    }
    assert_eq!(store.take_lease(run.id).await, Err(StoreError::Ended { run: run.id }));
    let unknown = RunId::new();
    assert_eq!(store.take_lease(unknown).await, Err(StoreError::NoRun(unknown)));
    assert_eq!(content(store, run.id).await, before);
}

async fn a_change_without_events_is_stored(store: &dyn RunStore) {
    let run = record("admin", "demo", None);
    let lease = create(store, &run).await;
    let change = RunChange { status: Some(RunStatus::Stopping), launched_at: Some(at(7)), ..RunChange::default() };
    store.append(&lease, vec![], change).await.unwrap();
    let read = store.run(run.id).await.unwrap().unwrap();
    assert_eq!((read.status, read.launched_at, read.last_seq), (RunStatus::Stopping, Some(at(7)), seq(1)));
    store.append(&lease, batch(2, 2), RunChange::default()).await.unwrap();
}

async fn a_deleted_session_is_not_continued(store: &dyn RunStore) {
    let run = record("ann", "demo", None);
    let lease = create(store, &run).await;
    store.append(&lease, batch(2, 2), RunChange { done: Some((done(), at(5))), ..RunChange::default() }).await.unwrap();
    assert_eq!(store.begin_delete(run.id, None).await, Ok(Deleted::Done { workspace: Some(run.id), conversation: None }));
    let next = RunRecord { session: run.session, ..record("ann", "demo", None) };
    let result = store.create_run(next.clone(), SessionUse::Continues, batch(1, 1), None, None).await;
    assert_eq!(result, Err(StoreError::NoSession(run.session)));
    assert_eq!((store.session(run.session).await.unwrap(), store.run(next.id).await.unwrap()), (None, None));
}

async fn events_are_read_from_any_position_within_a_budget(store: &dyn RunStore) {
    let run = record("admin", "demo", None);
    let lease = create(store, &run).await;
    for chunks in [[batch(2, 10), batch(11, 11)].concat(), batch(12, 30)] {
        store.append(&lease, chunks, RunChange::default()).await.unwrap();
    }
    let bounds = |chunks: Vec<Result<Chunk, DamagedChunk>>| {
        chunks.into_iter().map(|chunk| chunk.map(|chunk| (chunk.first.get(), chunk.last.get())).unwrap()).collect::<Vec<_>>()
    };
    let all = store.chunks(run.id, 0, usize::MAX).await.unwrap();
    assert_eq!(all[1], Ok(batch(2, 10).remove(0)), "bytes differ");
    assert_eq!(bounds(all), [(1, 1), (2, 10), (11, 11), (12, 30)]);
    assert_eq!(bounds(store.chunks(run.id, 5, usize::MAX).await.unwrap()), [(2, 10), (11, 11), (12, 30)]);
    assert_eq!(bounds(store.chunks(run.id, 10, usize::MAX).await.unwrap()), [(11, 11), (12, 30)]);
    assert_eq!(bounds(store.chunks(run.id, 0, 1).await.unwrap()), [(1, 1)], "one chunk is returned for any budget");
    assert_eq!(bounds(store.chunks(run.id, 30, usize::MAX).await.unwrap()), []);
    assert_eq!(bounds(store.chunks(run.id, u64::MAX, usize::MAX).await.unwrap()), []);
    assert_eq!(bounds(store.chunks(RunId::new(), 0, usize::MAX).await.unwrap()), []);
}

async fn runs_are_filtered_and_paged(store: &dyn RunStore) {
    let mut ids = Vec::new();
    for (owner, agent, label) in
        [("ann", "codex", Some(("team", "a"))), ("ann", "claude_code", Some(("team", "b"))), ("bob", "codex", Some(("a\"b", "x'y")))]
    {
        let run = record(owner, agent, label);
        ids.push(run.id);
        create(store, &run).await;
    }
    let find = async |filter: RunFilter| store.runs(filter, 10).await.unwrap().into_iter().map(|run| run.id).collect::<Vec<_>>();
    let ann = || Some(OwnerFilter::Id(UserRef::named("ann").id));
    assert_eq!(find(RunFilter { owner: ann(), ..RunFilter::default() }).await, [ids[1], ids[0]]);
    assert_eq!(find(RunFilter { owner: ann(), before: Some(ids[1]), ..RunFilter::default() }).await, [ids[0]]);
    assert_eq!(find(RunFilter { owner: ann(), agent_type: Some("codex".into()), ..RunFilter::default() }).await, [ids[0]]);
    assert_eq!(find(RunFilter { label: Some(("team".into(), "b".into())), ..RunFilter::default() }).await, [ids[1]]);
    assert_eq!(find(RunFilter { label: Some(("a\"b".into(), "x'y".into())), ..RunFilter::default() }).await, [ids[2]]);
    assert_eq!(find(RunFilter { owner: ann(), status: vec![RunStatus::Failed], ..RunFilter::default() }).await, []);
    assert_eq!(find(RunFilter { owner: ann(), since: Some(at(1_001)), ..RunFilter::default() }).await, []);
    assert_eq!(store.runs(RunFilter { owner: ann(), ..RunFilter::default() }, 1).await.unwrap().len(), 1);
}

async fn unfinished_runs_are_listed_and_deleted_ones_are_not_found(store: &dyn RunStore) {
    let (live, ended) = (record("ann", "demo", None), record("ann", "demo", None));
    create(store, &live).await;
    let lease = create(store, &ended).await;
    let change = RunChange { done: Some((done(), at(5))), ..RunChange::default() };
    store.append(&lease, batch(2, 2), change).await.unwrap();
    let unfinished = store.unfinished().await.unwrap();
    assert!(unfinished.contains(&live.id) && !unfinished.contains(&ended.id));
    assert_eq!(store.begin_delete(live.id, None).await, Ok(Deleted::Live));
    assert!(store.run(live.id).await.unwrap().is_some());
    assert_eq!(store.begin_delete(ended.id, None).await, Ok(Deleted::Done { workspace: Some(ended.id), conversation: None }));
    assert_eq!(store.begin_delete(ended.id, None).await, Ok(Deleted::NotFound));
    assert_eq!(store.run(ended.id).await.unwrap(), None);
    assert_eq!(store.append(&lease, batch(3, 3), RunChange::default()).await, Err(StoreError::LeaseLost { run: ended.id }));
    assert_eq!(store.take_lease(ended.id).await, Err(StoreError::NoRun(ended.id)));
    assert_eq!(store.chunks(ended.id, 0, usize::MAX).await.unwrap(), []);
}

async fn a_session_is_created_and_removed_with_its_runs(store: &dyn RunStore) {
    let run = record("dora", "codex", None);
    let lease = create(store, &run).await;
    let next = RunRecord { session: run.session, ..record("dora", "codex", None) };
    let second = create(store, &next).await;
    let change = RunChange { agent_session: Some("thread-1".into()), ..RunChange::default() };
    store.append(&lease, batch(2, 2), change).await.unwrap();
    let session = store.session(run.session).await.unwrap().unwrap();
    assert_eq!((session.owner, session.agent_type.as_str()), (run.owner.clone(), "codex"));
    assert_eq!((session.agent_session.as_deref(), session.working_dir), (Some("thread-1"), run.spec.working_dir.clone()));
    assert_eq!(store.session(SessionId::new()).await.unwrap(), None);

    for (title, expected) in [("Fix the build", Some("Fix the build")), ("", None), ("Tidy up", Some("Tidy up"))] {
        let change = RunChange { session_title: Some(title.into()), ..RunChange::default() };
        store.append(&lease, Vec::new(), change).await.unwrap();
        store.append(&lease, Vec::new(), RunChange { model: Some("m".into()), ..RunChange::default() }).await.unwrap();
        assert_eq!(store.session(run.session).await.unwrap().unwrap().title.as_deref(), expected, "{title}");
    }

    let other = record("dora", "demo", None);
    create(store, &other).await;
    let ids = async |before| {
        store.sessions(Some(run.owner.id), before, 10).await.unwrap().into_iter().map(|session| session.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(None).await, [other.session, run.session]);
    assert_eq!(ids(Some(other.session)).await, [run.session]);
    let change = || RunChange { done: Some((done(), at(5))), ..RunChange::default() };
    store.append(&lease, batch(3, 3), change()).await.unwrap();
    assert_eq!(
        store.begin_delete(run.id, None).await,
        Ok(Deleted::Done { workspace: None, conversation: None }),
        "the session has another run"
    );
    assert!(store.session(run.session).await.unwrap().is_some());
    store.append(&second, batch(2, 2), change()).await.unwrap();
    let conversation = Some(Conversation { agent_type: "codex".into(), id: "thread-1".into(), first_run: run.id });
    let deleted = Deleted::Done { workspace: Some(run.id), conversation };
    assert_eq!(store.begin_delete(next.id, None).await, Ok(deleted), "it is named after the first run");
    assert!(store.session(run.session).await.unwrap().is_none());
}

async fn a_conversation_is_reported_when_no_session_has_it_any_more(store: &dyn RunStore) {
    let mut runs = Vec::new();
    for (agent_type, id) in [("mine", "c-1"), ("mine", "c-1"), ("other", "c-1"), ("mine", "")] {
        let run = record("dora", agent_type, None);
        let lease = create(store, &run).await;
        let agent_session = (!id.is_empty()).then(|| id.to_owned());
        let change = RunChange { agent_session, done: Some((done(), at(5))), ..RunChange::default() };
        store.append(&lease, batch(2, 2), change).await.unwrap();
        runs.push(run);
    }
    let mut reported = Vec::new();
    for run in runs {
        let Ok(Deleted::Done { conversation, .. }) = store.begin_delete(run.id, None).await else { panic!("not deleted") };
        reported.push(conversation.map(|conversation| (conversation.agent_type, conversation.id)));
    }
    let reported: Vec<_> = reported.iter().map(|each| each.as_ref().map(|(agent, id)| (agent.as_str(), id.as_str()))).collect();
    assert_eq!(reported, [None, Some(("mine", "c-1")), Some(("other", "c-1")), None]);
}

async fn an_idempotency_key_is_used_once_and_returns_its_use(store: &dyn RunStore) {
    let key = |fingerprint: u8, millis: i64| {
        let owner = UserRef::named("erik").id;
        Some(Idempotency { owner, key: "k".into(), fingerprint: [fingerprint; 32], at: at(millis) })
    };
    let (first, second) = (record("erik", "demo", None), record("erik", "demo", None));
    let lease = store.create_run(first.clone(), SessionUse::Starts, batch(1, 1), key(1, 1), None).await.unwrap();
    let first_use = UsedKey { run: first.id, fingerprint: [1; 32] };
    let used = Err(StoreError::KeyUsed(first_use));
    assert_eq!(store.used_key(first.owner.id, "k").await.unwrap(), Some(first_use));
    assert_eq!(store.used_key(first.owner.id, "other").await.unwrap(), None);
    assert_eq!(store.used_key(UserRef::named("other").id, "k").await.unwrap(), None);
    assert_eq!(store.create_run(second.clone(), SessionUse::Starts, batch(1, 1), key(2, 2), None).await.map(|_| ()), used);
    assert_eq!(store.run(second.id).await.unwrap(), None, "a trace of the run was left");
    let again = RunChange { idempotency: key(2, 2), ..RunChange::default() };
    assert_eq!(store.append(&lease, batch(2, 2), again).await, used);
    store.append(&lease, batch(2, 2), RunChange::default()).await.unwrap();
    assert!(!store.forget_keys(at(1), 1).await.unwrap(), "the key is not older");
    assert_eq!(store.used_key(first.owner.id, "k").await.unwrap(), Some(first_use));
    while store.forget_keys(at(2), 1).await.unwrap() {}
    store.create_run(second, SessionUse::Starts, batch(1, 1), key(2, 3), None).await.unwrap();
}

async fn a_key_of_a_deleted_run_can_be_used_again(store: &dyn RunStore) {
    let key = |fingerprint: u8| {
        let (owner, key) = (UserRef::named("erik").id, "k".into());
        Some(Idempotency { owner, key, fingerprint: [fingerprint; 32], at: at(1) })
    };
    let (first, second) = (record("erik", "demo", None), record("erik", "demo", None));
    let lease = store.create_run(first.clone(), SessionUse::Starts, batch(1, 1), key(1), None).await.unwrap();
    store.append(&lease, batch(2, 2), RunChange { done: Some((done(), at(5))), ..RunChange::default() }).await.unwrap();
    store.begin_delete(first.id, None).await.unwrap();
    // Its keys may not be removed yet.
    assert_eq!(store.used_key(first.owner.id, "k").await.unwrap(), None);
    store.create_run(second.clone(), SessionUse::Starts, batch(1, 1), key(2), None).await.unwrap();
    assert_eq!(store.used_key(first.owner.id, "k").await.unwrap(), Some(UsedKey { run: second.id, fingerprint: [2; 32] }));
}

contract! {
    a_key_of_a_deleted_run_can_be_used_again,
    a_run_is_read_as_it_was_written,
    a_run_that_waits_counts_as_not_launched,
    a_batch_that_is_not_the_next_one_writes_nothing,
    a_batch_under_a_void_lease_writes_nothing,
    an_ended_run_changes_no_more_and_its_lease_cannot_be_taken,
    a_change_without_events_is_stored,
    a_deleted_session_is_not_continued,
    events_are_read_from_any_position_within_a_budget,
    runs_are_filtered_and_paged,
    unfinished_runs_are_listed_and_deleted_ones_are_not_found,
    a_session_is_created_and_removed_with_its_runs,
    a_conversation_is_reported_when_no_session_has_it_any_more,
    an_idempotency_key_is_used_once_and_returns_its_use,
}
