//! The demo agent shows everything that an agent can do, in a real process, on request.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::docs::root;
use crate::support::{Client, Frame, Server, assert_dense, last, live, notice, of};

async fn demo(client: &Client, prompt: &str, mut metadata: Value) -> String {
    metadata["agent_type"] = "demo".into();
    client.create(prompt, metadata).await
}

/// Follows the run to its end, and answers every question with its first option.
async fn answered(client: &Client, id: &str) -> Vec<Frame> {
    let mut frames = client.follow(id).await;
    let mut read = Vec::new();
    while let Some(frame) = frames.next().await {
        if frame.event == "question" {
            let questions = frame.data["questions"].as_array().expect("questions");
            let answers: Vec<&str> = questions.iter().map(|question| question["options"][0]["name"].as_str().unwrap_or("Ann")).collect();
            let answer = client.answer(id, frame.data["id"].as_str().expect("an id"), json!({ "answers": answers })).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
        read.push(frame);
    }
    read
}

/// The texts of the agent's messages.
fn said(frames: &[Frame]) -> Vec<&str> {
    of(frames, "message").into_iter().filter_map(|message| message["content"].as_str()).collect()
}

#[test]
fn every_type_of_event_is_available_from_the_demo_agent() {
    live(async {
        let schema = std::fs::read_to_string(root().join("docs/events.schema.json")).unwrap();
        let schema: Value = serde_json::from_str(&schema).unwrap();
        let mut types: BTreeSet<&str> =
            schema["$defs"]["Event"]["discriminator"]["mapping"].as_object().unwrap().keys().map(String::as_str).collect();
        // Reported by the proxy of the server, never by an agent.
        assert!(types.remove("network"));
        let server = Server::start().await;
        let user = server.client("user").await;
        let id = demo(&user, "fast everything", json!({})).await;
        assert_eq!(user.say(&id, "queue", "say more").await.status, 202);
        let frames = answered(&user, &id).await;
        assert_dense(&frames);
        let seen: BTreeSet<&str> = frames.iter().map(|frame| frame.event.as_str()).collect();
        assert_eq!(types.difference(&seen).collect::<Vec<_>>(), [&""; 0], "the demo agent shows no event of these types");
        let done = last(&frames);
        assert_eq!((&done["status"], &done["result"], &done["usage"]["cost_usd"]), (&json!("completed"), &json!("more"), &json!(0.01)));
        // Events that only some agents report in full.
        let question = &of(&frames, "question")[0]["questions"][0];
        assert!(question["header"].is_string() && question["options"][0]["description"].is_string(), "{question}");
        assert!(of(&frames, "permission_request").iter().any(|request| request["choices"].is_array()));
        assert!(of(&frames, "message").iter().any(|message| message["parent_tool_call_id"].is_string()));
        assert!(of(&frames, "tool_result").iter().any(|result| result["content"].as_str().unwrap().starts_with("[image: image/png]")));
        let position = |name: &str| frames.iter().rposition(|frame| frame.event == name).unwrap();
        assert!(position("task_ended") < position("done"));
        for change in of(&frames, "file_change") {
            assert!(std::path::Path::new(change["path"].as_str().unwrap()).exists(), "{change}");
        }
    });
}

#[test]
fn a_later_run_of_the_session_remembers_what_was_said_even_by_another_server() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let first = demo(&user, "fast remember the word plum", json!({})).await;
        let session = user.end_of(&first).await["session_id"].clone();
        let server = server.killed_and_started_again().await;
        let user = server.client("user").await;
        let second = demo(&user, "what did I say? fast", json!({ "session_id": session })).await;
        let frames = user.follow(&second).await.rest().await;
        assert!(notice(&frames, "resumed").is_some());
        assert!(said(&frames)[0].contains("- the word plum"), "{:?}", said(&frames));
    });
}

