//! What every store must do for webhooks: deliveries resume after a restart.

use super::fixtures::{at, batch, contract, create, done, record};
use crate::run::store::{
    ActiveWebhook, Attempt, Delivery, DeliveryFilter, DeliveryRetry, DeliveryStatus, NewWebhook, NextAttempt, OwnerFilter, RunChange,
    RunRecord, RunStore, WebhookStore,
};
use crate::types::UserId;

fn endpoint(url: &str) -> NewWebhook {
    NewWebhook { url: Some(url.to_owned()), secret: Some("secret".to_owned()), events: Some(vec!["done".to_owned()]) }
}

async fn add_run(store: &dyn RunStore, owner: &str, webhooks: Vec<NewWebhook>) -> RunRecord {
    let run = RunRecord { webhooks, ..record(owner, "demo", None) };
    create(store, &run).await;
    run
}

async fn active(store: &dyn WebhookStore) -> Vec<ActiveWebhook> {
    store.active_webhooks(0, 100).await.unwrap()
}

async fn all_deliveries(store: &dyn WebhookStore) -> Vec<Delivery> {
    store.deliveries(DeliveryFilter::default(), 100).await.unwrap()
}

fn attempt(webhook: &ActiveWebhook, seq: u64, next: NextAttempt) -> Attempt {
    Attempt {
        webhook: webhook.id,
        message_id: format!("msg_{seq}"),
        seq,
        event: "done".to_owned(),
        host: "example.test:443".to_owned(),
        at: at(10),
        http_status: Some(503),
        error: Some("not now".to_owned()),
        next,
    }
}

async fn endpoints_are_added_with_their_run_and_paged(store: &dyn RunStore) {
    let own = NewWebhook::default();
    let run = add_run(store, "ann", vec![endpoint("https://example.test/a"), own.clone()]).await;
    let found = active(store).await;
    assert_eq!(found.iter().map(|active| &active.webhook).collect::<Vec<_>>(), [&endpoint("https://example.test/a"), &own]);
    assert!(found.iter().all(|active| (active.run, active.session, active.cursor, active.attempts) == (run.id, run.session, 0, 0)));
    let first = store.active_webhooks(0, 1).await.unwrap();
    let second = store.active_webhooks(first[0].id, 1).await.unwrap();
    assert_eq!([first, second].concat(), found);
    assert!(!format!("{found:?}").contains("secret"), "Debug prints the secret");
}

async fn a_delivery_advances_the_cursor_and_a_failure_schedules_a_retry(store: &dyn RunStore) {
    add_run(store, "ann", vec![endpoint("https://example.test/a")]).await;
    let webhook = active(store).await.remove(0);
    for _ in 0..2 {
        store.record_attempt(attempt(&webhook, 3, NextAttempt::RetryAt(at(50)))).await.unwrap();
    }
    let waiting = active(store).await.remove(0);
    assert_eq!((waiting.cursor, waiting.attempts, waiting.next_attempt_at), (0, 2, Some(at(50))));
    let deliveries = all_deliveries(store).await;
    assert_eq!(
        (deliveries.len(), deliveries[0].status, deliveries[0].attempts, deliveries[0].next_attempt_at),
        (1, DeliveryStatus::Pending, 2, Some(at(50)))
    );
    assert_eq!(
        (deliveries[0].id.as_str(), deliveries[0].http_status, deliveries[0].error.as_deref()),
        ("msg_3", Some(503), Some("not now"))
    );

    let delivered = Attempt { http_status: Some(204), error: None, at: at(60), ..attempt(&webhook, 3, NextAttempt::Delivered) };
    store.record_attempt(delivered).await.unwrap();
    let advanced = active(store).await.remove(0);
    assert_eq!((advanced.cursor, advanced.attempts, advanced.next_attempt_at), (3, 0, None));
    let deliveries = all_deliveries(store).await;
    assert_eq!(
        (deliveries.len(), deliveries[0].status, deliveries[0].attempts, deliveries[0].next_attempt_at),
        (1, DeliveryStatus::Delivered, 3, None)
    );
    assert_eq!((deliveries[0].http_status, &deliveries[0].error, deliveries[0].last_attempt_at), (Some(204), &None, at(60)));
}

async fn an_abandoned_or_finished_endpoint_is_not_active(store: &dyn RunStore) {
    add_run(store, "ann", vec![endpoint("https://example.test/a"), endpoint("https://example.test/b"), endpoint("https://example.test/c")])
        .await;
    let found = active(store).await;
    store.record_attempt(attempt(&found[0], 1, NextAttempt::Abandoned)).await.unwrap();
    store.finish_webhook(found[1].id).await.unwrap();
    assert_eq!(active(store).await, [found[2].clone()]);
    store.finish_webhook(found[0].id).await.unwrap();
    let deliveries = all_deliveries(store).await;
    assert_eq!((deliveries.len(), deliveries[0].status), (1, DeliveryStatus::Failed), "finishing an abandoned endpoint changes nothing");
}

