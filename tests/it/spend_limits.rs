//! Spend limits of runs and of users.

use std::os::unix::fs::PermissionsExt;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Client, Server, Setup, assert_dense, last, live, notice, of};

/// A line of the scripted agent: the end of a model response with this usage.
fn response(input: u64, output: u64) -> String {
    let event = json!({ "type": "message_delta", "delta": {}, "usage": { "input_tokens": input, "output_tokens": output } });
    format!("raw {}", json!({ "type": "stream_event", "event": event, "parent_tool_use_id": null }))
}

/// A line of the scripted agent: a block of a sub-agent's response. Each block repeats the usage of its message.
fn sub_agent_block(message: &str, text: &str, input: u64) -> String {
    let content = json!([{ "type": "text", "text": text }]);
    let message = json!({ "id": message, "content": content, "usage": { "input_tokens": input, "output_tokens": 1 } });
    format!("raw {}", json!({ "type": "assistant", "message": message, "parent_tool_use_id": "call_agent" }))
}

async fn patch_budget(admin: &Client, budget: Value) -> Value {
    let answer = admin.send(admin.request(Method::PATCH, "/api/users/user").json(&json!({ "budget": budget }))).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body["budget"].clone()
}

fn program(setup: &Setup, name: &str, script: &str) {
    let path = setup.directory().join("agents/bin").join(name);
    std::fs::write(&path, script).expect("a directory for agents");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("the test owns it");
}

#[test]
fn a_run_is_interrupted_in_its_turn_and_its_log_names_every_exceeded_limit() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let script = format!("{}\nsay one\n{}\nsay two\nwait-for-interrupt", response(5, 1), response(5, 1));
        let id = user.script_with(&script, json!({ "max_tokens": 10, "max_turns": 1, "max_cost_usd": 0.5 })).await;
        let run = user.run(&id).await;
        assert_eq!((&run["max_tokens"], &run["max_turns"], &run["max_cost_usd"]), (&json!(10), &json!(1), &json!(0.5)));
        let frames = user.follow(&id).await.rest().await;
        assert_dense(&frames);
        let message = "the run exceeded max_tokens (12 of 10 tokens) and max_turns (2 of 1 model calls)";
        let limits = json!([{ "limit": "max_tokens", "max": 10, "used": 12 }, { "limit": "max_turns", "max": 1, "used": 2 }]);
        let exceeded = notice(&frames, "spend_limit").expect("the log tells why");
        assert_eq!((&exceeded["message"], &exceeded["data"]["limits"]), (&json!(message), &limits));
        // The result of the interrupted turn is authoritative.
        let message = "the run exceeded max_tokens (18 of 10 tokens) and max_turns (2 of 1 model calls)";
        let end = last(&frames);
        assert_eq!((&end["status"], &end["cause"], &end["message"]), (&json!("failed"), &json!("spend_limit"), &json!(message)));
        let interrupted = of(&frames, "message").iter().any(|message| message["content"] == "[Request interrupted by user]");
        assert!(interrupted, "the agent was interrupted in its own protocol");
        assert_eq!(user.run(&id).await["cause"], "spend_limit");
    });
}

#[test]
fn what_sub_agents_use_counts_in_the_middle_of_the_turn() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        // The second block belongs to the same response.
        let blocks = [sub_agent_block("m1", "looking", 4), sub_agent_block("m1", "still", 4), sub_agent_block("m2", "found", 4)];
        let script = format!("{}\n{}\nwait-for-interrupt", response(1, 1), blocks.join("\n"));
        let id = user.script_with(&script, json!({ "max_tokens": 11 })).await;
        let frames = user.follow(&id).await.rest().await;
        let limits = &notice(&frames, "spend_limit").expect("the log tells why")["data"]["limits"];
        assert_eq!(limits, &json!([{ "limit": "max_tokens", "max": 11, "used": 12 }]));
        assert_eq!(last(&frames)["cause"], "spend_limit");
    });
}

#[test]
fn further_messages_count_in_the_same_run_and_reaching_a_limit_is_allowed() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        // A turn of the scripted agent takes 18 tokens and a quarter of a dollar.
        let exact = user.script_with("result one", json!({ "max_tokens": 18, "max_cost_usd": 0.25 })).await;
        assert_eq!(user.end_of(&exact).await["status"], "completed");

        let go = server.directory().join("go");
        let id = user.script_with(&format!("say up\nwait {}\nresult one", go.display()), json!({ "max_tokens": 20 })).await;
        user.follow(&id).await.until_text("up").await;
        for text in ["result two", "result three"] {
            assert_eq!(user.say(&id, "queue", text).await.status, 202);
        }
        std::fs::write(go, "").unwrap();
        let frames = user.follow(&id).await.rest().await;
        let end = last(&frames);
        assert_eq!((&end["cause"], &end["result"]), (&json!("spend_limit"), &json!("two")), "{end}");
        assert_eq!(end["message"], "the run exceeded max_tokens (36 of 20 tokens)");
        assert_eq!(notice(&frames, "undelivered").expect("one message is left")["data"]["messages"], json!(["result three"]));
    });
}

