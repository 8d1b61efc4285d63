//! What every store must do for retention.

use bytes::Bytes;

use super::fixtures::{at, batch, contract, create, done, record, seq};
use crate::run::store::{Chunk, Deleted, MessageAttachments, PendingRemoval, RetentionStore, RunChange, RunRecord, RunStore};
use crate::types::{Lease, RunId, SessionId, UserRef};

trait Store: RunStore + RetentionStore {}
impl<T: RunStore + RetentionStore> Store for T {}

/// Removes a part of a log in each step.
const SMALL: usize = 1;
const UNLIMITED: usize = usize::MAX;

/// Adds a run with three events, which ended at this time.
async fn add_ended(store: &dyn Store, session: SessionId, millis: i64) -> RunId {
    let lease = add_live(store, session).await;
    store.append(&lease, batch(2, 2), RunChange::default()).await.unwrap();
    let change = RunChange { done: Some((done(), at(millis))), ..RunChange::default() };
    store.append(&lease, batch(3, 3), change).await.unwrap();
    lease.run
}

async fn add_live(store: &dyn Store, session: SessionId) -> Lease {
    create(store, &RunRecord { session, ..record("ann", "demo", None) }).await
}

async fn remaining(store: &dyn Store, run: RunId) -> Vec<u64> {
    store.chunks(run, 0, UNLIMITED).await.unwrap().into_iter().map(|chunk| chunk.unwrap().first.get()).collect()
}

async fn a_session_is_removed_when_all_its_runs_ended_before_the_given_time(store: &dyn Store) {
    let (old, both, alive) = (SessionId::new(), SessionId::new(), SessionId::new());
    let gone = [add_ended(store, old, 1_000).await, add_ended(store, old, 1_500).await];
    let kept = [
        add_ended(store, both, 1_000).await,
        add_ended(store, both, 2_000).await,
        add_ended(store, alive, 1_000).await,
        add_live(store, alive).await.run,
    ];
    let mut removed = Vec::new();
    loop {
        let step = store.remove_oldest(at(2_000)).await.unwrap();
        removed.extend(step.removed);
        if !step.found {
            break;
        }
    }
    assert_eq!(removed, gone.map(|run| (run, UserRef::named("ann").id)));
    for run in gone {
        assert_eq!((store.run(run).await.unwrap(), remaining(store, run).await), (None, vec![]));
    }
    assert_eq!(store.session(old).await.unwrap(), None);
    for run in &kept[..3] {
        assert_eq!(remaining(store, *run).await, [1, 2, 3], "a session is removed as a whole");
    }
    assert!(store.run(kept[3]).await.unwrap().is_some());
    let mut removals = store.pending_removals(9).await.unwrap();
    removals.sort_by_key(|removal| removal.run.to_string());
    let first_of_session = |run| PendingRemoval { run, workspace: run == gone[0] };
    assert_eq!(removals, gone.map(first_of_session), "the workspace belongs to the session, which started with the first run");
}

async fn a_deleted_run_is_invisible_at_once_and_its_log_is_removed_in_steps(store: &dyn Store) {
    let (gone, kept) = (add_ended(store, SessionId::new(), 1_000).await, add_ended(store, SessionId::new(), 1_000).await);
    let full = store.size().await.unwrap().used;
    assert_eq!(store.begin_delete(gone, None).await, Ok(Deleted::Done { workspace: Some(gone), conversation: None }));
    assert_eq!((store.run(gone).await.unwrap(), remaining(store, gone).await), (None, vec![]));
    let mut steps = Vec::new();
    loop {
        let step = store.remove_deleted(SMALL).await.unwrap();
        if !step.found {
            break;
        }
        steps.push(step.bytes);
    }
    let line = "{\"seq\":1}\n".len() as u64;
    assert_eq!(steps, [line, line, line], "one chunk in each step");
    assert_eq!(remaining(store, kept).await, [1, 2, 3]);
    assert!(store.size().await.unwrap().used <= full);
    assert_eq!(store.pending_removals(9).await.unwrap(), [PendingRemoval { run: gone, workspace: true }]);
}

