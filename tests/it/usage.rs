//! Usage and budgets.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Client, Server, Setup, live, typed};

/// Usage of one turn of the scripted agent: 7 tokens read and 11 written, for a quarter of a dollar.
const TURN: u64 = 18;

/// A script whose agent reports usage before the end of its turn, and ends when the file exists.
fn held(go: &std::path::Path) -> String {
    let told = json!({ "type": "message_delta", "delta": {}, "usage": { "input_tokens": 5, "output_tokens": 1 } });
    let told = json!({ "type": "stream_event", "event": told, "parent_tool_use_id": null });
    format!("raw {told}\nsay up\nwait {}\nresult done", go.display())
}

async fn set_budget(admin: &Client, user: &str, budget: Value) -> Answer {
    admin.send(admin.request(Method::PATCH, &format!("/api/users/{user}")).json(&json!({ "budget": budget }))).await
}

/// An item of a list as text: key, runs and tokens.
fn read(item: &Value, field: &str) -> (String, u64, u64) {
    let number = |field: &str| item[field].as_u64().expect("a number");
    (item[field].as_str().expect("a key").to_owned(), number("runs"), number("tokens"))
}

#[test]
fn usage_is_grouped_as_requested_and_visible_to_its_owner() {
    live(async {
        let server = Server::start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        let first = user.script("result one").await;
        let session = user.end_of(&first).await["session_id"].clone();
        user.end_of(&user.create("error no luck", json!({ "agent_type": "claude_code", "session_id": session })).await).await;
        user.end_of(&user.create("create hello.py", json!({ "agent_type": "demo" })).await).await;
        admin.end_of(&admin.script("result two").await).await;
        let by = async |client: &Client, query: &str| {
            let answer = client.get(&format!("/api/usage?{query}")).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            answer.body
        };
        let users = by(&admin, "group_by=owner").await;
        let items = users["items"].as_array().unwrap();
        assert_eq!(items.iter().map(|item| read(item, "owner")).collect::<Vec<_>>()[0], ("admin".to_owned(), 1, TURN));
        assert_eq!((&items[1]["owner"], &items[1]["runs"]), (&json!("user"), &json!(3)));
        let agents = by(&user, "group_by=agent_type").await;
        let claude = &agents["items"][0];
        assert_eq!(read(claude, "agent_type"), ("claude_code".to_owned(), 2, 2 * TURN));
        assert_eq!((&claude["by_status"]["completed"], &claude["by_status"]["failed"]), (&json!(1), &json!(1)));
        assert_eq!((&claude["input_tokens"], &claude["output_tokens"], &claude["cache_read_tokens"]), (&json!(14), &json!(22), &json!(0)));
        // The earlier cost of a resumed conversation is unknown for this agent, so only the cost of the first run counts.
        assert_eq!((&claude["cost_usd"], &claude["cost_is_estimate"]), (&json!(0.25), &json!(true)));
        assert_eq!((&claude["runs_without_cost"], &agents["items"][1]["agent_type"]), (&json!(1), &json!("demo")));
        assert_eq!(by(&user, "group_by=model&agent_type=claude_code").await["items"][0]["model"], "scripted");
        let runs = by(&user, "group_by=run&limit=1").await;
        let rest = by(&user, &format!("group_by=run&cursor={}", runs["next_cursor"].as_str().unwrap())).await;
        assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next_cursor"], &rest["total"]), (2, &Value::Null, &runs["total"]));
        assert_eq!(rest["items"][1]["run_id"], first);
        let of_session = by(&user, &format!("group_by=session&session_id={}", session.as_str().unwrap())).await;
        assert_eq!(read(&of_session["items"][0], "session_id"), (session.as_str().unwrap().to_owned(), 2, 2 * TURN));
        assert_eq!(by(&admin, "owner=user").await["total"]["runs"], 3, "by day, where nothing is said");
        assert_eq!(by(&user, "owner=admin").await["total"]["runs"], 3, "only their own, with any filter");
        assert_eq!(by(&user, "until=2020-01-01").await["total"]["runs"], 0);
        assert_eq!(user.get("/api/usage?since=2026-11-02&until=2026-11-01").await.problem(422, "invalid_field"), "until");
        for (field, query) in [("since", "since=yesterday"), ("group_by", "group_by=prompt"), ("limit", "limit=201"), ("who", "who=me")] {
            assert_eq!(user.get(&format!("/api/usage?{query}")).await.problem(422, "invalid_field"), field);
        }
    });
}

