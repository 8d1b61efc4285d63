//! What every store must do for chats.

use super::fixtures::{at, batch, contract, create, done, record};
use crate::run::store::{RunChange, RunStore, StoreError};
use crate::types::{SessionId, UserId};

async fn the_newest_session_of_the_owner_has_the_chat_until_it_is_taken(store: &dyn RunStore) {
    let (chat, other) = ([1; 32], [2; 32]);
    let (first, second, foreign) = (record("ann", "demo", None), record("ann", "demo", None), record("bob", "demo", None));
    for run in [&first, &second, &foreign] {
        create(store, run).await;
        store.set_chat(run.session, Some(chat)).await.unwrap();
    }
    let (ann, bob) = (first.owner.id, foreign.owner.id);
    assert_eq!(store.chat_session(ann, chat).await.unwrap(), Some(second.session));
    assert_eq!(store.chat_session(ann, chat).await.unwrap(), Some(second.session), "it is only read");
    assert_eq!((store.chat_session(ann, other).await.unwrap(), store.chat_session(UserId::new(), chat).await.unwrap()), (None, None));
    for expected in [Some(second.session), Some(first.session), None] {
        assert_eq!(store.take_chat_session(ann, chat).await.unwrap(), expected);
    }
    assert_eq!(store.take_chat_session(bob, chat).await.unwrap(), Some(foreign.session));
}

async fn a_session_has_the_chat_that_was_recorded_last(store: &dyn RunStore) {
    let run = record("ann", "demo", None);
    create(store, &run).await;
    store.set_chat(run.session, Some([1; 32])).await.unwrap();
    store.set_chat(run.session, Some([2; 32])).await.unwrap();
    assert_eq!(store.chat_session(run.owner.id, [1; 32]).await.unwrap(), None);
    assert_eq!(store.chat_session(run.owner.id, [2; 32]).await.unwrap(), Some(run.session));
    store.set_chat(run.session, None).await.unwrap();
    assert_eq!(store.chat_session(run.owner.id, [2; 32]).await.unwrap(), None);
    store.set_chat(SessionId::new(), Some([1; 32])).await.unwrap();
}

async fn a_deleted_session_has_no_chat(store: &dyn RunStore) {
    let run = record("ann", "demo", None);
    let lease = create(store, &run).await;
    store.append(&lease, batch(2, 2), RunChange { done: Some((done(), at(5))), ..RunChange::default() }).await.unwrap();
    store.set_chat(run.session, Some([1; 32])).await.unwrap();
    store.begin_delete(run.id, None).await.unwrap();
    assert_eq!(store.chat_session(run.owner.id, [1; 32]).await.unwrap(), None);
    assert!(matches!(store.take_chat_session(run.owner.id, [1; 32]).await, Ok::<_, StoreError>(None)));
}

contract! {
    the_newest_session_of_the_owner_has_the_chat_until_it_is_taken,
    a_session_has_the_chat_that_was_recorded_last,
    a_deleted_session_has_no_chat,
}
