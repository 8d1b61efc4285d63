//! A run continues the session of an earlier run.

use serde_json::{Value, json};

use crate::support::{Client, Server, Setup, live, notice};

/// Creates a run in this session and returns its id.
async fn continue_session(user: &Client, session: &str, script: &str) -> String {
    user.create(script, json!({ "session_id": session })).await
}

async fn session_of(user: &Client, run: &str) -> String {
    user.run(run).await["session_id"].as_str().expect("every run has a session").to_owned()
}

#[test]
fn a_second_run_continues_in_the_same_directory_with_the_agents_session_also_after_a_crash() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let first = user.script("report cwd\nresult one").await;
        user.end_of(&first).await;
        let session = session_of(&user, &first).await;
        let known = user.get(&format!("/api/sessions/{session}")).await.body["agent_session"].as_str().unwrap().to_owned();
        let directory = user.said(&first).await.remove(0);
        let frames = user.follow(&first).await.rest().await;
        assert_eq!(notice(&frames, "resumed"), None);

        let mut server = server;
        for crash in [false, true] {
            if crash {
                server = server.killed_and_started_again().await;
            }
            let user = user.at(server.url());
            let next = continue_session(&user, &session, "report argv\nreport cwd\nresult two").await;
            let end = user.end_of(&next).await;
            assert_eq!((&end["status"], &end["session_id"]), (&json!("completed"), &json!(session)));
            let said = user.said(&next).await;
            let argv: Vec<String> = serde_json::from_str(&said[0]).unwrap();
            assert!(argv.contains(&format!("--resume={known}")), "{argv:?}");
            assert_eq!(said[1], directory);
            let frames = user.follow(&next).await.rest().await;
            assert_eq!(notice(&frames, "resumed").unwrap()["data"], json!({ "agent_session": known }));
        }
    });
}

#[test]
fn a_busy_session_queues_its_runs_in_order_and_blocks_no_other() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_MAX_RUNS", 2).start().await;
        let user = server.client("user").await;
        let go = server.directory().join("go");
        let first = user.script(&format!("say up\nwait {}\nresult one", go.display())).await;
        user.follow(&first).await.until_text("up").await;
        let session = session_of(&user, &first).await;
        let second = continue_session(&user, &session, "result two").await;
        let third = user.create("result three", json!({ "session_id": session, "on_busy": "queue" })).await;
        let gone = continue_session(&user, &session, "result never").await;
        assert_eq!(user.cancel(&gone).await.body["status"], "cancelled");
        // Runs that wait for the session occupy no slot.
        assert_eq!(user.end_of(&user.script("result elsewhere").await).await["result"], "elsewhere");
        for id in [&second, &third] {
            assert_eq!(user.run(id).await["status"], "queued");
        }
        std::fs::write(go, "").unwrap();
        let ends = [user.end_of(&first).await, user.end_of(&second).await, user.end_of(&third).await];
        assert_eq!(ends.each_ref().map(|end| end["result"].as_str().unwrap()), ["one", "two", "three"]);
        for pair in ends.windows(2) {
            assert!(pair[0]["ended_at"].as_str() <= pair[1]["started_at"].as_str(), "{pair:?}");
        }
    });
}

#[test]
fn on_busy_can_reject_or_interrupt() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let first = user.script("say up\nwait-for-interrupt").await;
        user.follow(&first).await.until_text("up").await;
        let session = session_of(&user, &first).await;
        user.ask("result x", json!({ "session_id": session, "on_busy": "reject" })).await.problem(409, "session_busy");
        assert_eq!(
            user.ask("x", json!({ "session_id": session, "on_busy": "kill" })).await.problem(422, "invalid_field"),
            "metadata.on_busy"
        );
        assert_eq!(user.run(&first).await["status"], "running");
        let second = user.create("report argv\nresult two", json!({ "session_id": session, "on_busy": "interrupt" })).await;
        assert_eq!(user.end_of(&second).await["result"], "two");
        let ended = user.end_of(&first).await;
        assert_eq!((&ended["status"], &ended["cause"]), (&json!("cancelled"), &json!("cancelled")));
        assert!(user.said(&second).await[0].contains("--resume="), "the conversation outlives the interrupt");
    });
}

