//! Webhooks: signed, in order, at least once, and never to internal addresses.
//!
//! Rules: C3.

use serde_json::{Value, json};

use crate::support::{Client, Received, Receiver, Server, Setup, live};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A server that may send to this machine, with short delays between attempts.
fn setup() -> Setup {
    Setup::new().env("OPENRUNNER_WEBHOOK_ALLOW", "127.0.0.1").env("OPENRUNNER_WEBHOOK_RETRY_SECS", "1,1,1,1")
}

async fn deliveries(client: &Client, query: &str) -> Vec<Value> {
    let answer = client.get(&format!("/api/webhooks/deliveries{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body["items"].as_array().expect("a listing").clone()
}

/// Waits until a delivery has this status, which is stored slightly after the receiver's response.
async fn until_delivery(client: &Client, run: &str, state: &str) -> Value {
    loop {
        let mut found = deliveries(client, &format!("?run_id={run}&status={state}")).await;
        if let Some(delivery) = found.pop() {
            return delivery;
        }
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_failing_receiver_gets_each_event_signed_in_order_and_once() {
    live(async {
        let receiver = Receiver::start(&[(500, None), (503, None)]).await;
        let server = setup().start().await;
        let user = server.client("user").await;
        let webhook = json!({ "url": receiver.url, "secret": SECRET, "events": ["*"] });
        let id = user.script_with("say hello\nresult done", json!({ "webhook": webhook })).await;
        let taken = receiver.taken().await;
        let all = receiver.received(taken.len() + 2).await;
        assert!(all.iter().all(|one| one.is_signed_with(SECRET) && !one.is_signed_with(OTHER)));
        assert!(all[..3].iter().all(|one| one.id == all[0].id && one.body == all[0].body), "the same event under the same id");
        let log = user.follow(&id).await.rest().await;
        let expected: Vec<_> = log.iter().filter(|frame| frame.event != "token").collect();
        assert_eq!(taken.len(), expected.len());
        for (one, frame) in taken.iter().zip(expected) {
            let (sent, mut event) = (one.json(), frame.data.clone());
            event["run_id"] = id.as_str().into();
            event["session_id"] = user.run(&id).await["session_id"].clone();
            assert_eq!((&sent["type"], &sent["timestamp"], &sent["data"]), (&event["type"], &event["ts"], &event));
        }
        let done = until_delivery(&user, &id, "delivered").await;
        assert_eq!((&done["seq"], &done["attempts"], &done["http_status"]), (&json!(1), &json!(3), &json!(204)));
        assert!(!server.log().contains(SECRET) && !user.run(&id).await.to_string().contains("whsec"));
    });
}

#[test]
fn the_server_webhook_gets_the_events_of_all_runs_and_deliveries_are_private() {
    live(async {
        let receiver = Receiver::start(&[]).await;
        let server = setup().env("OPENRUNNER_WEBHOOK_URL", &receiver.url).env("OPENRUNNER_WEBHOOK_SECRET", SECRET).start().await;
        let (admin, user) = (server.client("admin").await, server.client("user").await);
        let id = user.script("say hello\nresult done").await;
        let taken = receiver.taken().await;
        assert_eq!(taken.iter().map(Received::kind).collect::<Vec<_>>(), ["run_started", "done"]);
        assert!(taken.iter().all(|one| one.is_signed_with(SECRET)));
        let delivered = until_delivery(&user, &id, "delivered").await;
        assert_eq!(delivered["host"], receiver.url.trim_start_matches("http://").trim_end_matches("/hook"));
        let admins = admin.script("result done").await;
        until_delivery(&admin, &admins, "delivered").await;
        assert!(deliveries(&user, &format!("?run_id={admins}")).await.is_empty(), "of another user");
        assert!(!deliveries(&admin, &format!("?run_id={id}&owner=user&limit=1")).await.is_empty());
        assert_eq!(user.get("/api/webhooks/deliveries?status=lost").await.problem(422, "invalid_field"), "status");
    });
}

#[test]
fn a_webhook_to_an_internal_address_is_rejected() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        for url in [
            "http://127.0.0.1/",
            "http://10.0.0.1/",
            "http://169.254.169.254/",
            "http://[::ffff:127.0.0.1]/",
            "http://localhost/",
            "ftp://a/",
        ] {
            let webhook = json!({ "url": url, "secret": SECRET });
            let answer = user.ask("result done", json!({ "agent_type": "claude_code", "webhook": webhook })).await;
            assert_eq!(answer.problem(422, "invalid_field"), "metadata.webhook", "{url}");
        }
        for webhook in [json!("https://a.example/"), json!({ "url": "https://a.example/", "secret": "short" })] {
            let answer = user.ask("result done", json!({ "agent_type": "claude_code", "webhook": webhook })).await;
            assert_eq!(answer.problem(422, "invalid_field"), "metadata.webhook");
        }
    });
}

#[test]
fn redirects_are_not_followed_and_410_disables_the_endpoint() {
    live(async {
        let receiver = Receiver::start(&[(307, Some("/elsewhere")), (410, None)]).await;
        let server = setup().start().await;
        let user = server.client("user").await;
        let webhook = json!({ "url": receiver.url, "secret": SECRET });
        let id = user.script_with("result done", json!({ "webhook": webhook })).await;
        let failed = until_delivery(&user, &id, "failed").await;
        assert_eq!((&failed["attempts"], &failed["http_status"]), (&json!(2), &json!(410)));
        user.end_of(&id).await;
        assert_eq!(receiver.received(2).await.len(), 2, "the redirect led nowhere, and after 410 nothing more came");
        assert_eq!(deliveries(&user, &format!("?run_id={id}")).await.len(), 1);
        server.logs("abandoned a webhook").await;
    });
}

#[test]
fn deliveries_continue_after_a_crash_between_two_attempts() {
    live(async {
        let receiver = Receiver::start(&[(204, None), (500, None)]).await;
        let server = setup().env("OPENRUNNER_WEBHOOK_RETRY_SECS", "5,5,5").start().await;
        let user = server.client("user").await;
        let webhook = json!({ "url": receiver.url, "secret": SECRET });
        let id = user.script_with("result done", json!({ "webhook": webhook })).await;
        user.end_of(&id).await;
        let pending = until_delivery(&user, &id, "pending").await;
        assert_eq!(pending["event"], "done");
        let server = server.killed_and_started_again().await;
        let taken = receiver.taken().await;
        assert_eq!(taken.iter().map(Received::kind).collect::<Vec<_>>(), ["run_started", "done"]);
        assert_eq!(taken[1].id, receiver.received(3).await[1].id, "the same id before and after");
        let user = server.client("user").await;
        assert_eq!(user.delete(&format!("/api/runs/{id}")).await.status, 204);
        assert!(deliveries(&user, "").await.is_empty(), "they go with their run");
    });
}

#[test]
fn a_failed_delivery_is_retried_on_request_and_the_events_after_it_follow() {
    live(async {
        let receiver = Receiver::start(&[(410, None)]).await;
        let server = setup().start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        let webhook = json!({ "url": receiver.url, "secret": SECRET });
        let id = user.script_with("result done", json!({ "webhook": webhook })).await;
        let failed = until_delivery(&user, &id, "failed").await;
        user.end_of(&id).await;
        let retry = format!("/api/webhooks/deliveries/{}/retry", failed["id"].as_str().unwrap());
        // Also by the next server.
        let server = server.killed_and_started_again().await;
        let (user, admin) = (user.at(server.url()), admin.at(server.url()));
        let foreign = admin.script_with("result done", json!({ "webhook": { "url": receiver.url, "secret": SECRET } })).await;
        let of_admin = until_delivery(&admin, &foreign, "delivered").await["id"].as_str().unwrap().to_owned();
        user.post(&format!("/api/webhooks/deliveries/{of_admin}/retry"), &json!({})).await.problem(404, "not_found");
        assert_eq!(user.post(&retry, &json!({})).await.status, 204);
        let done = loop {
            let all = deliveries(&user, &format!("?run_id={id}")).await;
            if all.len() == 2 && all.iter().all(|one| one["status"] == "delivered") {
                break all;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(done.iter().map(|one| one["event"].as_str().unwrap()).collect::<Vec<_>>(), ["done", "run_started"]);
        user.post(&retry, &json!({})).await.problem(409, "delivery_not_failed");
        let audited = admin.get("/api/audit?action=webhook.retry").await.body["items"].clone();
        assert_eq!(audited[1]["detail"], failed["id"], "{audited}");
    });
}

#[test]
fn by_default_only_requests_that_wait_for_a_person_are_sent() {
    live(async {
        let receiver = Receiver::start(&[]).await;
        let server = setup().start().await;
        let user = server.client("user").await;
        let with =
            |mode: &str| json!({ "agent_type": "demo", "permission_mode": mode, "webhook": { "url": receiver.url, "secret": SECRET } });
        let auto = user.create("ask fast", with("auto")).await;
        user.end_of(&auto).await;
        until_delivery_of(&user, &auto, "done").await;
        let taken = receiver.taken().await;
        assert_eq!(taken.iter().map(Received::kind).collect::<Vec<_>>(), ["run_started", "done"], "the mode answered the request");
        let asks = user.create("ask fast", with("ask")).await;
        until_delivery_of(&user, &asks, "permission_request").await;
        user.cancel(&asks).await;
    });
}

/// Waits until an event of this type was delivered.
async fn until_delivery_of(client: &Client, run: &str, event: &str) {
    while !deliveries(client, &format!("?run_id={run}&status=delivered")).await.iter().any(|one| one["event"] == event) {
        tokio::task::yield_now().await;
    }
}
