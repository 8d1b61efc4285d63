//! Profiles: defined by admins in the settings file or through the API, and narrowed by the runs that use them.
//!
//! Rules: S4.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Client, Server, Setup, live};

async fn set(client: &Client, name: &str, profile: &Value) -> Answer {
    client.send(client.request(Method::PUT, &format!("/api/profiles/{name}")).json(profile)).await
}

async fn add_carol(admin: &Client) -> Client {
    let made = admin.post("/api/users", &json!({ "username": "carol", "password": "correct horse" })).await;
    assert_eq!(made.status, 201, "{}", made.text);
    admin.login("carol", "correct horse").await
}

/// A server whose settings file defines the profile `fixed`.
async fn server() -> Server {
    let setup = Setup::new();
    let settings = setup.directory().join("settings.toml");
    let text = "[profiles.fixed]\nagent_type = \"demo\"\npermission_mode = \"read_only\"\ntimeout_secs = 60\n\
                [[profiles.fixed.mcp_servers]]\nname = \"files\"\ncommand = \"mcp\"\nenv = { TOKEN = \"fixed-secret\" }\n";
    std::fs::write(&settings, text).expect("a file");
    std::fs::set_permissions(&settings, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("a file of this test");
    setup.env("OPENRUNNER_CONFIG", settings.display()).start().await
}

#[test]
fn a_run_has_what_its_profile_sets_and_may_narrow_it() {
    live(async {
        let server = Server::start().await;
        let (admin, user) = (server.client("admin").await, server.client("user").await);
        let profile = json!({
            "description": "asks, quickly", "agent_type": "demo", "permission_mode": "ask", "timeout_secs": 60,
            "permission_rules": [{ "tool": "announce", "decision": "deny" }],
        });
        let created = set(&admin, "careful", &profile).await;
        assert_eq!((created.status, created.header("location")), (201, "/api/profiles/careful"));
        assert_eq!(set(&admin, "careful", &profile).await.status, 200);
        let id = user.create("fast ask", json!({ "profile": "careful" })).await;
        let run = user.end_of(&id).await;
        assert_eq!((&run["profile"], &run["agent_type"], &run["permission_mode"]), (&json!("careful"), &json!("demo"), &json!("ask")));
        assert_eq!((&run["timeout_secs"], &run["permission_rules"]), (&json!(60), &profile["permission_rules"]));
        assert!(run["result"].as_str().unwrap().contains("not allowed"), "the rule of the profile is in force: {run}");
        let narrower = json!({ "profile": "careful", "permission_mode": "read_only", "timeout_secs": 30, "labels": { "a": "b" } });
        let run = user.end_of(&user.create("fast plan", narrower).await).await;
        assert_eq!((&run["permission_mode"], &run["timeout_secs"]), (&json!("read_only"), &json!(30)));
        // A later change has no effect on the run.
        assert_eq!(set(&admin, "careful", &json!({ "agent_type": "demo" })).await.status, 200);
        assert_eq!(user.run(&id).await["permission_mode"], "ask");
    });
}

#[test]
fn a_run_that_asks_for_more_than_its_profile_is_refused_with_both_values() {
    live(async {
        let server = Server::start().await;
        let (admin, user) = (server.client("admin").await, server.client("user").await);
        let profile = json!({ "agent_type": "demo", "permission_mode": "ask", "timeout_secs": 60 });
        set(&admin, "careful", &profile).await;
        for (field, value, both) in [
            ("agent_type", json!("claude_code"), ["demo", "claude_code"]),
            ("permission_mode", json!("auto"), ["ask", "auto"]),
            ("timeout_secs", json!(61), ["60", "61"]),
            ("permission_rules", json!([{ "decision": "allow" }]), ["ask", "allow"]),
        ] {
            // Admins, too: what a profile sets is predictable.
            for client in [&user, &admin] {
                let mut metadata = json!({ "profile": "careful" });
                metadata[field] = value.clone();
                let refused = client.ask("fast plan", metadata).await;
                assert_eq!(refused.problem(422, "profile_conflict"), format!("metadata.{field}"));
                let detail = refused.body["errors"][0]["detail"].as_str().unwrap();
                assert!(both.iter().all(|value| detail.contains(value)), "{detail}");
            }
        }
        assert_eq!(user.ask("x", json!({ "profile": "missing" })).await.problem(422, "unknown_profile"), "metadata.profile");
        assert_eq!(user.get("/api/runs").await.body["items"], json!([]), "no run was created");
    });
}

#[test]
fn profiles_are_listed_without_secrets_to_the_users_who_may_use_them() {
    live(async {
        let server = server().await;
        let (admin, user) = (server.client("admin").await, server.client("user").await);
        let secret =
            json!({ "mcp_servers": [{ "name": "files", "command": "mcp", "env": { "TOKEN": "stored-secret" } }], "users": ["carol"] });
        add_carol(&admin).await;
        assert_eq!(set(&admin, "for-carol", &secret).await.status, 201);
        let names = |answer: &Answer| {
            let items = answer.body["items"].as_array().unwrap();
            items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let (all, own) = (admin.get("/api/profiles").await, user.get("/api/profiles").await);
        assert_eq!((names(&all), names(&own)), (vec!["fixed".to_owned(), "for-carol".to_owned()], vec!["fixed".to_owned()]));
        assert_eq!((&own.body["items"][0]["source"], &own.body["items"][0]["mcp_servers"]), (&json!("settings"), &json!(["files"])));
        assert_eq!(all.body["items"][1]["users"], json!(["carol"]));
        let shown = admin.get("/api/settings").await;
        for answer in [all, own, admin.get("/api/profiles/for-carol").await, shown] {
            assert!(!answer.text.contains("-secret"), "{}", answer.text);
        }
        user.get("/api/profiles/for-carol").await.problem(404, "not_found");
        assert_eq!(user.ask("x", json!({ "profile": "for-carol" })).await.problem(422, "unknown_profile"), "metadata.profile");
        assert!(!server.log().contains("-secret"));
    });
}

#[test]
fn a_profile_that_is_read_can_be_written_back_and_keeps_its_servers_and_users() {
    live(async {
        let server = Server::start().await;
        let admin = server.client("admin").await;
        let carol = add_carol(&admin).await;
        let files = json!({ "name": "files", "command": "/bin/true", "env": { "TOKEN": "stored-secret" } });
        let profile = json!({ "agent_type": "claude_code", "mcp_servers": [files], "users": ["carol"] });
        assert_eq!(set(&admin, "tools", &profile).await.status, 201);
        let mut read = admin.get("/api/profiles/tools").await.body;
        assert_eq!((&read["mcp_servers"], &read["users"]), (&json!(["files"]), &json!(["carol"])));
        read["timeout_secs"] = json!(60);
        let written = set(&admin, "tools", &read).await;
        assert_eq!((written.status, &written.body["timeout_secs"]), (200, &json!(60)), "{}", written.text);
        let id = carol.create("say stored-secret\nresult done", json!({ "profile": "tools" })).await;
        let run = carol.end_of(&id).await;
        assert_eq!((&run["mcp_servers"], &run["timeout_secs"]), (&json!(["files"]), &json!(60)));
        assert_eq!(carol.said(&id).await, ["[masked]"], "the value of the server's variable was kept");

        let other = json!({ "mcp_servers": ["files", "missing"] });
        assert_eq!(set(&admin, "tools", &other).await.problem(422, "invalid_field"), "mcp_servers[1]");
        assert_eq!(set(&admin, "new", &json!({ "mcp_servers": ["files"] })).await.problem(422, "invalid_field"), "mcp_servers[0]");
        assert_eq!(set(&admin, "new", &read).await.problem(422, "invalid_field"), "name");
        assert_eq!(set(&admin, "tools", &json!({ "users": ["carol", "dave"] })).await.problem(422, "invalid_field"), "users[1]");
        admin.get("/api/profiles/new").await.problem(404, "not_found");
        assert_eq!(admin.get("/api/profiles/tools").await.body["users"], json!(["carol"]), "a refused request changes nothing");
    });
}

#[test]
fn a_user_who_is_created_under_a_removed_name_does_not_get_the_profile() {
    live(async {
        let server = Server::start().await;
        let admin = server.client("admin").await;
        let carol = add_carol(&admin).await;
        assert_eq!(set(&admin, "hers", &json!({ "agent_type": "demo", "users": ["carol"] })).await.status, 201);
        assert_eq!(carol.get("/api/profiles/hers").await.status, 200);
        assert_eq!(admin.delete("/api/users/carol").await.status, 204);
        let new = add_carol(&admin).await;
        for attempt in ["before", "after"] {
            new.get("/api/profiles/hers").await.problem(404, "not_found");
            assert_eq!(new.ask("x", json!({ "profile": "hers" })).await.problem(422, "unknown_profile"), "metadata.profile", "{attempt}");
            let read = admin.get("/api/profiles/hers").await.body;
            assert!(read["users"][0].as_str().unwrap().starts_with("usr_") && read["users"].as_array().unwrap().len() == 1, "{read}");
            assert_eq!(set(&admin, "hers", &read).await.status, 200, "the profile stays restricted when it is written back");
        }
        assert_eq!(set(&admin, "hers", &json!({ "agent_type": "demo", "users": ["carol"] })).await.status, 200);
        assert_eq!(new.get("/api/profiles/hers").await.status, 200, "an admin can name the new user");
    });
}

#[test]
fn runs_that_name_no_profile_get_that_of_their_api_key_or_of_the_server() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_DEFAULT_PROFILE", "base").start().await;
        let admin = server.client("admin").await;
        let carol = add_carol(&admin).await;
        assert_eq!(carol.ask("fast plan", json!({})).await.problem(422, "unknown_profile"), "metadata.profile", "there is none yet");
        for (name, timeout) in [("base", 50), ("of-key", 60), ("named", 70)] {
            set(&admin, name, &json!({ "agent_type": "demo", "timeout_secs": timeout })).await;
        }
        set(&admin, "hidden", &json!({ "users": ["admin"] })).await;
        let key = json!({ "name": "ci", "scopes": ["runs:read", "runs:write"], "default_profile": "hidden" });
        assert_eq!(carol.post("/api/keys", &key).await.problem(422, "unknown_profile"), "default_profile");
        let key = json!({ "name": "ci", "scopes": ["runs:read", "runs:write"], "default_profile": "of-key" });
        let made = carol.post("/api/keys", &key).await;
        assert_eq!((made.status, &made.body["default_profile"]), (201, &json!("of-key")), "{}", made.text);
        assert_eq!(carol.get("/api/keys").await.body["items"][0]["default_profile"], "of-key");
        let program = carol.with_token(made.body["key"].as_str().unwrap());

        for (client, metadata, profile, timeout) in
            [(&carol, json!({}), "base", 50), (&program, json!({}), "of-key", 60), (&program, json!({ "profile": "named" }), "named", 70)]
        {
            let run = client.end_of(&client.create("fast plan", metadata).await).await;
            assert_eq!((&run["profile"], &run["timeout_secs"]), (&json!(profile), &json!(timeout)));
        }
        let chat = async |client: &Client, header: Option<&str>, body: Value| {
            let request = client.request(Method::POST, "/api/chat").json(&body);
            client.send(if let Some(profile) = header { request.header("openrunner-profile", profile) } else { request }).await
        };
        for (header, body, profile) in [
            (None, json!({ "message": "fast plan" }), "of-key"),
            (Some("named"), json!({ "message": "fast plan" }), "named"),
            (None, json!({ "message": "fast plan", "profile": "base" }), "base"),
        ] {
            let answer = chat(&program, header, body).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            assert_eq!(program.run(answer.body["run_id"].as_str().unwrap()).await["profile"], profile);
        }
        let both = chat(&program, Some("named"), json!({ "message": "x", "profile": "base" })).await;
        assert_eq!(both.problem(422, "invalid_field"), "OpenRunner-Profile");
        assert_eq!(chat(&program, Some("a b"), json!({ "message": "x" })).await.problem(422, "invalid_field"), "OpenRunner-Profile");
        assert_eq!(chat(&program, Some("hidden"), json!({ "message": "x" })).await.problem(422, "unknown_profile"), "profile");
        let body = json!({ "model": "demo", "messages": [{ "role": "user", "content": "fast plan" }] });
        let completed = program.post("/v1/chat/completions", &body).await;
        assert_eq!(program.run(completed.header("x-openrunner-run-id")).await["profile"], "of-key");
        // Without its profile the key creates no run with more rights.
        assert_eq!(admin.delete("/api/profiles/of-key").await.status, 204);
        assert_eq!(program.ask("x", json!({})).await.problem(422, "unknown_profile"), "metadata.profile");
    });
}