#[test]
fn a_session_that_cannot_continue_is_rejected_before_anything_is_created() {
    live(async {
        let server = Setup::new().with_plain_agent().start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        let first = user.script("result one").await;
        let end = user.end_of(&first).await;
        let session = session_of(&user, &first).await;
        let foreign = session_of(&admin, &admin.script("result one").await).await;
        let plain = user.create("hello", json!({ "agent_type": "plain" })).await;
        user.end_of(&plain).await;
        let plain = session_of(&user, &plain).await;
        // Not installed, so its run fails, but the session exists.
        let opencode = user.create("hello", json!({ "agent_type": "opencode" })).await;
        assert_eq!(user.end_of(&opencode).await["cause"], "not_installed");
        let opencode = session_of(&user, &opencode).await;
        let unknown = "ses_00000000000070008000000000000000";
        let elsewhere = server.directory().join("elsewhere");
        for (metadata, status, code, field) in [
            (json!({ "session_id": unknown }), 404, "not_found", "metadata.session_id"),
            (json!({ "session_id": foreign }), 404, "not_found", "metadata.session_id"),
            (json!({ "session_id": "mine" }), 422, "invalid_field", "metadata.session_id"),
            (json!({ "session_id": session, "agent_type": "codex" }), 422, "session_mismatch", "metadata.agent_type"),
            (json!({ "session_id": opencode, "working_dir": elsewhere }), 422, "session_mismatch", "metadata.working_dir"),
            (json!({ "session_id": session, "working_dir": server.data() }), 422, "bad_working_dir", "metadata.working_dir"),
            (json!({ "session_id": session, "working_dir": "/no/parent/here" }), 422, "bad_working_dir", "metadata.working_dir"),
            (json!({ "session_id": plain }), 422, "cannot_resume", "metadata.session_id"),
        ] {
            assert_eq!(user.ask("result x", metadata.clone()).await.problem(status, code), field, "{metadata}");
        }
        let chat = json!({ "message": "result x", "session_id": foreign });
        assert_eq!(user.post("/api/chat", &chat).await.problem(404, "not_found"), "session_id");
        assert_eq!(user.get("/api/runs").await.body["items"].as_array().unwrap().len(), 3);
        assert!(!elsewhere.exists());
        let same = json!({ "session_id": session, "working_dir": end["working_dir"], "agent_type": "claude_code" });
        assert_eq!(user.ask("result two", same).await.status, 201);
    });
}

#[test]
fn a_session_whose_directory_is_gone_is_refused_with_its_path_and_continues_in_a_new_one() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let [old, new, link] = ["old", "new", "link"].map(|name| server.directory().join(name));
        let first = user.create("result one", json!({ "working_dir": old })).await;
        user.end_of(&first).await;
        let session = session_of(&user, &first).await;
        std::fs::rename(&old, &new).unwrap();
        let refused = user.ask("result x", json!({ "session_id": session })).await;
        assert_eq!(refused.problem(409, "working_dir_gone"), "metadata.working_dir");
        assert!(refused.text.contains(old.to_str().unwrap()) && refused.text.contains("moved or removed"), "{}", refused.text);
        // A link in its place leads elsewhere.
        std::os::unix::fs::symlink("/etc", &old).unwrap();
        user.ask("result x", json!({ "session_id": session })).await.problem(409, "working_dir_gone");
        let as_chat = user.post("/api/chat", &json!({ "message": "result x", "session_id": session })).await;
        as_chat.problem(409, "working_dir_gone");
        assert_eq!(user.get("/api/runs").await.body["items"].as_array().unwrap().len(), 1, "nothing was created");

        std::os::unix::fs::symlink(&new, &link).unwrap();
        let moved = user.create("report argv\nreport cwd\nresult two", json!({ "session_id": session, "working_dir": link })).await;
        assert_eq!(user.end_of(&moved).await["status"], "completed");
        let said = user.said(&moved).await;
        assert!(said[0].contains("--resume="), "{said:?}");
        assert_eq!(said[1], json!(new).to_string());
        let frames = user.follow(&moved).await.rest().await;
        assert_eq!(notice(&frames, "session_moved").unwrap()["data"], json!({ "from": old, "to": new }));
        assert_eq!(user.get(&format!("/api/sessions/{session}")).await.body["working_dir"], json!(new));

        let next = continue_session(&user, &session, "report cwd\nresult three").await;
        user.end_of(&next).await;
        assert_eq!(user.said(&next).await, [json!(new).to_string()]);
        assert_eq!(notice(&user.follow(&next).await.rest().await, "session_moved"), None);
    });
}

