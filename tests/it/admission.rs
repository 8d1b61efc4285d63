//! How many runs work at once, and what happens to those that are too many.

use serde_json::json;

use crate::support::{Server, Setup, assert_dense, live};

#[test]
fn c1_a_run_without_a_place_waits_for_the_one_before_it() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_MAX_RUNS", 1).start().await;
        let user = server.client("user").await;
        let go = server.folder().join("go");
        let first = user.script(&format!("say up\nwait {}\nresult one", go.display())).await;
        user.follow(&first).await.until_said("up").await;
        let (second, third) = (user.script("result two").await, user.script("result three").await);
        for (id, position) in [(&second, 0), (&third, 1)] {
            assert_eq!(user.run(id).await["status"], "queued");
            let queued = user.follow(id).await.next().await.unwrap();
            assert_eq!((queued.event.as_str(), &queued.data["position"]), ("run_queued", &json!(position)));
        }
        std::fs::write(go, "").unwrap();
        let (first, second, third) = (user.end_of(&first).await, user.end_of(&second).await, user.end_of(&third).await);
        assert_eq!((&first["result"], &second["result"], &third["result"]), (&json!("one"), &json!("two"), &json!("three")));
        for (before, after) in [(&first, &second), (&second, &third)] {
            assert!(before["ended_at"].as_str() <= after["started_at"].as_str(), "{before} {after}");
        }
    });
}

#[test]
fn c1_a_full_queue_refuses_and_says_when_to_come_again() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_MAX_RUNS", 1).env("OPENRUNNER_MAX_QUEUE", 1).start().await;
        let user = server.client("user").await;
        let first = user.script("say up\nhang").await;
        user.follow(&first).await.until_said("up").await;
        let second = user.script("result two").await;
        let refused = user.ask("result three", json!({ "agent_type": "claude_code" })).await;
        refused.problem(429, "queue_full");
        assert!(refused.header("retry-after").parse::<u32>().is_ok_and(|secs| secs > 0));
        assert_eq!(user.get("/api/runs").await.body["items"].as_array().map(Vec::len), Some(2));
        user.cancel(&second).await;
        user.end_of(&second).await;
        let third = user.script("result three").await;
        user.cancel(&first).await;
        assert_eq!(user.end_of(&third).await["status"], "completed");
    });
}

#[test]
fn c1_fifty_runs_at_once_all_end_and_every_log_is_whole() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let create = |number: usize| {
            let user = user.clone();
            async move { user.script(&format!("say number {number}\nflood 20\nresult {number}")).await }
        };
        let ids = futures_util::future::join_all((0..50).map(create)).await;
        let follow = |id: &String| {
            let (user, id) = (user.clone(), id.clone());
            async move { user.follow(&id).await.rest().await }
        };
        let logs = futures_util::future::join_all(ids.iter().map(follow)).await;
        for (number, frames) in logs.iter().enumerate() {
            assert_dense(frames);
            let done = &frames.last().unwrap().data;
            assert_eq!((&done["status"], &done["result"]), (&json!("completed"), &json!(number.to_string())));
            assert_eq!(frames.iter().filter(|frame| frame.event == "token").count(), 21);
        }
    });
}