#[test]
fn a_profile_of_the_settings_file_is_read_only_and_wins() {
    live(async {
        let server = server().await;
        let admin = server.client("admin").await;
        set(&admin, "fixed", &json!({ "permission_mode": "auto" })).await.problem(409, "profile_read_only");
        admin.delete("/api/profiles/fixed").await.problem(409, "profile_read_only");
        let fixed = admin.get("/api/profiles/fixed").await.body;
        assert_eq!((&fixed["permission_mode"], &fixed["timeout_secs"]), (&json!("read_only"), &json!(60)));
        // The demo agent takes no MCP servers, which the run is refused for.
        assert_eq!(admin.ask("fast plan", json!({ "profile": "fixed" })).await.problem(422, "invalid_field"), "metadata.mcp_servers");
    });
}

#[test]
fn a_server_does_not_start_with_an_invalid_profile_and_names_its_field() {
    live(async {
        for (line, named) in [
            ("timeout_secs = 0", "profiles.odd.timeout_secs"),
            ("model = \"-x\"", "profiles.odd.model"),
            ("instructions = \" \"", "profiles.odd.instructions"),
            ("permission_rules = [{ path = \"[\", decision = \"deny\" }]", "profiles.odd.permission_rules[0].path"),
            ("mcp_servers = [{ name = \"a b\", command = \"x\" }]", "profiles.odd.mcp_servers[0]"),
            ("modle = \"x\"", "modle"),
        ] {
            let setup = Setup::new();
            let settings = setup.directory().join("settings.toml");
            std::fs::write(&settings, format!("[profiles.odd]\n{line}\n")).unwrap();
            let (status, log) = setup.env("OPENRUNNER_CONFIG", settings.display()).fails_to_start().await;
            assert!(!status.success() && log.contains(named), "{line}: {log}");
        }
    });
}