#[test]
fn a_session_whose_directory_is_gone_and_whose_agent_cannot_move_must_be_restored() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let [old, new] = ["old", "new"].map(|name| server.directory().join(name));
        let first = user.create("hello", json!({ "agent_type": "opencode", "working_dir": old })).await;
        user.end_of(&first).await;
        let session = session_of(&user, &first).await;
        std::fs::remove_dir(&old).unwrap();
        let refused = user.ask("go on", json!({ "session_id": session })).await;
        refused.problem(409, "working_dir_gone");
        assert!(refused.text.contains("restore it"), "{}", refused.text);
        let refused = user.ask("go on", json!({ "session_id": session, "working_dir": new })).await;
        refused.problem(422, "session_mismatch");
        assert!(refused.text.contains("opencode cannot continue a conversation elsewhere"), "{}", refused.text);
        assert!(!new.exists());
        std::fs::create_dir(&old).unwrap();
        assert_eq!(user.ask("go on", json!({ "session_id": session })).await.status, 201);
    });
}

#[test]
fn a_session_of_a_configured_agent_is_refused_without_its_directory_before_its_program_starts() {
    live(async {
        let setup = Setup::new();
        let starts = setup.directory().join("starts");
        let program = setup.directory().join("agents/bin/mine");
        let answers = "read -r line; echo '{\"id\":1,\"result\":{\"protocolVersion\":1,\"agentCapabilities\":{\"loadSession\":true}}}'\n\
                       read -r line; echo '{\"id\":2,\"result\":{\"sessionId\":\"s\"}}'\n\
                       read -r line; echo '{\"id\":3,\"result\":{\"stopReason\":\"end_turn\"}}'\n\
                       while read -r line; do :; done\n";
        std::fs::write(&program, format!("#!/bin/sh\necho start >> '{}'\n{answers}", starts.display())).unwrap();
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let file = setup.directory().join("settings.toml");
        std::fs::write(&file, "[agents.mine]\nprotocol = \"acp\"\ncommand = [\"mine\"]\n").unwrap();
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let server = setup.env("OPENRUNNER_CONFIG", file.display()).start().await;
        let user = server.client("user").await;
        let [old, new] = ["old", "new"].map(|name| server.directory().join(name));
        let first = user.create("hello", json!({ "agent_type": "mine", "working_dir": old })).await;
        assert_eq!(user.end_of(&first).await["status"], "completed");
        let session = session_of(&user, &first).await;
        for is_moved in [true, false] {
            if is_moved { std::fs::rename(&old, &new) } else { std::fs::remove_dir(&new) }.unwrap();
            let refused = user.ask("go on", json!({ "session_id": session })).await;
            assert_eq!(refused.problem(409, "working_dir_gone"), "metadata.working_dir");
            assert!(refused.text.contains(old.to_str().unwrap()) && refused.text.contains("restore it"), "{}", refused.text);
            let refused = user.ask("go on", json!({ "session_id": session, "working_dir": new })).await;
            refused.problem(422, "session_mismatch");
        }
        assert_eq!(user.get("/api/runs").await.body["items"].as_array().unwrap().len(), 1, "nothing was created");
        assert_eq!(std::fs::read_to_string(&starts).unwrap(), "start\n", "the program was started for the first run only");
    });
}

