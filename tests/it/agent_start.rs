//! What an agent gets at its start, and what it never gets.
//!
//! Rules: K1, S2, S3, S4, S7, S8.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::support::{Server, Setup, carrying, live};

#[test]
fn an_agent_leads_its_own_session_and_process_group() {
    live(async {
        for isolation in ["none", "guard"] {
            let server = Setup::new().env("OPENRUNNER_ISOLATION", isolation).start().await;
            let user = server.client("user").await;
            let ids = &user.reports(&["ids"], json!({})).await[0];
            assert_eq!((&ids["sid"], &ids["pgid"]), (&ids["pid"], &ids["pid"]), "{isolation}");
            // Its parent is the shim, neither the server nor init, unless it has a namespace of its own.
            let has_init = ids["ppid"] == json!(1);
            assert!(ids["ppid"] != json!(server.pid()) && has_init == (isolation == "guard" && server.isolates()), "{ids}");
        }
    });
}

#[test]
fn an_agent_inherits_three_pipes_and_nothing_else() {
    live(async {
        // The server itself inherited two unknown descriptors.
        let server = Setup::new().after_shell("exec 7</etc/hostname 8>/dev/null").start().await;
        let user = server.client("user").await;
        let fds = user.reports(&["fds"], json!({})).await.remove(0);
        let open: Vec<(&str, &str)> =
            fds.as_object().unwrap().iter().map(|(number, target)| (number.as_str(), target.as_str().unwrap())).collect();
        assert_eq!(open.iter().map(|(number, _)| *number).collect::<Vec<_>>(), ["0", "1", "2"], "{open:?}");
        assert!(open.iter().all(|(_, target)| target.starts_with("pipe:")), "{open:?}");
    });
}

#[cfg(target_os = "linux")]
#[test]
fn another_process_of_the_same_account_cannot_read_the_server() {
    live(async {
        // Root may read everything because of its capabilities, not because of its account: drop them.
        let is_root = rustix::process::geteuid().is_root();
        let wrapper = if is_root { "exec setpriv --bounding-set=-all --inh-caps=-all --" } else { "exec" };
        let server = Setup::new().after_shell(&format!("{wrapper} \"$0\"")).start().await;
        let user = server.client("user").await;
        let id = user.script("say up\nhang").await;
        user.follow(&id).await.until_text("up").await;
        let reads = |pid: String, file: &str| {
            let script = format!("{wrapper} cat /proc/{pid}/{file}");
            let read = std::process::Command::new("/bin/sh").arg("-c").arg(script).output().expect("a shell");
            read.status.success() && !read.stdout.is_empty()
        };
        let agent = carrying(&id)[0].to_string();
        for file in ["environ", "maps"] {
            assert!(reads(agent.clone(), file), "an agent is open as any process is, else this shows nothing");
            assert!(!reads(server.pid().to_string(), file), "{file} of the server can be read");
        }
        assert!(!reads(server.pid().to_string(), "mem"));
        user.cancel(&id).await;
    });
}

#[test]
fn the_environment_is_built_not_inherited() {
    live(async {
        let canaries = [
            "OPENRUNNER_JWT_SECRET",
            "OPENRUNNER_TOKEN",
            "DATABASE_URL",
            "PGPASSWORD",
            "NATS_URL",
            "MY_SECRET",
            "LD_PRELOAD_X",
            "GITHUB_TOKEN",
        ];
        let setup = canaries.iter().fold(Setup::new(), |setup, name| setup.env(name, "canary-canary-canary-canary-canary"));
        let setup =
            setup.env("LET_IN", "come").env("OPENRUNNER_AGENT_ENV", "LET_IN").env("ANTHROPIC_API_KEY", "a key").env("LC_ALL", "C.UTF-8");
        let server = setup.start().await;
        let user = server.client("user").await;
        let env = user.reports(&["env"], json!({})).await.remove(0);
        let env = env.as_object().unwrap();
        for name in ["HOME", "PATH", "PWD", "TERM", "LC_ALL", "ANTHROPIC_API_KEY", "LET_IN", "ORN_RUN"] {
            assert!(env.contains_key(name), "{name} is missing: {env:?}");
        }
        assert!(!env.values().any(|value| value.as_str().unwrap().contains("canary")), "{env:?}");
        assert!(!env.keys().any(|name| name.starts_with("OPENRUNNER_")), "{env:?}");
    });
}

