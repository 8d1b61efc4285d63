//! Decisions without a person: the operator's rules, the rules of the run, and its mode, in this order.
//!
//! Rules: C8.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Client, Server, Setup, last, live, of};

/// The result of each request of a script: decision and reason, all by policy.
async fn decided(user: &Client, script: &str, metadata: Value) -> Vec<(String, String)> {
    let id = user.script_with(&format!("{script}\nresult fine"), metadata).await;
    let frames = user.follow(&id).await.rest().await;
    assert_eq!(last(&frames)["status"], "completed");
    let resolved = of(&frames, "permission_resolved");
    assert_eq!(resolved.len(), of(&frames, "permission_request").len());
    let text = |event: &Value, field: &str| event[field].as_str().unwrap_or_default().to_owned();
    assert!(resolved.iter().all(|event| event["by"] == "policy"), "{resolved:?}");
    resolved.into_iter().map(|event| (text(event, "decision"), text(event, "reason"))).collect()
}

fn with(reason: &str, decisions: &[&str]) -> Vec<(String, String)> {
    decisions.iter().map(|decision| ((*decision).to_owned(), reason.to_owned())).collect()
}

#[test]
fn in_auto_mode_everything_is_allowed_and_recorded() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let script = "permission Bash\npermission Write {\"file_path\":\"a\"}";
        let expected = with("permission_mode is auto", &["allow_once", "allow_once"]);
        assert_eq!(decided(&user, script, json!({ "permission_mode": "auto" })).await, expected);
    });
}

#[test]
fn a_read_only_run_may_only_read() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let script = "permission Read {\"file_path\":\"a\"}\npermission Grep {\"pattern\":\"x\"}\npermission Bash\n\
                      permission Write {\"file_path\":\"a\"}\npermission WebFetch {\"url\":\"https://example.com\"}\npermission mcp__db__read {}";
        let expected = with("permission_mode is read_only", &["allow_once", "allow_once", "deny", "deny", "deny", "deny"]);
        assert_eq!(decided(&user, script, json!({ "permission_mode": "read_only" })).await, expected);
    });
}

#[test]
fn the_first_matching_rule_decides_and_operator_rules_come_first() {
    live(async {
        let setup = Setup::new();
        let settings = setup.directory().join("settings.toml");
        let rules = "[[permission_rules]]\npath = \"secret/**\"\ndecision = \"deny\"\n";
        std::fs::write(&settings, rules).unwrap();
        let server = setup.env("OPENRUNNER_CONFIG", settings.display()).start().await;
        let user = server.client("user").await;
        let rules = json!([
            { "tool": "Bash", "command": "git push", "decision": "deny" },
            { "tool": "Bash", "command": "git", "decision": "allow" },
            { "kind": "edit", "path": "**", "decision": "allow" },
            { "decision": "deny" },
        ]);
        let script = "permission Write {\"file_path\":\"secret/key\"}\npermission Bash {\"command\":\"git push -f\"}\n\
                      permission Bash {\"command\":\"git status\"}\npermission Bash {\"command\":\"git status; rm -r .\"}\n\
                      permission Write {\"file_path\":\"src/a\"}\npermission Write {\"file_path\":\"../a\"}";
        let found = decided(&user, script, json!({ "permission_mode": "ask", "permission_rules": rules })).await;
        let expected = [
            ("deny", "denied by rule 1"),
            ("deny", "denied by rule 2"),
            ("allow_once", "allowed by rule 3"),
            ("deny", "denied by rule 5"),
            ("allow_once", "allowed by rule 4"),
            // Above the workspace lies the data directory.
            ("deny", "the path belongs to the server"),
        ];
        assert_eq!(found, expected.map(|(decision, reason)| (decision.to_owned(), reason.to_owned())));
    });
}

#[test]
fn a_rule_can_ask_in_auto_mode() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let rules = json!([{ "kind": "execute", "decision": "ask" }]);
        let id = user.script_with("permission Bash\nresult fine", json!({ "permission_rules": rules })).await;
        user.follow(&id).await.until("permission_request").await;
        let request = user.requests(&id).await.remove(0);
        user.decide(&id, request["id"].as_str().unwrap(), "deny").await;
        let frames = user.follow(&id).await.rest().await;
        assert_eq!(of(&frames, "permission_resolved")[0]["by"], "user");
        assert_eq!(user.run(&id).await["permission_rules"], rules);
    });
}

