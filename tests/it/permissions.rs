//! Permission requests: asked where a person can answer, answered once, reported to all readers.
//!
//! Rules: C2, I8.

use futures_util::future::join_all;
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

use crate::support::{Frames, Server, Setup, assert_dense, last, live, notice, of, shim_of};

const WRITE: &str = r#"permission Write {"file_path":"a.txt","content":"x"}"#;

/// Reads until the agent asks, and returns the request.
async fn asked(frames: &mut Frames) -> Value {
    last(&frames.until("permission_request").await).clone()
}

#[test]
fn a_run_waits_for_a_decision_and_executes_exactly_what_was_shown() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let go = server.directory().join("go");
        let id = user.asking(&format!("{WRITE}\nwait {}\nresult fine", go.display())).await;
        let request = asked(&mut user.follow(&id).await).await;
        assert_eq!((&request["tool"], &request["kind"], &request["tool_call_id"]), (&json!("Write"), &json!("edit"), &json!("call_1")));
        assert!(request["expires_at"].is_string());
        assert_eq!(user.run(&id).await["status"], "waiting");
        assert_eq!(user.get("/api/runs?status=waiting").await.body["items"][0]["run_id"], id);
        let listed = user.requests(&id).await;
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0]["type"], "permission");
        for field in ["id", "tool", "kind", "input", "options", "tool_call_id", "expires_at"] {
            assert_eq!(listed[0][field], request[field], "{field}");
        }

        let name = request["id"].as_str().unwrap();
        let answer = user.answer(&id, name, json!({ "decision": "allow_once" })).await;
        assert_eq!((answer.status, &answer.body), (200, &json!({ "id": name, "decision": "allow_once", "by": "user" })));
        assert!(user.requests(&id).await.is_empty());
        assert_eq!(user.run(&id).await["status"], "running");
        std::fs::write(go, "").unwrap();
        let frames = user.follow(&id).await.rest().await;
        assert_dense(&frames);
        let resolved = of(&frames, "permission_resolved");
        assert_eq!(resolved.len(), 1);
        assert_eq!(
            (&resolved[0]["id"], &resolved[0]["decision"], &resolved[0]["by"]),
            (&json!(name), &json!("allow_once"), &json!("user"))
        );
        let result = of(&frames, "tool_result")[0];
        assert!(resolved[0]["seq"].as_u64() < result["seq"].as_u64());
        let allowed: Value = serde_json::from_str(result["content"].as_str().unwrap()).unwrap();
        assert_eq!((&result["status"], &allowed), (&json!("ok"), &request["input"]));
        assert_eq!((&last(&frames)["status"], &last(&frames)["result"]), (&json!("completed"), &json!("fine")));
    });
}

#[test]
fn a_denied_agent_receives_the_reason_and_continues() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let id = user.asking(&format!("{WRITE}\n{WRITE}\nresult fine")).await;
        let mut reader = user.follow(&id).await;
        let first = asked(&mut reader).await;
        let body = json!({ "decision": "deny", "message": "not on a Sunday" });
        assert_eq!(user.answer(&id, first["id"].as_str().unwrap(), body).await.status, 200);
        let second = asked(&mut reader).await;
        user.decide(&id, second["id"].as_str().unwrap(), "deny").await;
        let frames = user.follow(&id).await.rest().await;
        let results = of(&frames, "tool_result");
        assert_eq!((&results[0]["status"], &results[0]["content"]), (&json!("denied"), &json!("not on a Sunday")));
        assert_eq!(results[1]["status"], "denied");
        assert!(!results[1]["content"].as_str().unwrap().is_empty());
        assert_eq!(of(&frames, "permission_resolved")[0]["reason"], "not on a Sunday");
        assert_eq!(last(&frames)["status"], "completed");
    });
}