#[test]
fn counting_continues_after_the_server_was_killed() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let go = server.directory().join("go");
        let script = format!("{}\nsay up\nwait {}\n{}\nwait-for-interrupt", response(5, 1), go.display(), response(5, 1));
        let id = user.script_with(&script, json!({ "max_tokens": 10 })).await;
        user.follow(&id).await.until_text("up").await;
        let server = server.killed_and_started_again().await;
        let user = user.at(server.url());
        std::fs::write(go, "").unwrap();
        let frames = user.follow(&id).await.rest().await;
        assert_dense(&frames);
        let exceeded = notice(&frames, "spend_limit").expect("the log tells why");
        assert_eq!(exceeded["message"], "the run exceeded max_tokens (12 of 10 tokens)");
        assert_eq!(last(&frames)["cause"], "spend_limit");
    });
}

#[test]
fn the_stricter_of_the_users_and_the_requested_limit_counts() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_TURNS_PER_RUN", 7).start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        let set = json!({ "tokens_per_run": 10, "cost_per_run_usd": 2.5 });
        assert_eq!(patch_budget(&admin, set.clone()).await, set);
        let audit = admin.get("/api/audit?action=user.change").await.body["items"][0]["detail"].clone();
        assert_eq!(audit, "tokens_per_run=10 cost_per_run_usd=2.5");
        let budget = user.get("/api/usage/budget").await.body;
        assert_eq!(budget["per_run"], json!({ "tokens": 10, "cost_usd": 2.5, "turns": 7 }));
        let script = format!("{}\nwait-for-interrupt", response(11, 0));
        let id = user.script_with(&script, json!({ "max_tokens": 1000, "max_cost_usd": 1, "max_turns": 100 })).await;
        let run = user.end_of(&id).await;
        assert_eq!((&run["max_tokens"], &run["max_cost_usd"], &run["max_turns"]), (&json!(10), &json!(1.0), &json!(7)));
        assert_eq!(run["message"], "the run exceeded max_tokens (18 of 10 tokens)");

        let unlimited = json!({ "tokens_per_run": "unlimited", "cost_per_run_usd": null, "turns_per_run": "unlimited" });
        assert_eq!(patch_budget(&admin, unlimited).await, json!({ "tokens_per_run": "unlimited", "turns_per_run": "unlimited" }));
        let free = user.end_of(&user.script(&format!("{}\nresult free", response(99, 9))).await).await;
        assert_eq!((&free["status"], &free["max_tokens"], &free["max_turns"]), (&json!("completed"), &Value::Null, &Value::Null));
        let args = ["user", "budget", "user", "--tokens-per-run", "5", "--turns-per-run", "default"];
        let printed = server.offline(&args).done().await;
        assert_eq!((printed.code, printed.out.contains("tokens_per_run=5 turns_per_run=default")), (0, true), "{printed:?}");
        assert_eq!(user.end_of(&user.script("result more").await).await["cause"], "spend_limit");
    });
}