#[test]
fn a_session_moves_only_where_its_owner_may_start_a_run() {
    live(async {
        let setup = Setup::new();
        let (root, outside) = (setup.directory().join("root"), setup.directory().join("outside"));
        std::fs::create_dir(&root).unwrap();
        let server = setup.env("OPENRUNNER_WORKSPACE_ROOTS", root.display()).start().await;
        let user = server.client("user").await;
        let first = user.create("result one", json!({ "working_dir": root.join("a") })).await;
        user.end_of(&first).await;
        let session = session_of(&user, &first).await;
        let refused = user.ask("result x", json!({ "session_id": session, "working_dir": outside })).await;
        assert_eq!(refused.problem(403, "working_dir_not_allowed"), "metadata.working_dir");
        assert!(!outside.exists());
        let moved = user.create("result two", json!({ "session_id": session, "working_dir": root.join("b") })).await;
        assert_eq!(user.end_of(&moved).await["status"], "completed");
    });
}

#[test]
fn sessions_are_listed_to_their_owner_with_their_runs() {
    live(async {
        let server = Server::start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        let mut sessions = Vec::new();
        for _ in 0..3 {
            sessions.push(session_of(&user, &user.script("result one").await).await);
        }
        let foreign = session_of(&admin, &admin.script("result one").await).await;
        let ids = |answer: &Value| -> Vec<String> {
            answer["items"].as_array().unwrap().iter().map(|session| session["session_id"].as_str().unwrap().to_owned()).collect()
        };
        let page = user.get("/api/sessions?limit=2").await.body;
        assert_eq!(ids(&page), [sessions[2].clone(), sessions[1].clone()]);
        let cursor = page["next_cursor"].as_str().unwrap();
        let page = user.get(&format!("/api/sessions?limit=2&cursor={cursor}")).await.body;
        assert_eq!((ids(&page), &page["next_cursor"]), (vec![sessions[0].clone()], &Value::Null));
        assert_eq!(ids(&admin.get("/api/sessions").await.body).len(), 4);
        user.get(&format!("/api/sessions/{foreign}")).await.problem(404, "not_found");
        assert_eq!(admin.get(&format!("/api/sessions/{}", sessions[0])).await.status, 200);
        server.guest().get("/api/sessions").await.problem(401, "token_missing");
        assert_eq!(user.get("/api/sessions?limit=0").await.problem(422, "invalid_field"), "limit");

        let second = continue_session(&user, &sessions[0], "result two").await;
        user.end_of(&second).await;
        let session = user.get(&format!("/api/sessions/{}", sessions[0])).await.body;
        assert_eq!((&session["agent_type"], &session["owner"]), (&json!("claude_code"), &json!("user")));
        let runs: Vec<&Value> = session["runs"].as_array().unwrap().iter().map(|run| &run["run_id"]).collect();
        assert_eq!((runs.len(), runs[0]), (2, &json!(second)));
        let filtered = user.get(&format!("/api/runs?session_id={}", sessions[0])).await.body;
        assert_eq!(filtered["items"].as_array().unwrap().len(), 2);
    });
}

#[test]
fn a_chat_continues_its_session() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let first = user.post("/api/chat", &json!({ "message": "result one", "model": "claude" })).await.body;
        let message = "report argv\nresult two";
        let second = user.post("/api/chat", &json!({ "message": message, "session_id": first["session_id"] })).await.body;
        assert_eq!((&second["message"], &second["session_id"]), (&json!("two"), &first["session_id"]));
        assert_ne!(second["run_id"], first["run_id"]);
        assert!(user.said(second["run_id"].as_str().unwrap()).await[0].contains("--resume="));
    });
}
