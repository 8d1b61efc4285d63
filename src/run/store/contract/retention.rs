//! What every store owes to retention: the third part of the suite.

use super::runs::{contract, done, record};
use crate::run::store::{Chunk, PendingRemoval, RetentionStore, RunChange, RunRecord, RunStore};
use crate::types::{RunId, Seq, SessionId, Timestamp};

/// A store as its users see it, from both sides.
trait Whole: RunStore + RetentionStore {}
impl<T: RunStore + RetentionStore> Whole for T {}

/// Small enough that a step does not come to the end of a log.
const UNACKED_BYTES: usize = 1;
const MUCH: usize = usize::MAX;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn batch(number: u64) -> Vec<Chunk> {
    let seq = Seq::new(number).unwrap();
    vec![Chunk { first: seq, last: seq, body: format!("{{\"seq\":{number}}}\n").into() }]
}

/// A run with three events, the last of them its `done` at that moment.
async fn ended(store: &dyn Whole, session: SessionId, millis: i64) -> RunId {
    let run = live(store, session).await;
    store.append(run, batch(2), RunChange::default()).await.unwrap();
    let change = RunChange { done: Some((done(), at(millis))), ..RunChange::default() };
    store.append(run, batch(3), change).await.unwrap();
    run
}

async fn live(store: &dyn Whole, session: SessionId) -> RunId {
    let run = RunRecord { session, ..record("ann", "demo", None) };
    store.create_run(run.clone(), batch(1), None).await.unwrap();
    run.id
}

async fn left(store: &dyn Whole, run: RunId) -> Vec<u64> {
    store.chunks(run, 0, MUCH).await.unwrap().iter().map(|chunk| chunk.first.get()).collect()
}

async fn a_conversation_goes_when_its_last_run_ended_before_the_moment(store: &dyn Whole) {
    let (old, both, alive) = (SessionId::new(), SessionId::new(), SessionId::new());
    let gone = [ended(store, old, 1_000).await, ended(store, old, 1_500).await];
    let kept =
        [ended(store, both, 1_000).await, ended(store, both, 2_000).await, ended(store, alive, 1_000).await, live(store, alive).await];
    let mut removed = Vec::new();
    loop {
        let step = store.remove_oldest(at(2_000), UNACKED_BYTES).await.unwrap();
        removed.extend(step.removed);
        if !step.found {
            break;
        }
    }
    assert_eq!(removed, gone.map(|run| (run, "ann".parse().unwrap())));
    for run in gone {
        assert_eq!((store.run(run).await.unwrap(), left(store, run).await), (None, vec![]));
    }
    assert_eq!(store.session(old).await.unwrap(), None);
    for run in &kept[..3] {
        assert_eq!(left(store, *run).await, [1, 2, 3], "not a part of a conversation that is not old");
    }
    assert!(store.run(kept[3]).await.unwrap().is_some());
    let mut pending_removals = store.pending_removals(9).await.unwrap();
    pending_removals.sort_by_key(|pending_removals| pending_removals.run.to_string());
    assert_eq!(pending_removals, gone.map(|run| PendingRemoval { run, workspace: true }));
}

async fn a_long_log_goes_in_steps_and_its_conversation_with_the_last_of_them(store: &dyn Whole) {
    let run = ended(store, SessionId::new(), 1_000).await;
    let mut seen = Vec::new();
    while store.remove_oldest(at(2_000), UNACKED_BYTES).await.unwrap().found {
        seen.push(left(store, run).await);
    }
    assert_eq!(seen, [vec![2, 3], vec![]], "its end goes last, with its row");
}

async fn the_oldest_logs_are_cut_first_and_their_ends_stay(store: &dyn Whole) {
    let newer = ended(store, SessionId::new(), 2_000).await;
    let older = ended(store, SessionId::new(), 1_000).await;
    let alive = live(store, SessionId::new()).await;
    let cut = store.cut_oldest(at(9_000), MUCH).await.unwrap();
    assert_eq!((cut.cut, cut.found, cut.bytes), (1, true, 2 * "{\"seq\":1}\n".len() as u64));
    assert_eq!((left(store, older).await, left(store, newer).await), (vec![3], vec![1, 2, 3]));
    let row = store.run(older).await.unwrap().unwrap();
    assert_eq!((row.last_seq.get(), row.done.is_some()), (3, true));
    assert_eq!(store.pending_removals(9).await.unwrap(), [PendingRemoval { run: older, workspace: false }]);
    // In steps, too, and never more than once.
    assert_eq!(store.cut_oldest(at(9_000), UNACKED_BYTES).await.unwrap().cut, 0);
    assert_eq!(left(store, newer).await, [2, 3]);
    while store.cut_oldest(at(9_000), UNACKED_BYTES).await.unwrap().found {}
    assert_eq!((left(store, newer).await, left(store, alive).await), (vec![3], vec![1]), "a live run is left alone");
}

async fn remains_are_known_until_they_are_gone(store: &dyn Whole) {
    let run = ended(store, SessionId::new(), 1_000).await;
    store.cut_oldest(at(9_000), MUCH).await.unwrap();
    let output = store.pending_removals(9).await.unwrap();
    store.remove_oldest(at(2_000), MUCH).await.unwrap();
    let all = [PendingRemoval { run, workspace: true }];
    assert_eq!(store.pending_removals(9).await.unwrap(), all, "the run is gone now, and its workspace goes, too");
    // Somebody who has only just removed the output must not make the workspace forgotten.
    store.forget_removed(output).await.unwrap();
    assert_eq!(store.pending_removals(9).await.unwrap(), all);
    store.forget_removed(all.to_vec()).await.unwrap();
    assert_eq!(store.pending_removals(9).await.unwrap(), []);
}

async fn what_is_removed_is_free_and_what_is_free_can_be_given_back(store: &dyn Whole) {
    for millis in 1..=8 {
        let run = live(store, SessionId::new()).await;
        let second = Chunk { first: Seq::new(2).unwrap(), last: Seq::new(2).unwrap(), body: vec![b'x'; 300_000].into() };
        store.append(run, vec![second], RunChange::default()).await.unwrap();
        store.append(run, batch(3), RunChange { done: Some((done(), at(millis))), ..RunChange::default() }).await.unwrap();
    }
    let full = store.size().await.unwrap();
    assert!(full.used > 8 * 300_000);
    while store.cut_oldest(at(9_000), MUCH).await.unwrap().found {}
    let cut = store.size().await.unwrap();
    assert!(cut.used < 300_000 && cut.free > 2_000_000, "{cut:?}");
    while store.shrink(100_000).await.unwrap() {}
    let shrunk = store.size().await.unwrap();
    assert_eq!(shrunk.free, 0);
    assert!(shrunk.used <= cut.used, "{shrunk:?}");
}

contract! {
    a_conversation_goes_when_its_last_run_ended_before_the_moment,
    a_long_log_goes_in_steps_and_its_conversation_with_the_last_of_them,
    the_oldest_logs_are_cut_first_and_their_ends_stay,
    remains_are_known_until_they_are_gone,
    what_is_removed_is_free_and_what_is_free_can_be_given_back,
}