#[test]
fn the_server_raises_its_descriptor_limit_and_agents_get_the_original_one() {
    live(async {
        let server = Setup::new().after_shell("ulimit -Sn 700; ulimit -Hn 4000").start().await;
        let user = server.client("user").await;
        assert_eq!(user.reports(&["open_files"], json!({})).await, [700]);
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.pid())).unwrap();
        let open_files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
        assert_eq!(open_files.split_whitespace().filter(|word| *word == "4000").count(), 2, "{open_files}");
    });
}

#[test]
fn server_files_are_private_and_agents_get_the_original_umask() {
    live(async {
        let server = Setup::new().after_shell("umask 027").start().await;
        let user = server.client("user").await;
        let umask = user.reports(&["umask"], json!({})).await.remove(0);
        assert_eq!(umask, "0027");
        let mut looked_at = 0;
        let mut directories = vec![server.data()];
        while let Some(directory) = directories.pop() {
            assert_eq!(mode(&directory), 0o700, "{}", directory.display());
            for path in entries(&directory) {
                looked_at += 1;
                if path.is_dir() {
                    directories.push(path);
                } else {
                    assert_eq!(mode(&path), 0o600, "{}", path.display());
                }
            }
        }
        assert!(looked_at >= 5, "the data directory holds database, lock, key and workspaces");
    });
}

#[test]
fn a_prompt_arrives_complete_and_never_as_an_argument() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let said_back = "\nreport prompt\nresult done\n# ";
        let prompts = [
            format!("-sdanger-full-access{said_back}"),
            format!("--settings={{}}{said_back}--dangerously-skip-permissions"),
            format!("# héllo 漢字 😀 \u{202e}right to left\u{202c} \u{7f}\t\"quoted\" 'and' `so` $(on) \\n{said_back}"),
            format!("#{said_back}{}", "long ".repeat(40 * 1024)),
        ];
        for prompt in prompts {
            let id = user.script(&prompt).await;
            assert_eq!(user.end_of(&id).await["status"], "completed");
            assert_eq!(user.said(&id).await, [prompt.as_str()]);
            assert_eq!(user.run(&id).await["prompt"], prompt);
        }
        let id = user.script("# a word to look for: xylophone\nsay up\nhang").await;
        user.follow(&id).await.until_text("up").await;
        let agents = carrying(&id);
        assert_eq!(agents.len(), 1);
        let line = std::fs::read_to_string(format!("/proc/{}/cmdline", agents[0])).unwrap();
        assert!(line.contains("--input-format=stream-json") && !line.contains("xylophone"), "{line}");
        assert_eq!(user.ask("a\0b", json!({ "agent_type": "claude_code" })).await.problem(422, "invalid_field"), "input.text");
    });
}

#[test]
fn a_model_is_one_argument_and_never_a_flag() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let argv = user.reports(&["argv"], json!({ "model": "claude-opus-4-5[1m]" })).await.remove(0);
        assert!(argv.as_array().unwrap().contains(&json!("--model=claude-opus-4-5[1m]")), "{argv}");
        for model in ["--dangerously-skip-permissions", "-m", "a b", "a\nb", "", "$(id)", "ä"] {
            assert_eq!(user.ask("result x", json!({ "model": model })).await.problem(422, "invalid_field"), "metadata.model", "{model}");
        }
    });
}

#[test]
fn extra_args_are_classified_by_role_and_recorded() {
    live(async {
        let server = Server::start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        let plain = ["--max-turns", "3", "--append-system-prompt", "be; brief $(now)"];
        let argv = user.reports(&["argv"], json!({ "extra_args": plain })).await.remove(0);
        assert!(argv.as_array().unwrap().ends_with(&plain.map(|arg| json!(arg))), "{argv}");

        let field = "metadata.extra_args";
        for reserved in [
            json!(["--output-format", "text"]),
            json!(["-p"]),
            json!(["--resume=x"]),
            json!(["--model=x"]),
            json!(["stray"]),
            json!(["--"]),
        ] {
            for client in [&user, &admin] {
                let metadata = json!({ "agent_type": "claude_code", "extra_args": reserved });
                assert_eq!(client.ask("result x", metadata).await.problem(400, "bad_argument"), field, "{reserved}");
            }
        }
        for widening in ["--dangerously-skip-permissions", "--settings=/tmp/x", "--brand-new-flag"] {
            let metadata = json!({ "agent_type": "claude_code", "extra_args": [widening] });
            assert_eq!(user.ask("result x", metadata.clone()).await.problem(403, "admin_only"), field);
            let id = admin.create("result x", metadata).await;
            let run = admin.end_of(&id).await;
            assert_eq!((&run["widened"][0], run["status"].as_str()), (&json!(widening.split('=').next()), Some("completed")));
            assert_eq!(run["extra_args"], json!([widening]));
        }
        let many = json!({ "agent_type": "claude_code", "extra_args": vec!["--brief"; 65] });
        assert_eq!(user.ask("result x", many).await.problem(400, "bad_argument"), field);
        let long = json!({ "agent_type": "claude_code", "extra_args": [format!("--name={}", "x".repeat(8 * 1024))] });
        assert_eq!(user.ask("result x", long).await.problem(400, "bad_argument"), field);
    });
}

