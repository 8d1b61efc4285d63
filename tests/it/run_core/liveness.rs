//! Whether a run is live is decided by its row: no reader and no webhook takes a run for ended that has just been created.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use super::listed;
use crate::support::{Client, Received, Receiver, Setup, assert_dense, live};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Concurrent connections.
const CONNECTIONS: usize = 48;

/// Time limit of deliveries that take a second. Without it a lost one would be reported without its number.
const DELIVERY_LIMIT: Duration = Duration::from_secs(30);

/// Creates `count` runs over each of several connections, cancels each at once, and returns their ids.
async fn create_and_cancel(user: &Client, count: usize, metadata: &serde_json::Value) -> BTreeSet<String> {
    let created = join_all((0..CONNECTIONS).map(|_| async {
        let mut ids = Vec::new();
        for _ in 0..count {
            let id = user.script_with("result done", metadata.clone()).await;
            assert_eq!(user.cancel(&id).await.status, 200);
            ids.push(id);
        }
        ids
    }));
    created.await.concat().into_iter().collect()
}

#[test]
fn the_webhook_of_every_run_is_delivered_when_many_runs_are_created_and_cancelled_at_once() {
    live(async {
        let receiver = Receiver::start(&[]).await;
        let server = Setup::new().env("OPENRUNNER_WEBHOOK_ALLOW", "127.0.0.1").env("OPENRUNNER_MAX_RUNS", 1).start().await;
        let user = server.client("user").await;
        let webhook = json!({ "url": receiver.url, "secret": SECRET, "events": ["done"] });
        let created = create_and_cancel(&user, 6, &json!({ "webhook": webhook })).await;
        let run_of = |one: &Received| one.json()["data"]["run_id"].as_str().expect("a run id").to_owned();
        let is_complete = |received: &Vec<Received>| received.iter().map(run_of).collect::<BTreeSet<_>>().len() == created.len();
        let complete = tokio::time::timeout(DELIVERY_LIMIT, receiver.until(is_complete)).await;
        let deliveries = if let Ok(all) = complete { all } else { receiver.until(|_| true).await };
        let delivered: BTreeSet<String> = deliveries.iter().map(run_of).collect();
        let missing: Vec<&String> = created.difference(&delivered).collect();
        assert!(missing.is_empty(), "{} of {} webhooks were not sent: {missing:?}", missing.len(), created.len());
    });
}

#[test]
fn a_stream_that_is_opened_while_its_run_is_being_created_ends_with_done() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_MAX_RUNS", 1).start().await;
        let user = server.client("user").await;
        let no_webhook = json!({});
        // Finds each run in the list, possibly before the request that creates it is answered.
        let follow_new_runs = async {
            let mut seen = BTreeSet::new();
            while seen.len() < CONNECTIONS * 3 {
                let found = listed(&user, "/api/runs?limit=200", "run_id").await;
                let new: Vec<String> = found.into_iter().filter(|id| !seen.contains(id)).collect();
                let user = &user;
                join_all(new.iter().map(|id| async move {
                    let frames = user.follow(id).await.rest().await;
                    assert_eq!(frames.last().map(|frame| frame.event.as_str()), Some("done"), "the stream of {id} ended early");
                    assert_dense(&frames);
                }))
                .await;
                seen.extend(new);
            }
            seen
        };
        let (created, seen) = tokio::join!(create_and_cancel(&user, 3, &no_webhook), follow_new_runs);
        assert_eq!(created, seen);
    });
}