#[test]
fn users_get_the_mcp_servers_of_a_profile_but_may_add_none() {
    live(async {
        let server = Server::start().await;
        let (admin, user) = (server.client("admin").await, server.client("user").await);
        let server_of = |name: &str| json!({ "name": name, "command": "/bin/true", "env": { "TOKEN": "masked-value" } });
        set(&admin, "tools", &json!({ "agent_type": "claude_code", "mcp_servers": [server_of("files")] })).await;
        let id = user.create("say masked-value\nresult done", json!({ "profile": "tools" })).await;
        let run = user.end_of(&id).await;
        assert_eq!((&run["mcp_servers"], &run["widened"], &run["status"]), (&json!(["files"]), &json!([]), &json!("completed")));
        assert_eq!(user.said(&id).await, ["[masked]"], "values of a profile are masked like those of a run");
        let more = json!({ "profile": "tools", "mcp_servers": [server_of("mine")] });
        assert_eq!(user.ask("result x", more.clone()).await.problem(403, "admin_only"), "metadata.mcp_servers");
        let run = admin.end_of(&admin.create("result done", more).await).await;
        assert_eq!((&run["mcp_servers"], &run["widened"]), (&json!(["files", "mine"]), &json!(["mcp_servers"])));
    });
}

#[test]
fn an_invalid_profile_is_refused_with_every_fault_and_changes_are_audited() {
    live(async {
        let server = Server::start().await;
        let (admin, user) = (server.client("admin").await, server.client("user").await);
        let invalid = json!({
            "agent_type": "nemo", "model": "-x", "timeout_secs": 0, "mcp_servers": [{ "name": "a b", "command": "x" }],
            "permission_rules": [{ "path": "[", "decision": "deny" }],
        });
        let refused = set(&admin, "broken", &invalid).await;
        let fields: Vec<_> = refused.body["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect();
        assert_eq!(refused.status, 422);
        assert_eq!(fields, ["model", "permission_rules[0].path", "mcp_servers[0]", "timeout_secs", "agent_type"]);
        set(&admin, "broken", &json!({ "modle": "x" })).await.problem(422, "invalid_field");
        set(&user, "mine", &json!({})).await.problem(403, "admin_only");
        set(&admin, "kept", &json!({})).await;
        assert_eq!(admin.delete("/api/profiles/kept").await.status, 204);
        admin.delete("/api/profiles/kept").await.problem(404, "not_found");
        let audit = admin.get("/api/audit?limit=9").await.body;
        let entries = audit["items"].as_array().unwrap().iter().filter(|entry| entry["action"].as_str().unwrap().starts_with("profile."));
        let entries: Vec<_> =
            entries.map(|entry| [&entry["action"], &entry["outcome"], &entry["detail"]].map(|text| text.as_str().unwrap())).collect();
        assert!(entries.contains(&["profile.set", "ok", "kept"]) && entries.contains(&["profile.delete", "ok", "kept"]), "{entries:?}");
    });
}

#[test]
fn profiles_are_managed_and_used_in_the_terminal() {
    live(async {
        let server = Server::start().await;
        let file = server.directory().join("profile.json");
        std::fs::write(&file, r#"{"permission_rules":[{"tool":"announce","decision":"deny"}],"description":"of the file"}"#).unwrap();
        let file = file.display().to_string();
        let stored = server.typed(&["profile", "set", "quiet", "--file", &file, "-a", "demo", "-p", "ask", "--timeout", "1m"]).done().await;
        assert!(stored.code == 0 && stored.out.contains("quiet"), "{stored:?}");
        let shown = server.typed(&["profile", "show", "quiet"]).done().await;
        assert!(shown.out.contains("of the file") && shown.out.contains("announce") && shown.out.contains("60"), "{shown:?}");
        let listed = server.typed(&["profile", "ls"]).done().await;
        assert!(listed.out.contains("quiet") && listed.out.contains("demo"), "{listed:?}");
        let run = server.typed(&["run", "fast ask", "--profile", "quiet"]).done().await;
        assert!(run.code == 0 && run.out.contains("not allowed"), "{run:?}");
        let again = server.typed(&["run", "retry", "last"]).done().await;
        assert!(again.code == 0 && again.out.contains("not allowed"), "a repeated run uses the profile again: {again:?}");
        let conflict = server.typed(&["run", "x", "--profile", "quiet", "-p", "auto"]).done().await;
        assert!(conflict.code == 2 && conflict.err.contains("--permission-mode: profile quiet sets"), "{conflict:?}");
        let removed = server.typed(&["profile", "rm", "quiet"]).done().await;
        assert!(removed.code == 0 && removed.out.contains("quiet"), "{removed:?}");
        assert_eq!(server.typed(&["profile", "show", "quiet"]).done().await.code, 5);
    });
}