async fn deliveries_are_filtered_and_paged(store: &dyn RunStore) {
    let (ann, bob) = (
        add_run(store, "ann", vec![endpoint("https://example.test/a")]).await,
        add_run(store, "bob", vec![endpoint("https://example.test/b")]).await,
    );
    let found = active(store).await;
    store.record_attempt(attempt(&found[0], 1, NextAttempt::Delivered)).await.unwrap();
    store.record_attempt(attempt(&found[1], 1, NextAttempt::RetryAt(at(9)))).await.unwrap();
    store.record_attempt(attempt(&found[0], 2, NextAttempt::Abandoned)).await.unwrap();
    let matching = async |filter| -> Vec<_> {
        let found: Vec<Delivery> = store.deliveries(filter, 100).await.unwrap();
        found.iter().map(|delivery| (delivery.run_id, delivery.seq)).collect()
    };
    let any = DeliveryFilter::default;
    assert_eq!(matching(any()).await, [(ann.id, 2), (bob.id, 1), (ann.id, 1)], "newest first");
    assert_eq!(matching(DeliveryFilter { run: Some(bob.id), ..any() }).await, [(bob.id, 1)]);
    assert_eq!(matching(DeliveryFilter { owner: Some(OwnerFilter::Id(ann.owner.id)), ..any() }).await, [(ann.id, 2), (ann.id, 1)]);
    assert_eq!(matching(DeliveryFilter { status: Some(DeliveryStatus::Pending), ..any() }).await, [(bob.id, 1)]);
    let page = store.deliveries(any(), 2).await.unwrap();
    assert_eq!(matching(DeliveryFilter { before: Some(page[1].number), ..any() }).await, [(ann.id, 1)]);
}

async fn an_attempt_for_a_deleted_run_is_ignored(store: &dyn RunStore) {
    let run = add_run(store, "ann", vec![endpoint("https://example.test/a")]).await;
    let webhook = active(store).await.remove(0);
    store.record_attempt(attempt(&webhook, 1, NextAttempt::RetryAt(at(9)))).await.unwrap();
    let lease = store.take_lease(run.id).await.unwrap();
    store.append(&lease, batch(2, 2), RunChange { done: Some((done(), at(5))), ..RunChange::default() }).await.unwrap();
    store.begin_delete(run.id, None).await.unwrap();
    store.record_attempt(attempt(&webhook, 1, NextAttempt::Delivered)).await.unwrap();
    store.finish_webhook(webhook.id).await.unwrap();
    assert!(active(store).await.is_empty() && all_deliveries(store).await.is_empty());
}

async fn a_failed_delivery_of_the_owner_is_retried_and_no_other(store: &dyn RunStore) {
    let run = add_run(store, "ann", vec![endpoint("https://example.test/a")]).await;
    let (webhook, owner) = (active(store).await.remove(0), run.owner.id);
    let retry = |owner, id: &str| store.retry_delivery(owner, id.to_owned(), at(70), None);
    store.record_attempt(attempt(&webhook, 1, NextAttempt::Delivered)).await.unwrap();
    store.record_attempt(attempt(&webhook, 3, NextAttempt::RetryAt(at(50)))).await.unwrap();
    for (id, status) in [("msg_1", DeliveryStatus::Delivered), ("msg_3", DeliveryStatus::Pending)] {
        assert_eq!(retry(Some(owner), id).await.unwrap(), DeliveryRetry::NotFailed(status));
    }
    store.record_attempt(attempt(&webhook, 3, NextAttempt::Abandoned)).await.unwrap();
    assert_eq!(active(store).await, []);
    for (owner, id) in [(Some(UserId::new()), "msg_3"), (Some(owner), "msg_2")] {
        assert_eq!(retry(owner, id).await.unwrap(), DeliveryRetry::NotFound);
    }
    assert_eq!(retry(None, "msg_3").await.unwrap(), DeliveryRetry::Retried(webhook.id));
    assert_eq!(active(store).await, [ActiveWebhook { cursor: 1, ..webhook }], "it continues after the last delivered event");
    let pending = &all_deliveries(store).await[0];
    assert_eq!((pending.status, pending.next_attempt_at), (DeliveryStatus::Pending, Some(at(70))));
}

contract! {
    a_failed_delivery_of_the_owner_is_retried_and_no_other,
    endpoints_are_added_with_their_run_and_paged,
    a_delivery_advances_the_cursor_and_a_failure_schedules_a_retry,
    an_abandoned_or_finished_endpoint_is_not_active,
    deliveries_are_filtered_and_paged,
    an_attempt_for_a_deleted_run_is_ignored,
}
