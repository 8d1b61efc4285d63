//! What every store owes to the sending of events: where it stands outlives the server that sends.

use super::runs::{batch, contract, record};
use crate::run::store::{
    ActiveWebhook, Attempt, Delivery, DeliveryFilter, DeliveryStatus, NewWebhook, NextAttempt, RunRecord, RunStore, WebhookStore,
};
use crate::types::Timestamp;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn place(url: &str) -> NewWebhook {
    NewWebhook { url: Some(url.to_owned()), secret: Some("secret".to_owned()), events: Some(vec!["done".to_owned()]) }
}

async fn add(store: &dyn RunStore, owner: &str, webhooks: Vec<NewWebhook>) -> RunRecord {
    let run = RunRecord { webhooks, ..record(owner, "demo", None) };
    store.create_run(run.clone(), batch(1, 1), None).await.unwrap();
    run
}

async fn active(store: &dyn WebhookStore) -> Vec<ActiveWebhook> {
    store.active_webhooks(0, 100).await.unwrap()
}

async fn all(store: &dyn WebhookStore) -> Vec<Delivery> {
    store.deliveries(DeliveryFilter::default(), 100).await.unwrap()
}

fn attempt(webhook: &ActiveWebhook, seq: u64, then: NextAttempt) -> Attempt {
    Attempt {
        webhook: webhook.id,
        message_id: format!("msg_{seq}"),
        seq,
        event: "done".to_owned(),
        host: "example.test:443".to_owned(),
        at: at(10),
        http_status: Some(503),
        error: Some("not now".to_owned()),
        then,
    }
}

async fn a_runs_places_come_with_it_and_are_listed_in_pages(store: &dyn RunStore) {
    let own = NewWebhook::default();
    let run = add(store, "ann", vec![place("https://example.test/a"), own.clone()]).await;
    let found = active(store).await;
    assert_eq!(found.iter().map(|place| &place.webhook).collect::<Vec<_>>(), [&place("https://example.test/a"), &own]);
    assert!(found.iter().all(|place| (place.run, place.session, place.cursor, place.attempts) == (run.id, run.session, 0, 0)));
    let first = store.active_webhooks(0, 1).await.unwrap();
    let second = store.active_webhooks(first[0].id, 1).await.unwrap();
    assert_eq!([first, second].concat(), found);
    assert!(!format!("{found:?}").contains("secret"), "nobody sees it in a log");
}

async fn what_was_taken_moves_the_cursor_and_what_was_not_is_tried_again(store: &dyn RunStore) {
    add(store, "ann", vec![place("https://example.test/a")]).await;
    let webhook = active(store).await.remove(0);
    for _ in 0..2 {
        store.record_attempt(attempt(&webhook, 3, NextAttempt::Again(at(50)))).await.unwrap();
    }
    let waiting = active(store).await.remove(0);
    assert_eq!((waiting.cursor, waiting.attempts, waiting.next_at), (0, 2, Some(at(50))));
    let told = all(store).await;
    assert_eq!((told.len(), told[0].status, told[0].attempts, told[0].next_attempt_at), (1, DeliveryStatus::Pending, 2, Some(at(50))));
    assert_eq!((told[0].id.as_str(), told[0].http_status, told[0].error.as_deref()), ("msg_3", Some(503), Some("not now")));

    let taken = Attempt { http_status: Some(204), error: None, at: at(60), ..attempt(&webhook, 3, NextAttempt::Delivered) };
    store.record_attempt(taken).await.unwrap();
    let moved = active(store).await.remove(0);
    assert_eq!((moved.cursor, moved.attempts, moved.next_at), (3, 0, None));
    let told = all(store).await;
    assert_eq!((told.len(), told[0].status, told[0].attempts, told[0].next_attempt_at), (1, DeliveryStatus::Delivered, 3, None));
    assert_eq!((told[0].http_status, &told[0].error, told[0].last_attempt_at), (Some(204), &None, at(60)));
}

async fn a_place_that_was_given_up_or_is_finished_is_active_no_more(store: &dyn RunStore) {
    add(store, "ann", vec![place("https://example.test/a"), place("https://example.test/b"), place("https://example.test/c")]).await;
    let found = active(store).await;
    store.record_attempt(attempt(&found[0], 1, NextAttempt::GivenUp)).await.unwrap();
    store.finish_webhook(found[1].id).await.unwrap();
    assert_eq!(active(store).await, [found[2].clone()]);
    store.finish_webhook(found[0].id).await.unwrap();
    let told = all(store).await;
    assert_eq!((told.len(), told[0].status), (1, DeliveryStatus::Failed), "that it was given up is not forgotten");
}

async fn deliveries_are_found_by_run_owner_and_state_in_pages(store: &dyn RunStore) {
    let (ann, bob) =
        (add(store, "ann", vec![place("https://example.test/a")]).await, add(store, "bob", vec![place("https://example.test/b")]).await);
    let found = active(store).await;
    store.record_attempt(attempt(&found[0], 1, NextAttempt::Delivered)).await.unwrap();
    store.record_attempt(attempt(&found[1], 1, NextAttempt::Again(at(9)))).await.unwrap();
    store.record_attempt(attempt(&found[0], 2, NextAttempt::GivenUp)).await.unwrap();
    let matching = async |filter| -> Vec<_> {
        let found: Vec<Delivery> = store.deliveries(filter, 100).await.unwrap();
        found.iter().map(|delivery| (delivery.run_id, delivery.seq)).collect()
    };
    let any = DeliveryFilter::default;
    assert_eq!(matching(any()).await, [(ann.id, 2), (bob.id, 1), (ann.id, 1)], "newest first");
    assert_eq!(matching(DeliveryFilter { run: Some(bob.id), ..any() }).await, [(bob.id, 1)]);
    assert_eq!(matching(DeliveryFilter { owner: Some(ann.owner.clone()), ..any() }).await, [(ann.id, 2), (ann.id, 1)]);
    assert_eq!(matching(DeliveryFilter { status: Some(DeliveryStatus::Pending), ..any() }).await, [(bob.id, 1)]);
    let page = store.deliveries(any(), 2).await.unwrap();
    assert_eq!(matching(DeliveryFilter { before: Some(page[1].number), ..any() }).await, [(ann.id, 1)]);
}

async fn what_comes_of_a_run_that_is_gone_is_nobodys_error(store: &dyn RunStore) {
    let run = add(store, "ann", vec![place("https://example.test/a")]).await;
    let webhook = active(store).await.remove(0);
    store.record_attempt(attempt(&webhook, 1, NextAttempt::Again(at(9)))).await.unwrap();
    assert!(store.delete_run(run.id).await.unwrap());
    store.record_attempt(attempt(&webhook, 1, NextAttempt::Delivered)).await.unwrap();
    store.finish_webhook(webhook.id).await.unwrap();
    assert!(active(store).await.is_empty() && all(store).await.is_empty());
}

contract! {
    a_runs_places_come_with_it_and_are_listed_in_pages,
    what_was_taken_moves_the_cursor_and_what_was_not_is_tried_again,
    a_place_that_was_given_up_or_is_finished_is_active_no_more,
    deliveries_are_found_by_run_owner_and_state_in_pages,
    what_comes_of_a_run_that_is_gone_is_nobodys_error,
}