async fn a_workspace_is_removed_only_with_the_last_run_of_its_session(store: &dyn Store) {
    let session = SessionId::new();
    let (first, second) = (add_ended(store, session, 1_000).await, add_ended(store, session, 1_000).await);
    let third = add_live(store, session).await;
    for run in [first, second] {
        assert_eq!(store.begin_delete(run, None).await, Ok(Deleted::Done { workspace: None, conversation: None }));
    }
    let output = |run| PendingRemoval { run, workspace: false };
    assert_eq!(store.pending_removals(9).await.unwrap(), [output(first), output(second)]);
    store.forget_removed(vec![output(first), output(second)]).await.unwrap();
    store.append(&third, batch(2, 2), RunChange { done: Some((done(), at(1_000))), ..RunChange::default() }).await.unwrap();
    assert_eq!(store.remove_oldest(at(2_000)).await.unwrap().removed, [(third.run, UserRef::named("ann").id)]);
    assert_eq!(store.pending_removals(9).await.unwrap(), [PendingRemoval { run: first, workspace: true }, output(third.run)]);
    assert_eq!(store.session(session).await.unwrap(), None);
}

async fn a_session_of_many_runs_is_deleted_in_steps(store: &dyn Store) {
    let session = SessionId::new();
    let mut runs = Vec::new();
    for _ in 0..70 {
        runs.push(add_ended(store, session, 1_000).await);
    }
    let mut removed = Vec::new();
    loop {
        let step = store.remove_oldest(at(2_000)).await.unwrap();
        assert!(step.removed.len() < 70, "the writer is occupied for too long");
        if !step.found {
            break;
        }
        removed.extend(step.removed.into_iter().map(|(run, _)| run));
    }
    assert_eq!(removed, runs);
}

async fn the_oldest_logs_are_trimmed_first_and_keep_their_ends(store: &dyn Store) {
    let newer = add_ended(store, SessionId::new(), 2_000).await;
    let older = add_ended(store, SessionId::new(), 1_000).await;
    let alive = add_live(store, SessionId::new()).await.run;
    let step = store.trim_oldest(at(9_000), UNLIMITED).await.unwrap();
    assert_eq!((step.trimmed, step.found, step.bytes), (1, true, 2 * "{\"seq\":1}\n".len() as u64));
    assert_eq!((remaining(store, older).await, remaining(store, newer).await), (vec![3], vec![1, 2, 3]));
    let row = store.run(older).await.unwrap().unwrap();
    assert_eq!((row.last_seq.get(), row.done.is_some()), (3, true));
    assert_eq!(store.pending_removals(9).await.unwrap(), [PendingRemoval { run: older, workspace: false }]);
    // In steps, and each log only once.
    assert_eq!(store.trim_oldest(at(9_000), SMALL).await.unwrap().trimmed, 0);
    assert_eq!(remaining(store, newer).await, [2, 3]);
    while store.trim_oldest(at(9_000), SMALL).await.unwrap().found {}
    assert_eq!((remaining(store, newer).await, remaining(store, alive).await), (vec![3], vec![1]), "a live run is not trimmed");
}

async fn pending_removals_are_listed_until_they_are_done(store: &dyn Store) {
    let run = add_ended(store, SessionId::new(), 1_000).await;
    store.trim_oldest(at(9_000), UNLIMITED).await.unwrap();
    let output = store.pending_removals(9).await.unwrap();
    store.remove_oldest(at(2_000)).await.unwrap();
    let all = [PendingRemoval { run, workspace: true }];
    assert_eq!(store.pending_removals(9).await.unwrap(), all, "the run was removed, so its workspace is removed too");
    // Having removed only the output must not drop the pending removal of the workspace.
    store.forget_removed(output).await.unwrap();
    assert_eq!(store.pending_removals(9).await.unwrap(), all);
    store.forget_removed(all.to_vec()).await.unwrap();
    assert_eq!(store.pending_removals(9).await.unwrap(), []);
}

