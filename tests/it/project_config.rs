//! Who may trust the configuration in a working directory, and what of the server's own no agent is given.
//!
//! Rules: P1, G2.

use serde_json::{Value, json};

use crate::support::{Client, Server, Setup, last, live, notice, of};

/// The `project_config` of a run, which is the same in its record and in its first event.
async fn effective(client: &Client, metadata: Value) -> Value {
    let id = client.script_with("result done", metadata).await;
    assert_eq!(client.end_of(&id).await["status"], "completed");
    let frames = client.follow(&id).await.rest().await;
    let started = of(&frames, "run_started")[0]["project_config"].clone();
    assert_eq!(client.run(&id).await["project_config"], started);
    started
}

#[test]
fn a_working_directory_is_not_trusted_unless_an_admin_trusts_it() {
    live(async {
        let server = Server::start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        let directory = server.directory().join("project");
        std::fs::create_dir(&directory).unwrap();
        for client in [&user, &admin] {
            assert_eq!(effective(client, json!({})).await, "ignore", "a fresh directory");
            assert_eq!(effective(client, json!({ "working_dir": directory })).await, "ignore");
            assert_eq!(effective(client, json!({ "working_dir": directory, "project_config": "ignore" })).await, "ignore");
        }
        for metadata in [json!({ "project_config": "trust" }), json!({ "working_dir": directory, "project_config": "trust" })] {
            let refused = user.ask("result x", metadata.clone()).await;
            assert_eq!(refused.problem(403, "admin_only"), "metadata.project_config");
            assert!(refused.text.contains("OPENRUNNER_TRUSTED_PROJECTS"), "{}", refused.text);
            assert_eq!(effective(&admin, metadata).await, "trust");
        }
        let refused = user.ask("result x", json!({ "project_config": "always" })).await;
        assert_eq!(refused.problem(422, "invalid_field"), "metadata.project_config");
    });
}

#[test]
fn a_directory_below_a_trusted_one_is_trusted_by_its_real_path() {
    live(async {
        let setup = Setup::new();
        let root = setup.directory().to_owned();
        for name in ["trusted/project", "trusted-not/project", "other"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
        }
        std::os::unix::fs::symlink(root.join("other"), root.join("trusted/link")).unwrap();
        std::os::unix::fs::symlink(root.join("trusted"), root.join("alias")).unwrap();
        let server = setup.env("OPENRUNNER_TRUSTED_PROJECTS", root.join("alias").display()).start().await;
        let user = server.client("user").await;
        for (name, expected) in [
            ("trusted/project", "trust"),
            ("trusted", "trust"),
            ("trusted/new", "trust"),
            ("alias/project", "trust"),
            ("trusted-not/project", "ignore"),
            ("trusted/link", "ignore"),
            ("other", "ignore"),
        ] {
            let directory = root.join(name);
            assert_eq!(effective(&user, json!({ "working_dir": directory })).await, expected, "{name}");
            let ignoring = json!({ "working_dir": directory, "project_config": "ignore" });
            assert_eq!(effective(&user, ignoring).await, "ignore", "{name}");
            let trusting = user.ask("result x", json!({ "working_dir": directory, "project_config": "trust" })).await;
            assert_eq!(trusting.status == 403, expected == "ignore", "{name}: {}", trusting.text);
        }
    });
}

#[test]
fn a_run_says_when_its_agent_may_not_ignore_the_directory() {
    live(async {
        let setup = Setup::new();
        let settings = setup.directory().join("settings.toml");
        let agent = "[agents.plain]\nprotocol = \"text\"\ncommand = [\"/bin/cat\"]\n";
        std::fs::write(&settings, agent).unwrap();
        let server = setup.env("OPENRUNNER_CONFIG", settings.display()).start().await;
        let admin = server.client("admin").await;
        for (agent_type, mode, has_notice) in [("plain", "ignore", true), ("plain", "trust", false), ("claude_code", "ignore", false)] {
            let id = admin.create("result done", json!({ "agent_type": agent_type, "project_config": mode })).await;
            let frames = admin.follow(&id).await.rest().await;
            let told = of(&frames, "notice").into_iter().any(|notice| notice.to_string().contains("project_config is ignore"));
            assert_eq!(told, has_notice, "{agent_type} {mode}");
            assert!(!told || notice(&frames, "weak_guarantee").is_some());
        }
    });
}

#[test]
fn no_rule_and_no_mode_gives_an_agent_what_belongs_to_the_server() {
    live(async {
        let setup = Setup::new();
        let settings = setup.directory().join("settings.toml");
        std::fs::write(&settings, "[[permission_rules]]\ndecision = \"allow\"\n").unwrap();
        let server = setup.env("OPENRUNNER_CONFIG", settings.display()).env("OPENRUNNER_ISOLATION", "none").start().await;
        let user = server.client("user").await;
        let project = server.directory().join("project");
        std::fs::create_dir(&project).unwrap();
        std::os::unix::fs::symlink(server.data(), project.join("link")).unwrap();
        let data = server.data().display().to_string();
        let (key, settings) = (format!("{data}/jwt.key"), settings.display().to_string());
        let requests = [
            ("Read", json!({ "file_path": key })),
            ("Write", json!({ "file_path": format!("{data}/openrunner.db"), "content": "" })),
            ("Read", json!({ "file_path": "link/jwt.key" })),
            ("Grep", json!({ "pattern": ".", "path": format!("{data}/runs") })),
            ("Read", json!({ "file_path": settings })),
            ("Bash", json!({ "command": format!("cat {key}") })),
            ("Bash", json!({ "command": "base64 link/jwt.key" })),
        ];
        let script: Vec<String> = requests.iter().map(|(tool, input)| format!("permission {tool} {input}")).collect();
        for mode in ["auto", "ask", "read_only"] {
            let metadata = json!({ "working_dir": project, "permission_mode": mode, "permission_rules": [{ "decision": "allow" }] });
            let id = user.script_with(&format!("{}\nresult done", script.join("\n")), metadata).await;
            let frames = user.follow(&id).await.rest().await;
            assert_eq!(last(&frames)["status"], "completed");
            let resolved = of(&frames, "permission_resolved");
            assert_eq!(resolved.len(), requests.len());
            for (event, (tool, input)) in resolved.iter().zip(&requests) {
                let decided = (&event["decision"], &event["by"], &event["reason"]);
                assert_eq!(decided, (&json!("deny"), &json!("policy"), &json!("the path belongs to the server")), "{mode} {tool} {input}");
            }
        }
        // The run's own workspace lies in the data directory.
        let id = user.script("permission Write {\"file_path\":\"notes\"}\nresult done").await;
        let own = format!("permission Write {}", json!({ "file_path": format!("{data}/workspaces/{id}/notes") }));
        let again = user.script_with(&format!("{own}\nresult done"), json!({ "working_dir": project })).await;
        for (run, expected) in [(&id, "allow_once"), (&again, "deny")] {
            let frames = user.follow(run).await.rest().await;
            assert_eq!(of(&frames, "permission_resolved")[0]["decision"], expected);
        }
    });
}