#[test]
fn a_denial_and_a_refused_edit_are_visible_and_change_nothing() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let directory = server.directory().join("work");
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(directory.join("kept.txt"), "kept\n").unwrap();
        let asking = demo(&user, "edit kept.txt fast", json!({ "permission_mode": "ask", "cwd": directory })).await;
        user.follow(&asking).await.until("permission_request").await;
        let denied = user.answer(&asking, "perm_1", json!({ "decision": "deny", "message": "not this one" })).await;
        assert_eq!(denied.status, 200, "{}", denied.text);
        let frames = user.follow(&asking).await.rest().await;
        assert_eq!(of(&frames, "tool_result")[0]["status"], "denied");
        assert!(said(&frames)[0].contains("not this one"), "{:?}", said(&frames));

        let reading =
            demo(&user, "edit kept.txt, image, run and read kept.txt, fast", json!({ "permission_mode": "read_only", "cwd": directory }));
        let frames = user.follow(&reading.await).await.rest().await;
        let results: Vec<_> = of(&frames, "tool_result").into_iter().map(|result| result["status"].as_str().unwrap()).collect();
        assert_eq!(results, ["denied", "denied", "denied", "ok"]);
        assert_eq!(last(&frames)["status"], "completed");
        assert_eq!(std::fs::read_to_string(directory.join("kept.txt")).unwrap(), "kept\n");
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 1);
    });
}

#[test]
fn messages_reach_the_running_turn_or_follow_it_and_an_interrupt_ends_it() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let id = demo(&user, "say ready", json!({})).await;
        user.end_of(&id).await;
        let id = demo(&user, "fast think, hang", json!({})).await;
        user.follow(&id).await.until("message").await;
        assert_eq!(user.say(&id, "queue", "say queued").await.status, 202);
        assert_eq!(user.say(&id, "steer", "say steered, then wait").await.status, 202);
        let frames = user.follow(&id).await.rest().await;
        let texts = said(&frames);
        assert_eq!(texts[1..], ["You added to this turn: say steered, then wait", "steered, then wait", "queued"]);

        let id = demo(&user, "fast think, hang", json!({})).await;
        user.follow(&id).await.until("message").await;
        assert_eq!(user.say(&id, "interrupt", "say instead").await.status, 202);
        let frames = user.follow(&id).await.rest().await;
        assert_eq!((said(&frames)[1], &last(&frames)["status"]), ("instead", &json!("completed")));
    });
}

#[test]
fn an_open_request_of_the_demo_agent_survives_the_server() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let id = demo(&user, "fast plan, ask and count to 3", json!({ "permission_mode": "ask" })).await;
        let before = user.follow(&id).await.until("permission_request").await;
        let server = server.killed_and_started_again().await;
        let user = server.client("user").await;
        let request = user.requests(&id).await.remove(0);
        let choices: Vec<_> = request["choices"].as_array().unwrap().iter().map(|choice| choice["id"].as_str().unwrap()).collect();
        assert_eq!(choices, ["once", "always", "no"]);
        assert_eq!(user.answer(&id, "perm_1", json!({ "option_id": "always" })).await.status, 200);
        let frames = user.follow(&id).await.rest().await;
        assert_dense(&frames);
        assert!(before.iter().zip(&frames).all(|(live, replayed)| live.bytes == replayed.bytes));
        assert!(said(&frames)[1].contains("You chose the option \"always\""), "{:?}", said(&frames));
        assert_eq!(last(&frames)["result"], "1 2 3");
    });
}

#[test]
fn a_failure_on_request_has_its_cause() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        for cause in ["agent_error", "not_logged_in", "rate_limited", "model_not_found", "bad_arguments", "crashed", "killed", "protocol"] {
            let id = demo(&user, &format!("fast plan, then fail {cause}"), json!({})).await;
            let end = user.end_of(&id).await;
            assert_eq!((&end["status"], &end["cause"]), (&json!("failed"), &json!(cause)), "{end}");
        }
        let silent = demo(&user, "hang", json!({ "idle_timeout_secs": 1 })).await;
        assert_eq!(user.end_of(&silent).await["cause"], "idle_timeout");
        let cancelled = demo(&user, "fast think, hang", json!({})).await;
        user.follow(&cancelled).await.until("message").await;
        user.cancel(&cancelled).await;
        assert_eq!(user.end_of(&cancelled).await["status"], "cancelled");
    });
}
