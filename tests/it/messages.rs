//! Messages to a live run: as its next turn, or within the current one.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Client, Frame, Server, Setup, assert_dense, last, live, notice, of};

/// A run that has started its first turn and ends it when the file exists.
async fn busy(user: &Client, go: &Path, end: &str) -> String {
    let id = user.script(&format!("say up\nwait {}\n{end}", go.display())).await;
    user.follow(&id).await.until_text("up").await;
    id
}

/// All messages of and to the agent.
fn talk(frames: &[Frame]) -> Vec<&str> {
    let said = frames.iter().filter(|frame| ["message", "user_message"].contains(&frame.event.as_str()));
    said.map(|frame| frame.data["content"].as_str().expect("a message has a text")).collect()
}

#[test]
fn queued_messages_become_the_next_turns_in_order() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let go = server.directory().join("go");
        let id = busy(&user, &go, "result one").await;
        let sent = user.say(&id, "queue", "say second\nresult two").await;
        assert_eq!((sent.status, &sent.body), (202, &json!({ "run_id": id, "mode": "queue" })));
        // The default mode is `queue`.
        let sent = user.post(&format!("/api/runs/{id}/messages"), &json!({ "text": "say third\nresult three" })).await;
        assert_eq!((sent.status, &sent.body["mode"]), (202, &json!("queue")));
        std::fs::write(go, "").unwrap();
        let frames = user.follow(&id).await.rest().await;
        assert_dense(&frames);
        assert_eq!(talk(&frames), ["up", "say second\nresult two", "say third\nresult three", "second", "third"]);
        assert!(of(&frames, "user_message").iter().all(|message| message["mode"] == "queue"));
        assert_eq!(of(&frames, "run_started").len(), 1);
        assert_eq!((&last(&frames)["status"], &last(&frames)["result"]), (&json!("completed"), &json!("three")));
    });
}

#[test]
fn an_interrupting_message_ends_the_turn_and_becomes_the_next_one() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        // Claude Code cannot be steered within a turn, so `steer` interrupts it.
        for mode in ["steer", "interrupt"] {
            let id = user.script("say up\nwait-for-interrupt").await;
            user.follow(&id).await.until_text("up").await;
            assert_eq!(user.say(&id, "queue", "say later\nresult later").await.status, 202);
            assert_eq!(user.say(&id, mode, "say now\nresult now").await.status, 202);
            let frames = user.follow(&id).await.rest().await;
            assert_dense(&frames);
            let expected = ["up", "say later\nresult later", "say now\nresult now", "[Request interrupted by user]", "now", "later"];
            assert_eq!(talk(&frames), expected);
            assert_eq!(of(&frames, "user_message")[1]["mode"], mode);
            assert_eq!((&last(&frames)["status"], &last(&frames)["result"]), (&json!("completed"), &json!("later")));
        }
    });
}

#[test]
fn an_interrupt_closes_the_open_requests_of_the_turn() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let id = user.asking("permission Bash").await;
        user.follow(&id).await.until("permission_request").await;
        assert_eq!(user.say(&id, "interrupt", "result instead").await.status, 202);
        let frames = user.follow(&id).await.rest().await;
        let resolved = of(&frames, "permission_resolved");
        assert_eq!((resolved.len(), &resolved[0]["decision"], &resolved[0]["by"]), (1, &json!("deny"), &json!("policy")));
        assert_eq!(of(&frames, "tool_result")[0]["status"], "denied");
        assert_eq!((&last(&frames)["status"], &last(&frames)["result"]), (&json!("completed"), &json!("instead")));
    });
}

#[test]
fn a_message_to_a_queued_run_becomes_its_second_turn() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_MAX_RUNS", 1).start().await;
        let user = server.client("user").await;
        let go = server.directory().join("go");
        busy(&user, &go, "result first").await;
        let id = user.script("say begun\nresult one").await;
        assert_eq!(user.say(&id, "steer", "say more\nresult two").await.status, 202);
        std::fs::write(go, "").unwrap();
        let frames = user.follow(&id).await.rest().await;
        assert_eq!(talk(&frames), ["say more\nresult two", "begun", "more"]);
        assert_eq!(last(&frames)["result"], "two");
    });
}

#[test]
fn a_message_that_cannot_reach_an_agent_is_rejected() {
    live(async {
        let server = Setup::new().with_plain_agent().start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        let go = server.directory().join("go");
        let id = busy(&user, &go, "result one").await;
        for text in ["", " \n", "a\0b"] {
            assert_eq!(user.say(&id, "queue", text).await.problem(422, "invalid_field"), "text");
        }
        assert_eq!(user.say(&id, "shout", "x").await.problem(422, "invalid_field"), "mode");
        let foreign = busy(&admin, &go, "result one").await;
        user.say(&foreign, "queue", "x").await.problem(404, "not_found");
        server.guest().say(&id, "queue", "x").await.problem(401, "token_missing");
        std::fs::write(go, "").unwrap();
        user.end_of(&id).await;
        let answer = user.say(&id, "queue", "result more").await;
        answer.problem(409, "run_ended");
        let session = user.run(&id).await["session_id"].as_str().unwrap().to_owned();
        assert!(answer.body["detail"].as_str().unwrap().contains(&session), "the way on: {}", answer.text);
        assert!(of(&user.follow(&id).await.rest().await, "user_message").is_empty());

        let plain = user.create("hello", json!({ "agent_type": "plain" })).await;
        user.say(&plain, "queue", "more").await.problem(422, "messages_not_supported");
    });
}

#[test]
fn undelivered_messages_are_reported() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        // The turn fails; the agent dies silently; the run is cancelled, with and without a reaction of the agent.
        for (end, cancelled, cause) in [
            ("error broken", false, "agent_error"),
            ("exit 3", false, "crashed"),
            ("wait-for-interrupt", true, "cancelled"),
            ("hang", true, "cancelled"),
        ] {
            let go = server.directory().join("go");
            let id = busy(&user, &go, end).await;
            for text in ["say one", "say two"] {
                assert_eq!(user.say(&id, "queue", text).await.status, 202);
            }
            if cancelled {
                user.cancel(&id).await;
            } else {
                std::fs::write(&go, "").unwrap();
            }
            let frames = user.follow(&id).await.rest().await;
            assert_dense(&frames);
            let undelivered = notice(&frames, "undelivered").unwrap_or_else(|| panic!("nothing is told after {end}"));
            assert_eq!(undelivered["data"]["messages"], json!(["say one", "say two"]));
            assert_eq!(last(&frames)["cause"], cause, "{end}");
            let _ = std::fs::remove_file(go);
        }
    });
}

#[test]
fn at_most_64_messages_are_queued() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let go = server.directory().join("go");
        let id = busy(&user, &go, "result one").await;
        for number in 0..64 {
            assert_eq!(user.say(&id, "queue", &format!("result {number}")).await.status, 202);
        }
        let answer = user.say(&id, "queue", "result 64").await;
        answer.problem(429, "too_many_messages");
        assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|secs| secs > 0));
        std::fs::write(go, "").unwrap();
        let frames = user.follow(&id).await.rest().await;
        assert_eq!((of(&frames, "user_message").len(), &last(&frames)["result"]), (64, &Value::from("63")));
    });
}