#[test]
fn a_limit_that_the_agent_does_not_report_is_rejected() {
    live(async {
        let setup = Setup::new();
        let file = setup.directory().join("settings.toml");
        std::fs::write(&file, "[agents.plain]\nprotocol = \"text\"\ncommand = [\"true\"]\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let server = setup.env("OPENRUNNER_CONFIG", file.display()).start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        for (agent, field, value) in
            [("codex", "max_cost_usd", json!(1)), ("opencode", "max_turns", json!(3)), ("plain", "max_tokens", json!(9))]
        {
            let refused = user.ask("result one", json!({ "agent_type": agent, field: value })).await;
            assert_eq!(refused.problem(422, "invalid_field"), format!("metadata.{field}"));
            assert_eq!(refused.body["errors"][0]["code"], "not_supported");
        }
        for (field, value) in [("max_cost_usd", json!(0)), ("max_tokens", json!(0)), ("max_turns", json!(0)), ("max_turns", json!(-1))] {
            let refused = user.ask("result one", json!({ "agent_type": "claude_code", field: value })).await;
            assert_eq!(refused.problem(422, "invalid_field"), format!("metadata.{field}"));
        }
        patch_budget(&admin, json!({ "tokens_per_run": 10 })).await;
        let refused = user.ask("x", json!({ "agent_type": "plain" })).await;
        assert_eq!(refused.problem(422, "invalid_field"), "metadata.max_tokens");
        assert!(refused.text.contains("it is set for your user"), "{}", refused.text);
        user.post("/api/chat", &json!({ "model": "plain", "message": "x" })).await.problem(422, "invalid_field");
        let agents = user.get("/api/agents").await.body;
        let codex = agents["items"].as_array().unwrap().iter().find(|agent| agent["agent_type"] == "codex").unwrap();
        let usage = json!({ "cost": "never", "tokens": "call", "turns": "call", "sub_agents": true, "continued_cost": false });
        assert_eq!(codex["capabilities"]["usage"], usage);
    });
}

/// `codex app-server`, in the format of the recordings, which reports the usage of two model calls and then waits for an interrupt.
fn codex() -> String {
    let usage = |total: u64| {
        let tokens = |count: u64| json!({ "inputTokens": 1200 * count, "cachedInputTokens": 1000 * count, "outputTokens": 42 * count });
        let usage = json!({ "total": tokens(total), "last": tokens(1), "modelContextWindow": 258_400 });
        json!({ "method": "thread/tokenUsage/updated", "params": { "threadId": "t", "turnId": "u", "tokenUsage": usage } })
    };
    let turn = |status: &str| json!({ "id": "u", "items": [], "status": status, "error": null });
    let lines = |messages: &[Value]| messages.iter().map(|message| format!("echo '{message}'\n")).collect::<Vec<_>>().concat();
    let initialized = lines(&[json!({ "id": 1, "result": { "userAgent": "openrunner/0.169.0 (Debian)" } })]);
    let opened = lines(&[json!({ "id": 2, "result": { "thread": { "id": "t" }, "model": "gpt" } })]);
    let started = lines(&[
        json!({ "id": 3, "result": { "turn": turn("inProgress") } }),
        json!({ "method": "turn/started", "params": { "threadId": "t", "turn": turn("inProgress") } }),
        usage(1),
        usage(2),
    ]);
    let ended = lines(&[json!({ "method": "turn/completed", "params": { "threadId": "t", "turn": turn("interrupted") } })]);
    let next = "read -r line\n";
    let dialog = format!("{next}{initialized}{next}{next}{opened}{next}{started}{next}{ended}while read -r line; do :; done\n");
    format!("#!/bin/sh\ncase \"$*\" in *app-server*) ;; *) echo 'codex-cli 0.169.0'; exit 0;; esac\n{dialog}")
}

#[test]
fn codex_is_stopped_by_its_reports_during_the_turn() {
    live(async {
        let setup = Setup::new();
        program(&setup, "codex", &codex());
        let server = setup.start().await;
        let user = server.client("user").await;
        for (limit, message) in [
            (json!({ "max_tokens": 300 }), "the run exceeded max_tokens (484 of 300 tokens)"),
            (json!({ "max_turns": 1 }), "the run exceeded max_turns (2 of 1 model calls)"),
        ] {
            let mut metadata = limit;
            metadata["agent_type"] = "codex".into();
            let id = user.create("go", metadata).await;
            let end = user.end_of(&id).await;
            assert_eq!((&end["cause"], &end["message"]), (&json!("spend_limit"), &json!(message)), "{end}");
        }
    });
}

#[test]
fn the_command_line_sets_limits() {
    live(async {
        let server = Server::start().await;
        let script = format!("{}\nwait-for-interrupt", response(11, 0));
        let args = ["run", "-a", "claude_code", "--max-tokens", "10", "--max-cost-usd", "0.5", "--max-turns", "9", &script];
        let printed = server.typed(&args).done().await;
        assert_eq!(printed.code, 1, "{printed:?}");
        assert!(printed.out.contains("spend limit"), "{printed:?}");
        assert_eq!(server.typed(&["run", "x", "--max-cost-usd", "-1"]).done().await.code, 2);
    });
}

#[test]
fn claude_code_gets_the_limit_of_its_cost_as_well() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let report = async |metadata| {
            let args = user.reports(&["argv"], metadata).await;
            args[0].as_array().unwrap().iter().any(|arg| arg == "--max-budget-usd=1.5")
        };
        assert!(report(json!({ "max_cost_usd": 1.5 })).await, "it computes its cost after each call, but reports it late");
        assert!(!report(json!({})).await);
    });
}