#[test]
fn a_model_and_arguments_are_refused_for_an_agent_that_supports_neither() {
    live(async {
        let server = Server::start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        for client in [&user, &admin] {
            let model = client.ask("create x.py", json!({ "agent_type": "demo", "model": "opus" })).await;
            assert_eq!(model.problem(422, "invalid_field"), "metadata.model");
            let args = client.ask("create x.py", json!({ "agent_type": "demo", "extra_args": ["--brief"] })).await;
            assert_eq!(args.problem(400, "bad_argument"), "metadata.extra_args");
            let chat = client.post("/api/chat", &json!({ "message": "create x.py", "model": "demo/opus" })).await;
            assert_eq!(chat.problem(422, "invalid_field"), "model");
            assert_eq!(client.get("/api/runs").await.body["items"], json!([]), "no run was created");
        }
    });
}

#[test]
fn an_agent_that_is_not_installed_says_how_to_install_it() {
    live(async {
        let setup = Setup::new().env("PATH", "/nonexistent").env("OPENRUNNER_AGENTS_DIR", "/nonexistent");
        let server = setup.start().await;
        let user = server.client("user").await;
        for agent in ["claude_code", "codex", "opencode"] {
            let id = user.create("anything", json!({ "agent_type": agent })).await;
            let end = user.end_of(&id).await;
            assert_eq!((&end["status"], &end["cause"]), (&json!("failed"), &json!("not_installed")), "{end}");
            assert!(end["message"].as_str().unwrap().contains("npm install"), "{end}");
        }
    });
}

#[test]
fn an_agent_whose_interpreter_is_missing_says_which_one() {
    live(async {
        let setup = Setup::new();
        let bin = setup.directory().join("agents/bin");
        let programs = [
            ("claude", "#!/usr/bin/env no-such-node"),
            ("codex", "#!/no/such/interpreter"),
            ("qwen", "#!/usr/bin/env no-such-node"),
            ("mine", "#!/no/such/interpreter"),
        ];
        for (program, first_line) in programs {
            let path = bin.join(program);
            let _ = std::fs::remove_file(&path);
            std::fs::write(&path, format!("{first_line}\nconsole.log(\"2.1.330 (Claude Code)\");\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let file = setup.directory().join("settings.toml");
        std::fs::write(&file, "[agents.mine]\nprotocol = \"text\"\ncommand = [\"mine\"]\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let server = setup.env("OPENRUNNER_CONFIG", file.display()).start().await;
        let user = server.client("user").await;
        let agents = [
            ("claude_code", "`no-such-node`"),
            ("codex", "`/no/such/interpreter`"),
            ("qwen", "`no-such-node`"),
            ("mine", "`/no/such/interpreter`"),
        ];
        for (agent, interpreter) in agents {
            let id = user.create("anything", json!({ "agent_type": agent })).await;
            let end = user.end_of(&id).await;
            assert_eq!((&end["status"], &end["cause"]), (&json!("failed"), &json!("not_installed")), "{end}");
            // The program has been inspected by now.
            let agents = user.get("/health/agents").await.body["items"].clone();
            let health = agents.as_array().unwrap().iter().find(|item| item["agent_type"] == agent).unwrap().clone();
            for text in [end["message"].as_str().unwrap(), health["error"].as_str().unwrap()] {
                assert!(text.contains("No such file or directory") && text.contains(interpreter) && text.contains("PATH"), "{text}");
                assert!(!text.contains("npm"), "{text}");
            }
        }
    });
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).permissions().mode() & 0o777
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path()).collect()
}
