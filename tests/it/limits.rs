//! Rate limits: a client over a limit learns when to retry, and no other client is affected.
//!
//! Rules: D6, D8.

use std::pin::pin;
use std::time::Instant;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{Answer, Client, Server, Setup, live};

async fn try_login(client: &Client, name: &str, password: &str) -> Answer {
    client.post("/api/auth/login", &json!({ "username": name, "password": password })).await
}

fn names_a_time(answer: &Answer) -> bool {
    answer.header("retry-after").parse::<u32>().is_ok_and(|secs| secs > 0)
}

#[test]
fn after_too_many_failed_logins_even_the_right_password_is_rejected() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_LOGINS_PER_MINUTE", 3).start().await;
        // An existing token stays valid.
        let (guest, user) = (server.guest(), server.client("user").await);
        for _ in 0..3 {
            try_login(&guest, "admin", "guess").await.problem(401, "wrong_credentials");
        }
        for name in ["admin", "user", "nemo"] {
            let refused = try_login(&guest, name, name).await;
            refused.problem(429, "too_many_logins");
            assert!(names_a_time(&refused));
        }
        assert_eq!(user.get("/api/auth/me").await.status, 200);
    });
}

#[test]
fn a_stolen_token_cannot_be_used_to_guess_passwords() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_LOGINS_PER_MINUTE", 3).start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        let change = |current: &str| json!({ "current_password": current, "new_password": "better than before" });
        for _ in 0..3 {
            user.post("/api/auth/password", &change("guess")).await.problem(403, "wrong_password");
        }
        let refused = user.post("/api/auth/password", &change("user")).await;
        refused.problem(429, "too_many_logins");
        assert!(names_a_time(&refused));
        let log = admin.get("/api/audit?action=password").await;
        assert_eq!(log.body["items"].as_array().unwrap().len(), 3, "what is not tried does not fill the log");
    });
}

#[test]
fn fifty_concurrent_logins_succeed_and_do_not_slow_down_health() {
    live(async {
        // The limit is lower than the number of logins here: successful logins do not count.
        let server = Setup::new().env("OPENRUNNER_LOGINS_PER_MINUTE", 20).start().await;
        let guest = server.guest();
        let mut logins: FuturesUnordered<_> = (0..50).map(|_| try_login(&guest, "admin", "admin")).collect();
        // The first response shows that the server is working on them.
        assert_eq!(logins.next().await.unwrap().status, 200);
        let mut health = pin!(guest.get("/health"));
        let mut answered = 1;
        loop {
            tokio::select! {
                biased;
                health = &mut health => {
                    assert_eq!(health.status, 200);
                    break;
                }
                Some(login) = logins.next() => {
                    assert_eq!(login.status, 200);
                    answered += 1;
                }
            }
        }
        assert!(answered < 40, "health was answered after {answered} of 50 logins");
        assert!(logins.map(|login| login.status).collect::<Vec<_>>().await.into_iter().all(|status| status == 200));
    });
}

#[test]
fn requests_are_counted_per_user_and_without_a_token_per_client() {
    live(async {
        // A request every six seconds is allowed in addition.
        let started = Instant::now();
        let server = Setup::new().env("OPENRUNNER_REQUESTS_PER_MINUTE", 10).start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        let allowed = |at_once: u64| at_once..=at_once + started.elapsed().as_secs() / 6 + 1;
        let mut answered = 0;
        let refused = loop {
            let answer = user.get("/api/auth/me").await;
            if answer.status != 200 {
                break answer;
            }
            answered += 1;
        };
        assert!(allowed(10).contains(&answered), "{answered}");
        refused.problem(429, "too_many_requests");
        assert!(names_a_time(&refused));
        assert_eq!(admin.get("/api/auth/me").await.status, 200, "another user");
        // Two logins were counted already.
        let guest = server.guest();
        let answers = join_all((0..40).map(|_| guest.get("/health"))).await;
        let answered = answers.iter().filter(|answer| answer.status == 200).count() as u64;
        assert!(allowed(8).contains(&answered), "{answered}");
        let refused = loop {
            let answer = guest.get("/api/runs").await;
            if answer.status != 401 {
                break answer;
            }
        };
        refused.problem(429, "too_many_requests");
        assert_eq!(admin.get("/api/runs").await.status, 200, "a token speaks for its user, wherever it comes from");
    });
}

