//! Concurrent runs, and the queue for further ones.
//!
//! Rules: C1.

use serde_json::json;

use crate::support::{Server, Setup, assert_dense, live};

#[test]
fn a_run_without_a_slot_waits_for_an_earlier_one() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_MAX_RUNS", 1).start().await;
        let user = server.client("user").await;
        let go = server.directory().join("go");
        let first = user.script(&format!("say up\nwait {}\nresult one", go.display())).await;
        user.follow(&first).await.until_text("up").await;
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
fn slots_rotate_among_users_and_runs_report_their_queue_position() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_MAX_RUNS", 1).start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        let first = user.script("say up\nhang").await;
        user.follow(&first).await.until_text("up").await;
        assert_eq!(user.run(&first).await.get("queue_position"), None);
        let (second, third) = (user.script("result 2").await, user.script("result 3").await);
        let admins = admin.script("result admin").await;
        for (id, position) in [(&second, 0), (&admins, 1), (&third, 2)] {
            assert_eq!(admin.run(id).await["queue_position"], position);
        }
        // The event keeps the position at the time of queueing.
        let queued = user.follow(&third).await.next().await.unwrap();
        assert_eq!((queued.event.as_str(), &queued.data["position"]), ("run_queued", &json!(1)));
        user.cancel(&second).await;
        assert_eq!((&admin.run(&third).await["queue_position"], &admin.run(&admins).await["queue_position"]), (&json!(0), &json!(1)));
        user.cancel(&first).await;
        let (third, admins) = (user.end_of(&third).await, admin.end_of(&admins).await);
        assert!(third["ended_at"].as_str() <= admins["started_at"].as_str(), "{third} {admins}");
        assert_eq!(third.get("queue_position"), None);
    });
}

#[test]
fn a_user_at_the_limit_leaves_other_slots_free() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_MAX_RUNS", 3).env("OPENRUNNER_MAX_RUNS_PER_USER", 2).start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        let mut busy = Vec::new();
        for _ in 0..2 {
            let id = user.script("say up\nhang").await;
            user.follow(&id).await.until_text("up").await;
            busy.push(id);
        }
        let third = user.script("result third").await;
        assert_eq!(user.run(&third).await["queue_position"], 0);
        let admins = admin.script("result admin").await;
        assert_eq!(admin.end_of(&admins).await["result"], "admin");
        assert_eq!(user.run(&third).await["status"], "queued");
        user.cancel(&busy[0]).await;
        assert_eq!(user.end_of(&third).await["result"], "third");
    });
}

#[test]
fn an_agent_at_its_limit_does_not_block_other_agents() {
    live(async {
        let setup = Setup::new();
        let settings = setup.directory().join("settings.toml");
        std::fs::write(&settings, "[agents.claude_code]\nmax_runs = 1\n").unwrap();
        let server = setup.env("OPENRUNNER_CONFIG", settings.display()).start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        let first = user.script("say up\nhang").await;
        user.follow(&first).await.until_text("up").await;
        let (second, third) = (user.script("result second").await, admin.script("result third").await);
        assert_eq!((&user.run(&second).await["queue_position"], &admin.run(&third).await["queue_position"]), (&json!(0), &json!(1)));
        let demo = user.create("create hello.py", json!({ "agent_type": "demo" })).await;
        assert_eq!(user.end_of(&demo).await["status"], "completed");
        user.cancel(&first).await;
        let (second, third) = (user.end_of(&second).await, admin.end_of(&third).await);
        assert!(second["ended_at"].as_str() <= third["started_at"].as_str(), "{second} {third}");
    });
}

#[test]
fn a_run_that_waits_for_its_session_occupies_no_slot() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_MAX_RUNS", 2).start().await;
        let user = server.client("user").await;
        let first = user.script("say up\nhang").await;
        user.follow(&first).await.until_text("up").await;
        let session = user.run(&first).await["session_id"].clone();
        let next = user.script_with("result next", json!({ "session_id": session })).await;
        let other = user.script("result other").await;
        assert_eq!(user.end_of(&other).await["result"], "other");
        assert_eq!(user.run(&next).await["status"], "queued");
        user.cancel(&first).await;
        assert_eq!(user.end_of(&next).await["result"], "next");
    });
}

#[test]
fn a_full_queue_rejects_runs_with_retry_after() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_MAX_RUNS", 1).env("OPENRUNNER_MAX_QUEUE", 1).start().await;
        let user = server.client("user").await;
        let first = user.script("say up\nhang").await;
        user.follow(&first).await.until_text("up").await;
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
fn fifty_concurrent_runs_all_end_with_complete_logs() {
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