#[test]
fn an_unanswered_request_is_denied_and_does_not_use_up_the_time_limit() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_PERMISSION_TIMEOUT_SECS", 4).start().await;
        let user = server.client("user").await;
        // Both limits of the run are shorter than the wait.
        let limits = json!({ "permission_mode": "ask", "timeout_secs": 3, "idle_timeout_secs": 3 });
        let id = user.script_with(&format!("{WRITE}\nresult fine"), limits).await;
        let frames = user.follow(&id).await.rest().await;
        let resolved = of(&frames, "permission_resolved");
        assert_eq!((&resolved[0]["decision"], &resolved[0]["by"]), (&json!("deny"), &json!("timeout")));
        assert_eq!(resolved[0]["reason"], "no answer in time");
        assert_eq!(of(&frames, "tool_result")[0]["content"], "no answer in time");
        assert_eq!((resolved.len(), &last(&frames)["status"]), (1, &json!("completed")));
        let request = of(&frames, "permission_request")[0];
        assert!(resolved[0]["ts"].as_str() >= request["expires_at"].as_str(), "{request} {}", resolved[0]);
    });
}

#[test]
fn concurrent_requests_can_be_answered_in_any_order() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let id = user.asking("permission-nowait Bash\npermission-nowait Write {\"file_path\":\"b\"}\nawait-answers\nresult fine").await;
        let mut reader = user.follow(&id).await;
        let (first, second) = (asked(&mut reader).await, asked(&mut reader).await);
        let names: Vec<Value> = user.requests(&id).await.iter().map(|request| request["id"].clone()).collect();
        assert_eq!(names, [first["id"].clone(), second["id"].clone()]);
        user.decide(&id, second["id"].as_str().unwrap(), "allow_once").await;
        assert_eq!(user.run(&id).await["status"], "waiting");
        assert_eq!(user.requests(&id).await.len(), 1);
        user.decide(&id, first["id"].as_str().unwrap(), "deny").await;
        let frames = user.follow(&id).await.rest().await;
        let results: Vec<_> = of(&frames, "tool_result").into_iter().map(|result| (&result["id"], &result["status"])).collect();
        assert_eq!(results, [(&second["tool_call_id"], &json!("ok")), (&first["tool_call_id"], &json!("denied"))]);
        assert_eq!(last(&frames)["status"], "completed");
    });
}

#[test]
fn a_request_survives_the_client_that_saw_it() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let id = user.asking(&format!("{WRITE}\nresult fine")).await;
        let mut reader = user.follow(&id).await;
        let seen = reader.until("permission_request").await;
        drop(reader);
        let another = server.client("user").await;
        let request = another.requests(&id).await.remove(0);
        assert_eq!(request["id"], seen.last().unwrap().data["id"]);
        assert_eq!(another.follow(&id).await.until("permission_request").await, seen);
        let rest = another.follow_after(&id, seen.last().unwrap().id.unwrap()).await;
        another.decide(&id, request["id"].as_str().unwrap(), "allow_once").await;
        let rest = rest.rest().await;
        assert_eq!(rest[0].event, "permission_resolved");
        assert_dense(&[seen, rest].concat());
    });
}

#[test]
fn exactly_one_of_many_concurrent_answers_counts() {
    live(async {
        let server = Server::start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        let id = user.asking(&format!("{WRITE}\nresult fine")).await;
        let request = asked(&mut user.follow(&id).await).await;
        let name = request["id"].as_str().unwrap();
        let decisions = ["allow_once", "deny"].into_iter().cycle().take(8);
        let answers = decisions.zip([&user, &admin].into_iter().cycle());
        let answered = join_all(answers.map(|(decision, who)| who.answer(&id, name, json!({ "decision": decision })))).await;
        let (good, late): (Vec<_>, Vec<_>) = answered.into_iter().partition(|answer| answer.status == 200);
        assert_eq!(good.len(), 1);
        for answer in late {
            // The run may have ended after the first one.
            let code = answer.body["code"].as_str().unwrap().to_owned();
            assert!(["already_answered", "run_ended"].contains(&code.as_str()), "{}", answer.text);
            answer.problem(409, &code);
        }
        let frames = user.follow(&id).await.rest().await;
        let resolved = of(&frames, "permission_resolved");
        assert_eq!((resolved.len(), &resolved[0]["decision"]), (1, &good[0].body["decision"]));
    });
}