#[test]
fn usage_counts_during_a_run_and_once_across_restarts_and_deletion() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let go = server.directory().join("go");
        let id = user.script(&held(&go)).await;
        user.follow(&id).await.until_text("up").await;
        let total = async |user: &Client| {
            let total = user.get("/api/usage").await.body["total"].clone();
            (total["runs"].as_u64().unwrap(), total["tokens"].as_u64().unwrap())
        };
        assert_eq!(total(&user).await, (0, 6));
        let server = server.killed_and_started_again().await;
        let user = user.at(server.url());
        assert_eq!(total(&user).await, (0, 6), "nothing is counted twice");
        std::fs::write(go, "").unwrap();
        user.end_of(&id).await;
        assert_eq!(total(&user).await, (1, TURN));
        assert_eq!(user.delete(&format!("/api/runs/{id}")).await.status, 204);
        assert_eq!(total(&user).await, (1, TURN), "what was used stays used");
        assert_eq!(user.get("/api/usage?group_by=run").await.body["items"][0]["run_id"], id);
    });
}

#[test]
fn an_exceeded_budget_is_rejected_with_amount_reset_time_and_contact() {
    live(async {
        let server = Server::start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        assert_eq!(set_budget(&admin, "user", json!({ "tokens_per_day": TURN })).await.body["budget"], json!({ "tokens_per_day": TURN }));
        let go = server.directory().join("go");
        let working = user.script(&format!("say up\nwait {}\nresult slow", go.display())).await;
        user.follow(&working).await.until_text("up").await;
        let key = |request: reqwest::RequestBuilder| request.header("Idempotency-Key", "k");
        let body = json!({ "input": { "text": "result one" }, "metadata": { "agent_type": "claude_code" } });
        let first = user.send(key(user.request(Method::POST, "/api/runs").json(&body))).await.body["run_id"].clone();
        user.end_of(first.as_str().unwrap()).await;

        let refused = user.ask("result two", json!({ "agent_type": "claude_code" })).await;
        refused.problem(429, "budget_exceeded");
        let seconds: u32 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=86_400).contains(&seconds), "{seconds}");
        let detail = refused.body["detail"].as_str().unwrap();
        for told in ["budget of user", "18 of 18 tokens", "T00:00:00.000Z", "an admin can raise"] {
            assert!(detail.contains(told), "{detail}");
        }
        let chat = json!({ "message": "result two", "model": "claude" });
        user.post("/api/chat", &chat).await.problem(429, "budget_exceeded");
        let again = user.send(key(user.request(Method::POST, "/api/runs").json(&body))).await;
        assert_eq!((again.status, &again.body["run_id"]), (201, &first), "it is no new run");
        // A run in progress continues, but accepts no further message.
        let more = user.post(&format!("/api/runs/{working}/messages"), &json!({ "text": "result more" })).await;
        more.problem(429, "budget_exceeded");
        let me = user.get("/api/auth/me").await.body["budget"].clone();
        assert_eq!((&me["tokens"], &me["is_used_up"]), (&json!({ "used": TURN, "allowed": TURN, "is_own": true }), &json!(true)));
        assert_eq!(me["cost_usd"], json!({ "used": 0.25, "is_own": false }));
        assert_eq!(admin.get("/api/usage/budget?owner=user").await.body, me);
        user.get("/api/usage/budget?owner=admin").await.problem(404, "not_found");
        admin.get("/api/usage/budget?owner=nemo").await.problem(404, "not_found");
        std::fs::write(go, "").unwrap();
        assert_eq!(user.end_of(&working).await["result"], "slow");

        assert_eq!(set_budget(&admin, "user", json!({ "tokens_per_day": null, "cost_per_day_usd": 0.75 })).await.status, 200);
        assert_eq!(user.end_of(&user.script("result three").await).await["result"], "three");
        let refused = user.ask("result four", json!({ "agent_type": "claude_code" })).await;
        assert!(refused.body["detail"].as_str().unwrap().contains("$0.75 of $0.75"), "{}", refused.text);
        assert_eq!(
            set_budget(&admin, "user", json!({ "cost_per_day_usd": "unlimited" })).await.body["budget"],
            json!({ "cost_per_day_usd": "unlimited" })
        );
        user.end_of(&user.script("result five").await).await;
        for (field, budget) in [
            ("budget.tokens_per_day", json!({ "tokens_per_day": -1 })),
            ("budget.tokens_per_day", json!({ "tokens_per_day": 1.5 })),
            ("budget.cost_per_day_usd", json!({ "cost_per_day_usd": "none" })),
            ("budget.tokens", json!({ "tokens": 1 })),
            ("budget", json!([1, 2])),
        ] {
            assert_eq!(set_budget(&admin, "user", budget).await.problem(422, "invalid_field"), field);
        }
        let audit = admin.get("/api/audit?action=user.change").await.body["items"][0]["detail"].clone();
        assert_eq!(audit, "cost_per_day_usd=unlimited");
    });
}

