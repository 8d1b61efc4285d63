//! What every store must do for the changes that runs make in their working directories.

use super::fixtures::{at, batch, contract, create, done, record};
use crate::run::store::{RetentionStore, RunChange, RunStore, StoreError};
use crate::workspace::{ChangeRecord, Changes, EndRecord, StoredChanges, TreeId};

trait Store: RunStore + RetentionStore {}

impl<S: RunStore + RetentionStore> Store for S {}

/// What is stored after `turns` turns, and after the end if there is a patch.
pub(in crate::run) fn changes(turns: usize, patch: Option<&[u8]>) -> StoredChanges {
    let end = patch.map(|_| EndRecord { tree: TreeId::EMPTY, changes: Changes::default() });
    let record = ChangeRecord { start: TreeId::EMPTY, turns: vec![TreeId::EMPTY; turns], skipped: vec![], skipped_total: 0, end };
    StoredChanges { record, patch: patch.map(<[u8]>::to_vec) }
}

fn with(changes: &StoredChanges) -> RunChange {
    RunChange { changes: Some(Box::new(changes.clone())), ..RunChange::default() }
}

async fn changes_replace_earlier_ones_and_are_removed_with_their_run(store: &dyn Store) {
    let run = record("admin", "demo", None);
    let lease = create(store, &run).await;
    assert_eq!(store.changes(run.id).await, Ok(None));
    for changes in [changes(0, None), changes(1, None), changes(1, Some(b"patch"))] {
        store.append(&lease, vec![], with(&changes)).await.unwrap();
        store.append(&lease, vec![], RunChange::default()).await.unwrap();
        assert_eq!(store.changes(run.id).await, Ok(Some(changes)), "a change without changes keeps them");
    }
    store.append(&lease, batch(2, 2), RunChange { done: Some((done(), at(5))), ..RunChange::default() }).await.unwrap();
    assert_eq!(store.append(&lease, vec![], with(&changes(9, None))).await, Err(StoreError::Ended { run: run.id }));
    assert_eq!(store.changes(run.id).await, Ok(Some(changes(1, Some(b"patch")))));
    store.begin_delete(run.id, None).await.unwrap();
    assert_eq!(store.changes(run.id).await, Ok(None));
}

async fn a_patch_is_trimmed_with_the_log_and_the_list_stays(store: &dyn Store) {
    let run = record("admin", "demo", None);
    let lease = create(store, &run).await;
    let end = RunChange { done: Some((done(), at(5))), ..with(&changes(2, Some(&[7; 5000]))) };
    store.append(&lease, batch(2, 2), end).await.unwrap();
    let step = store.trim_oldest(at(9_000), usize::MAX).await.unwrap();
    assert!(step.bytes >= 5000, "{step:?}");
    let StoredChanges { record, patch } = store.changes(run.id).await.unwrap().unwrap();
    assert_eq!((record, patch), (changes(2, Some(b"")).record, None));
}

contract! {
    changes_replace_earlier_ones_and_are_removed_with_their_run,
    a_patch_is_trimmed_with_the_log_and_the_list_stays,
}