#[test]
fn an_invalid_answer_is_rejected_and_the_request_stays_open() {
    live(async {
        let server = Server::start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        let go = server.directory().join("go");
        let id = user.asking(&format!("{WRITE}\nwait {}\nresult fine", go.display())).await;
        let request = asked(&mut user.follow(&id).await).await;
        let name = request["id"].as_str().unwrap();
        for (body, field) in [
            (json!({ "decision": "perhaps" }), "decision"),
            (json!({ "answers": ["yes"] }), "answers"),
            (json!({ "decision": "deny", "answers": [] }), "answers"),
            (json!({}), "decision"),
            (json!({ "decision": "deny", "why": "x" }), "why"),
        ] {
            assert_eq!(user.answer(&id, name, body.clone()).await.problem(422, "invalid_field"), field, "{body}");
        }
        let allow = json!({ "decision": "allow_once" });
        user.answer(&id, "perm_9", allow.clone()).await.problem(404, "not_found");
        server.guest().answer(&id, name, allow.clone()).await.problem(401, "token_missing");
        let foreign = admin.asking(&format!("{WRITE}\nresult fine")).await;
        let other = asked(&mut admin.follow(&foreign).await).await;
        user.answer(&foreign, other["id"].as_str().unwrap(), allow.clone()).await.problem(404, "not_found");
        user.get(&format!("/api/runs/{foreign}/requests")).await.problem(404, "not_found");
        assert_eq!(admin.requests(&foreign).await.len(), 1);

        assert_eq!(user.requests(&id).await.len(), 1);
        user.decide(&id, name, "allow_once").await;
        user.answer(&id, name, allow.clone()).await.problem(409, "already_answered");
        std::fs::write(go, "").unwrap();
        user.end_of(&id).await;
        user.answer(&id, name, allow).await.problem(409, "run_ended");
        assert!(user.requests(&id).await.is_empty());
        let frames = user.follow(&id).await.rest().await;
        assert_eq!(of(&frames, "permission_resolved").len(), 1);
    });
}

#[test]
fn allow_always_applies_to_the_rest_of_the_run() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let other = r#"permission Write {"file_path":"b.txt","content":"y"}"#;
        let id = user.asking(&format!("{WRITE}\n{other}\nresult fine")).await;
        let request = asked(&mut user.follow(&id).await).await;
        assert_eq!(request["options"], json!(["allow_once", "allow_always", "deny"]));
        user.decide(&id, request["id"].as_str().unwrap(), "allow_always").await;
        let frames = user.follow(&id).await.rest().await;
        assert_eq!(of(&frames, "permission_request").len(), 1);
        assert!(of(&frames, "tool_result").iter().all(|result| result["status"] == "ok"));
        assert_eq!((of(&frames, "tool_result").len(), &last(&frames)["status"]), (2, &json!("completed")));
    });
}

#[test]
fn a_request_that_the_agent_withdraws_is_closed() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let (take_back, go) = (server.directory().join("back"), server.directory().join("go"));
        let script = format!("permission-nowait Bash\nwait {}\nwithdraw-requests\nwait {}\nresult fine", take_back.display(), go.display());
        let id = user.asking(&script).await;
        let mut reader = user.follow(&id).await;
        let request = asked(&mut reader).await;
        assert_eq!(user.requests(&id).await.len(), 1);
        std::fs::write(take_back, "").unwrap();
        let resolved = reader.until("permission_resolved").await.last().unwrap().data.clone();
        assert_eq!((&resolved["decision"], &resolved["by"]), (&json!("deny"), &json!("policy")));
        assert!(user.requests(&id).await.is_empty());
        assert_eq!(user.run(&id).await["status"], "running");
        let name = request["id"].as_str().unwrap();
        user.answer(&id, name, json!({ "decision": "allow_once" })).await.problem(409, "already_answered");
        std::fs::write(go, "").unwrap();
        let frames = user.follow(&id).await.rest().await;
        assert_eq!((of(&frames, "permission_resolved").len(), &last(&frames)["status"]), (1, &json!("completed")));
    });
}