#[test]
fn the_default_limits_admit_a_storm_of_readers_and_runs() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_MAX_RUNS", 1).start().await;
        let user = server.client("user").await;
        let first = user.script("say up\nhang").await;
        user.follow(&first).await.until_text("up").await;
        let path = format!("/api/runs/{first}/events?after=0");
        for _ in 0..5 {
            // Each response is dropped after its head, as by a client that reconnects.
            let heads = join_all((0..100).map(|_| user.request(Method::GET, &path).send())).await;
            assert!(heads.into_iter().all(|head| head.unwrap().status() == StatusCode::OK));
        }
        let made = join_all((0..100).map(|_| user.ask("result x", json!({ "agent_type": "claude_code" })))).await;
        assert!(made.iter().all(|answer| answer.status == 201));
        user.cancel(&first).await;
    });
}

#[test]
fn streams_per_user_are_limited_and_a_closed_one_frees_its_slot() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_MAX_STREAMS_PER_USER", 2).start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        let id = user.script("say up\nhang").await;
        let (mut first, mut second) = (user.follow(&id).await, user.follow(&id).await);
        first.until_text("up").await;
        second.until_text("up").await;
        let path = format!("/api/runs/{id}/events");
        let refused = user.get(&path).await;
        refused.problem(429, "too_many_streams");
        assert!(names_a_time(&refused));
        assert!(admin.follow(&id).await.next().await.is_some(), "each user has their own");
        user.cancel(&id).await;
        // The log ends, and with it both streams.
        first.rest().await;
        second.rest().await;
        assert_eq!(user.get(&path).await.status, 200);
    });
}

#[test]
fn clients_behind_a_trusted_proxy_are_counted_separately_and_forged_headers_are_ignored() {
    live(async {
        // A connection from the proxy is not local, so the default passwords do not work here.
        let setup = Setup::new().env("OPENRUNNER_TRUSTED_PROXIES", "127.0.0.1").env("OPENRUNNER_ADMIN_PASSWORD", "correct horse");
        let server = setup.env("OPENRUNNER_LOGINS_PER_MINUTE", 2).start().await;
        let other = Setup::new().env("OPENRUNNER_TRUSTED_PROXIES", "10.0.0.0/8").env("OPENRUNNER_LOGINS_PER_MINUTE", 2).start().await;
        let admins = [server.guest().login("admin", "correct horse").await, other.client("admin").await];
        let try_from = async |server: &Server, from: &str, name: &str| {
            let guest = server.guest();
            let login = guest.request(Method::POST, "/api/auth/login").json(&json!({ "username": name, "password": "guess" }));
            guest.send(login.header("x-forwarded-for", from)).await.status
        };
        for from in ["203.0.113.9", "198.51.100.1, 203.0.113.9"] {
            assert_eq!(try_from(&server, from, &format!("a{}", from.len())).await, 401);
        }
        assert_eq!(try_from(&server, "192.0.2.77, 203.0.113.9", "b").await, 429, "the last hop counts, regardless of earlier ones");
        assert_eq!(try_from(&server, "203.0.113.10", "b").await, 401);
        for (number, status) in [401, 401, 429].into_iter().enumerate() {
            assert_eq!(try_from(&other, &format!("203.0.113.{number}"), &format!("c{number}")).await, status);
        }
        // A request through a proxy is never local, not even through a trusted one.
        let guest = server.guest();
        guest.send(guest.request(Method::GET, "/metrics").header("x-forwarded-for", "127.0.0.1")).await.problem(401, "token_missing");
        assert!(server.log().contains("client.address=203.0.113.10"), "{}", server.log());
        assert!(!other.log().contains("client.address=203"), "{}", other.log());
        let [told, other_told] = admins.each_ref().map(|admin| admin.get("/api/audit?action=login"));
        assert!(told.await.text.contains(r#""address":"203.0.113.10""#), "the audit log tells of the same client");
        assert!(!other_told.await.text.contains("203.0.113"));
    });
}
