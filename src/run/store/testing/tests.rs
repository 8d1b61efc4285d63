//! The tools for tests do what they promise, so that the tests that use them can fail.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::{Calls, Fault, FaultStore, Point, explore};
use crate::run::store::contract::{create, record};
use crate::run::store::{Chunk, RunChange, RunStore, StoreError};
use crate::types::{Lease, Seq};

async fn append(store: &FaultStore, lease: &Lease, number: u64) -> Result<(), StoreError> {
    let seq = Seq::new(number).unwrap();
    let chunk = Chunk { first: seq, last: seq, body: "{}\n".into() };
    store.append(lease, vec![chunk], RunChange::default()).await
}

async fn last_seq(store: &FaultStore, lease: &Lease) -> u64 {
    store.inner().run(lease.run).await.unwrap().unwrap().last_seq.get()
}

#[tokio::test]
async fn the_chosen_call_fails_before_or_after_its_effect() {
    let store = FaultStore::in_memory();
    let lease = create(&store, &record("ann", "demo", None)).await;
    store.fail_nth(Calls::Named("append"), 2, Fault::Before);
    append(&store, &lease, 2).await.unwrap();
    assert!(store.has_faults_left());
    assert_eq!(append(&store, &lease, 3).await, Err(StoreError::Write("injected into append".into())));
    assert!(!store.has_faults_left());
    assert_eq!(last_seq(&store, &lease).await, 2);
    store.fail_nth(Calls::Writes, 1, Fault::After);
    assert!(store.run(lease.run).await.is_ok(), "a read is not a write");
    assert!(append(&store, &lease, 3).await.is_err());
    assert_eq!(last_seq(&store, &lease).await, 3, "only the reply was lost");
    store.fail_from(Calls::All, 1, Fault::Before);
    for _ in 0..3 {
        assert!(store.run(lease.run).await.is_err() && append(&store, &lease, 4).await.is_err());
    }
    store.heal();
    store.fail_from(Calls::Reads, 1, Fault::Before);
    assert!(store.run(lease.run).await.is_err());
    append(&store, &lease, 4).await.unwrap();
    assert_eq!((store.count(Calls::Named("append")), store.count(Calls::Writes)), (7, 8));
}

#[tokio::test]
#[should_panic(expected = "injected into run")]
async fn a_call_can_panic() {
    let store = FaultStore::in_memory();
    store.fail_nth(Calls::All, 1, Fault::Panic);
    let _ = store.run(crate::types::RunId::new()).await;
}

#[tokio::test]
async fn a_paused_call_continues_when_it_is_released() {
    let store = FaultStore::in_memory();
    let lease = create(&store, &record("ann", "demo", None)).await;
    let mut gate = store.gate();
    let mut call = Box::pin(append(&store, &lease, 2));
    for (point, stored) in [(Point::Before, 1), (Point::After, 2)] {
        assert!(futures_util::poll!(&mut call).is_pending());
        let paused = gate.next().await;
        assert_eq!((paused.call, paused.point, last_seq(&store, &lease).await), ("append", point, stored));
    }
    call.await.unwrap();
    drop(gate);
    append(&store, &lease, 3).await.unwrap();
}

#[test]
fn every_order_of_two_concurrent_writers_is_explored() {
    let outcomes = RefCell::new(BTreeSet::new());
    let runs = explore(1000, |store| {
        let outcomes = &outcomes;
        async move {
            let lease = create(&store, &record("ann", "demo", None)).await;
            let (first, second) = tokio::join!(append(&store, &lease, 2), store.take_lease(lease.run));
            assert!(second.is_ok());
            let outcome = (first.is_ok(), last_seq(&store, &lease).await);
            outcomes.borrow_mut().insert(outcome);
        }
    });
    // The two pauses of each of the two calls, in any order that keeps each call's own.
    assert_eq!(runs, 6);
    assert_eq!(outcomes.into_inner(), [(false, 1), (true, 2)].into());
}