#[test]
fn cancelling_a_waiting_run_closes_its_requests() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        // One withdraws its requests when interrupted, the other is stopped by signals.
        for script in [
            "permission-nowait Bash\npermission-nowait Write {}\nawait-answers",
            "ignore-interrupts\npermission-nowait Bash\npermission-nowait Write {}\nawait-answers",
        ] {
            let id = user.asking(script).await;
            let mut reader = user.follow(&id).await;
            let first = asked(&mut reader).await;
            asked(&mut reader).await;
            assert_eq!(user.cancel(&id).await.status, 200);
            let frames = user.follow(&id).await.rest().await;
            assert_dense(&frames);
            assert_eq!((&last(&frames)["status"], &last(&frames)["cause"]), (&json!("cancelled"), &json!("cancelled")));
            let mut resolved: Vec<_> = of(&frames, "permission_resolved").into_iter().map(|event| event["id"].as_str().unwrap()).collect();
            resolved.sort_unstable();
            assert_eq!(resolved, ["perm_1", "perm_2"], "{script}");
            assert!(of(&frames, "permission_resolved").iter().all(|event| event["decision"] == "deny" && event["by"] == "policy"));
            assert!(user.requests(&id).await.is_empty());
            user.answer(&id, first["id"].as_str().unwrap(), json!({ "decision": "deny" })).await.problem(409, "run_ended");
        }
    });
}

#[test]
fn with_default_passwords_ask_mode_emits_a_weak_guarantee_notice() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let asking = user.asking("result fine").await;
        let frames = user.follow(&asking).await.rest().await;
        assert_eq!(notice(&frames, "weak_guarantee").unwrap()["level"], "warning");
        let auto = user.script("result fine").await;
        assert_eq!(notice(&user.follow(&auto).await.rest().await, "weak_guarantee"), None);

        // With its own password, only admin can act as admin; `user` still has the default password, which an agent could use.
        let server = Server::start().await;
        let change = json!({ "current_password": "admin", "new_password": "a long one of its own" });
        assert_eq!(server.client("admin").await.post("/api/auth/password", &change).await.status, 200);
        let admin = server.guest().login("admin", "a long one of its own").await;
        let id = admin.asking("result fine").await;
        assert_eq!(notice(&admin.follow(&id).await.rest().await, "weak_guarantee"), None);
        let user = server.client("user").await;
        let id = user.asking("result fine").await;
        assert!(notice(&user.follow(&id).await.rest().await, "weak_guarantee").is_some());
    });
}

#[test]
fn open_requests_of_a_lost_run_are_resolved_with_its_end() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let id = user.asking(&format!("{WRITE}\nresult fine")).await;
        let request = asked(&mut user.follow(&id).await).await;
        kill_process(shim_of(&id), Signal::KILL).unwrap();
        let server = server.killed_and_started_again().await;
        let user = server.client("user").await;
        let frames = user.follow(&id).await.rest().await;
        assert_dense(&frames);
        let resolved = of(&frames, "permission_resolved");
        assert_eq!(resolved.len(), 1);
        assert_eq!((&resolved[0]["id"], &resolved[0]["decision"], &resolved[0]["by"]), (&request["id"], &json!("deny"), &json!("policy")));
        assert_eq!((&last(&frames)["status"], &last(&frames)["cause"]), (&json!("interrupted"), &json!("node_lost")));
    });
}