#[test]
fn invalid_rules_are_rejected_before_anything_starts() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        for (rules, field) in [
            (json!([{ "path": "src/[", "decision": "allow" }]), "metadata.permission_rules[0].path"),
            (json!([{ "command": "git && rm", "decision": "deny" }]), "metadata.permission_rules[0].command"),
            (json!([{ "command": " ", "decision": "deny" }]), "metadata.permission_rules[0].command"),
            (json!(vec![json!({ "decision": "deny" }); 257]), "metadata.permission_rules"),
            (json!([{ "tool": "Bash", "decision": "perhaps" }]), "metadata.permission_rules[0].decision"),
            (json!([{ "tool": "Bash" }]), "metadata.permission_rules[0].decision"),
            (json!([{ "tol": "Bash", "decision": "deny" }]), "metadata.permission_rules[0].tol"),
        ] {
            let answer = user.ask("result x", json!({ "agent_type": "claude_code", "permission_rules": rules })).await;
            assert_eq!(answer.problem(422, "invalid_field"), field);
        }
        assert!(user.get("/api/runs").await.body["items"].as_array().unwrap().is_empty());

        let setup = Setup::new();
        let settings = setup.directory().join("settings.toml");
        std::fs::write(&settings, "[[permission_rules]]\npath = \"src/[\"\ndecision = \"deny\"\n").unwrap();
        let (status, said) = setup.env("OPENRUNNER_CONFIG", settings.display()).fails_to_start().await;
        assert!(!status.success() && said.contains("permission_rules in the settings file: rule 1: path: "), "{said}");
    });
}

#[test]
fn patterns_beyond_the_bounds_are_rejected_at_once() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let nested = |depth: usize| format!("{}a{}", "{".repeat(depth), "}".repeat(depth));
        let rules = |field: &str, pattern: &str, count: usize| json!(vec![json!({ field: pattern, "decision": "deny" }); count]);
        let mut fourth = rules("path", "src/**", 4);
        fourth[3]["path"] = nested(9).into();
        for (rules, field) in [
            (rules("path", &nested(15_000), 1), "metadata.permission_rules[0].path"),
            (rules("tool", &nested(200), 1), "metadata.permission_rules[0].tool"),
            (rules("path", &"?".repeat(7_000), 250), "metadata.permission_rules"),
            (rules("path", &"?".repeat(1_024), 65), "metadata.permission_rules"),
            (rules("tool", &format!("{{{}}}", ",".repeat(64)), 1), "metadata.permission_rules[0].tool"),
            (rules("command", &"x".repeat(1_025), 1), "metadata.permission_rules[0].command"),
            (fourth, "metadata.permission_rules[3].path"),
        ] {
            let before = Instant::now();
            let answer = user.ask("result x", json!({ "agent_type": "claude_code", "permission_rules": rules })).await;
            let fields: Vec<&str> = answer.body["errors"].as_array().unwrap().iter().filter_map(|error| error["field"].as_str()).collect();
            assert!(answer.status == 422 && answer.body["code"] == "invalid_field" && fields.contains(&field), "{}", answer.text);
            // Far more than it takes, for slow and busy machines.
            assert!(before.elapsed() < Duration::from_secs(2), "{:?}", before.elapsed());
        }
        let largest = json!({ "agent_type": "claude_code", "permission_rules": rules("path", &"?".repeat(1_024), 64) });
        assert_eq!(user.ask("result x", largest).await.status, 201, "patterns at the bounds are accepted");
    });
}

#[test]
fn a_pattern_beyond_the_bounds_in_the_settings_file_stops_the_start() {
    live(async {
        for (pattern, problem) in
            [("{".repeat(15_000), "rule 2: path: must have at most 1024 bytes"), ("{".repeat(200), "rule 2: path: `{…}`")]
        {
            let setup = Setup::new();
            let settings = setup.directory().join("settings.toml");
            let rules =
                format!("[[permission_rules]]\ndecision = \"ask\"\n[[permission_rules]]\npath = \"{pattern}\"\ndecision = \"deny\"\n");
            std::fs::write(&settings, rules).unwrap();
            let (status, printed) = setup.env("OPENRUNNER_CONFIG", settings.display()).fails_to_start().await;
            assert!(!status.success() && printed.contains("permission_rules in the settings file"), "{printed}");
            assert!(printed.contains(problem) && !printed.contains("panicked"), "{printed}");
        }
    });
}

#[test]
fn ask_mode_is_rejected_for_an_agent_that_cannot_ask() {
    live(async {
        let setup = Setup::new();
        let settings = setup.directory().join("settings.toml");
        std::fs::write(&settings, "[agents.claude_code]\nmode = \"one_shot\"\n").unwrap();
        let server = setup.env("OPENRUNNER_CONFIG", settings.display()).start().await;
        let user = server.client("user").await;
        for mut metadata in [json!({ "permission_mode": "ask" }), json!({ "permission_rules": [{ "decision": "deny" }] })] {
            metadata["agent_type"] = "claude_code".into();
            assert_eq!(user.ask("result x", metadata).await.problem(422, "cannot_ask"), "metadata.permission_mode");
        }
    });
}