async fn removed_data_becomes_free_space_that_can_be_returned_to_the_disk(store: &dyn Store) {
    let empty = store.size().await.unwrap().used;
    for millis in 1..=8 {
        let lease = add_live(store, SessionId::new()).await;
        let second = Chunk { first: seq(2), last: seq(2), body: [vec![b'x'; 299_999], vec![b'\n']].concat().into() };
        store.append(&lease, vec![second], RunChange::default()).await.unwrap();
        store.append(&lease, batch(3, 3), RunChange { done: Some((done(), at(millis))), ..RunChange::default() }).await.unwrap();
    }
    let full = store.size().await.unwrap();
    assert!(full.used > 8 * 300_000);
    while store.trim_oldest(at(9_000), UNLIMITED).await.unwrap().found {}
    let cut = store.size().await.unwrap();
    assert!(cut.used < empty + 100_000 && cut.free > 2_000_000, "{cut:?} {empty}");
    while store.shrink(100_000).await.unwrap() {}
    let shrunk = store.size().await.unwrap();
    assert_eq!(shrunk.free, 0);
    assert!(shrunk.used <= cut.used, "{shrunk:?}");
}

async fn images_and_files_are_read_in_order_and_removed_with_the_log_or_the_run(store: &dyn Store) {
    let before = store.size().await.unwrap().used;
    let attachments = || vec![Bytes::from(vec![b'a'; 200_000]), Bytes::from_static(b"b")];
    let mut runs = Vec::new();
    for _ in 0..2 {
        let lease = create(store, &RunRecord { attachments: attachments(), ..record("ann", "demo", None) }).await;
        assert_eq!(store.attachments(lease.run, 0).await.unwrap(), attachments());
        let attached = MessageAttachments { message: 1, contents: vec![Bytes::from(vec![b'c'; 200_000])] };
        let change = RunChange { attachments: Some(attached.clone()), ..RunChange::default() };
        store.append(&lease, batch(2, 2), change).await.unwrap();
        let of_messages = [store.attachments(lease.run, 1).await.unwrap(), store.attachments(lease.run, 2).await.unwrap()];
        assert_eq!(of_messages, [attached.contents, vec![]]);
        store.append(&lease, batch(3, 3), RunChange { done: Some((done(), at(1_000))), ..RunChange::default() }).await.unwrap();
        runs.push(lease.run);
    }
    assert!(store.size().await.unwrap().used > before + 800_000);
    store.begin_delete(runs[0], None).await.unwrap();
    while store.remove_deleted(UNLIMITED).await.unwrap().found {}
    let of_deleted = [store.attachments(runs[0], 0).await.unwrap(), store.attachments(runs[0], 1).await.unwrap()];
    assert_eq!((of_deleted, store.attachments(runs[1], 0).await.unwrap()), ([vec![], vec![]], attachments()));
    while store.trim_oldest(at(9_000), SMALL).await.unwrap().found {}
    let of_trimmed = [store.attachments(runs[1], 0).await.unwrap(), store.attachments(runs[1], 1).await.unwrap()];
    assert_eq!((of_trimmed, remaining(store, runs[1]).await), ([vec![], vec![]], vec![3]));
    assert!(store.size().await.unwrap().used < before + 200_000);
}

contract! {
    images_and_files_are_read_in_order_and_removed_with_the_log_or_the_run,
    a_session_is_removed_when_all_its_runs_ended_before_the_given_time,
    a_deleted_run_is_invisible_at_once_and_its_log_is_removed_in_steps,
    a_workspace_is_removed_only_with_the_last_run_of_its_session,
    a_session_of_many_runs_is_deleted_in_steps,
    the_oldest_logs_are_trimmed_first_and_keep_their_ends,
    pending_removals_are_listed_until_they_are_done,
    removed_data_becomes_free_space_that_can_be_returned_to_the_disk,
}