#[test]
fn a_queued_run_fails_when_the_budget_is_exceeded_at_its_start() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_MAX_RUNS", 1).env("OPENRUNNER_TOKENS_PER_DAY", TURN).start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        let go = server.directory().join("go");
        let first = user.script(&format!("say up\nwait {}\nresult one", go.display())).await;
        user.follow(&first).await.until_text("up").await;
        let second = user.script("result two").await;
        let admins = admin.script("result admin").await;
        std::fs::write(go, "").unwrap();
        let end = user.end_of(&second).await;
        assert_eq!((&end["status"], &end["cause"], &end["started_at"]), (&json!("failed"), &json!("budget_exceeded"), &Value::Null));
        assert!(end["message"].as_str().unwrap().contains("18 of 18 tokens"), "{end}");
        assert_eq!(admin.end_of(&admins).await["result"], "admin", "everybody has a budget of their own");
        let state = user.get("/api/usage/budget").await.body;
        assert_eq!(state["tokens"], json!({ "used": TURN, "allowed": TURN, "is_own": false }));
        set_budget(&admin, "user", json!({ "tokens_per_day": "unlimited" })).await;
        assert_eq!(user.end_of(&user.script("result three").await).await["result"], "three");
    });
}

#[test]
fn admins_see_the_effective_settings_without_secrets() {
    live(async {
        let secret = "a-secret-that-is-long-enough-to-sign-with";
        let server = Setup::new().env("OPENRUNNER_JWT_SECRET", secret).env("OPENRUNNER_COST_PER_DAY_USD", "2.5").start().await;
        let answer = server.client("admin").await.get("/api/settings").await;
        let settings = answer.body["items"].as_array().unwrap();
        let one = |name: &str| settings.iter().find(|setting| setting["name"] == name).unwrap().clone();
        let cost = json!({ "name": "cost_per_day_usd", "value": 2.5, "origin": "environment", "variable": "OPENRUNNER_COST_PER_DAY_USD" });
        assert_eq!(one("cost_per_day_usd"), cost);
        assert_eq!((&one("jwt_secret")["value"], &one("log")["origin"]), (&json!("***"), &json!("default")));
        assert!(!answer.text.contains(secret));
        let shown = typed(&server.home(), &["config", "show", "--json", "--data-dir", &server.data().display().to_string()]).json().await;
        let names = |settings: &Value| settings["items"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect::<Vec<_>>();
        assert_eq!(names(&answer.body), names(&shown), "the same that the command shows");
        server.client("user").await.get("/api/settings").await.problem(403, "admin_only");
    });
}

#[test]
fn the_command_line_shows_usage_and_sets_budgets() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        user.end_of(&user.script("result one").await).await;
        let printed = server.typed(&["usage", "--by", "owner"]).done().await;
        assert_eq!(printed.out, "user\t1\t7\t11\t0\t0\tabout $0.2500\n", "{printed:?}");
        let by_day = server.typed(&["usage", "--json", "--owner", "user", "--until", "2020-01-01"]).json().await;
        assert_eq!((&by_day["group_by"], &by_day["items"]), (&json!("day"), &json!([])));
        assert_eq!(server.typed(&["usage", "--since", "monday"]).done().await.code, 2);

        let budget = |args: &[&str]| server.offline(&[&["user", "budget", "user"], args].concat());
        let printed = budget(&["--tokens-per-day", "0", "--cost-per-day-usd", "unlimited"]).done().await;
        assert_eq!((printed.code, printed.out.contains("tokens_per_day=0 cost_per_day_usd=unlimited")), (0, true), "{printed:?}");
        user.ask("result two", json!({ "agent_type": "claude_code" })).await.problem(429, "budget_exceeded");
        let list = server.offline(&["user", "ls"]).done().await;
        assert!(list.out.contains("user\tuser\tdefault password, this machine only\t0 tokens, unlimited USD"), "{list:?}");
        assert_eq!(budget(&["--tokens-per-day", "default"]).done().await.code, 0);
        user.end_of(&user.script("result two").await).await;
        for wrong in [&["--tokens-per-day", "many"][..], &["--cost-per-day-usd", "-1"]] {
            assert_ne!(budget(wrong).done().await.code, 0, "{wrong:?}");
        }
    });
}
