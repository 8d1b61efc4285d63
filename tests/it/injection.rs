//! Prompts, models and arguments that try to become flags, and secrets of the server, for every agent program.
//!
//! Each agent is a script that records how it was started and fails. The start of the scripted agent, which replaces `claude` in other
//! tests, is covered by `agent_start`.
//!
//! Rules: S1, S2, S3, S4, S7.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::support::{Client, Server, Setup, live};

/// A program that writes its arguments, one per line, and its environment into files of its name in the home directory. It answers probes with this version and
/// with the help text that its adapter expects.
fn witness(path: &Path, version: &str) {
    let script = format!(
        "#!/bin/sh\n\
        if [ -z \"$ORN_RUN\" ]; then case \"$1\" in --help) echo 'opencode acp';; *) echo '{version}';; esac; exit 0; fi\n\
        env > \"$HOME/${{0##*/}}.env\"\n\
        for element in \"$@\"; do printf '%s\\n' \"$element\"; done > \"$HOME/${{0##*/}}.argv\"\n\
        exit 1\n"
    );
    std::fs::write(path, script).expect("a directory for agents");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("the test owns it");
}

/// A server full of secrets whose agents are such programs, driven in `mode`.
async fn server(mode: &str) -> Server {
    let setup = Setup::new();
    let bin = setup.directory().join("agents/bin");
    std::fs::remove_file(bin.join("claude")).expect("the scripted agent");
    for (name, version) in [("claude", "9.9.9 (Claude Code)"), ("codex", "codex-cli 9.9.9"), ("opencode", "1.99.9"), ("own", "")] {
        witness(&bin.join(name), version);
    }
    let settings = setup.directory().join("settings.toml");
    let modes: String = ["claude_code", "codex", "opencode"].map(|agent| format!("[agents.{agent}]\nmode = \"{mode}\"\n")).concat();
    let own = "[agents.own]\nprotocol = \"text\"\ncommand = [\"own\", \"--fixed\"]\nmodel_args = [\"--model={model}\"]\n";
    std::fs::write(&settings, modes + own).expect("a directory");
    let canaries = ["OPENRUNNER_JWT_SECRET", "OPENRUNNER_TOKEN", "DATABASE_URL", "PGPASSWORD", "NATS_URL", "MY_SECRET", "LD_PRELOAD_X"];
    let setup = canaries.iter().fold(setup, |setup, name| setup.env(name, "canary-canary-canary-canary-canary"));
    setup.env("OPENRUNNER_CONFIG", settings.display()).start().await
}

/// How the agent was started in a run with this prompt and model: its arguments, and its environment as text.
async fn started(server: &Server, user: &Client, agent: &str, prompt: &str, model: Option<&str>) -> (Vec<String>, String) {
    let id = user.create(prompt, json!({ "agent_type": agent, "model": model })).await;
    let end = user.end_of(&id).await;
    let written = written_by(server, agent);
    let read = |what: &str| std::fs::read_to_string(written.with_extension(what)).unwrap_or_else(|error| panic!("{agent} {error}: {end}"));
    let (argv, env) = (read("argv"), read("env"));
    assert!(env.contains(&format!("ORN_RUN={id}")), "this is what an earlier run was started with");
    // A fresh workspace is named after its run.
    (argv.lines().map(|line| line.replace(&id, "RUN")).collect(), env)
}

/// Path of what the program writes, without an extension.
fn written_by(server: &Server, agent: &str) -> PathBuf {
    server.home().join(agent.split('_').next().unwrap_or(agent))
}

/// Every agent in each of its modes.
const WAYS: [(&str, &[&str]); 2] =
    [("two_way", &["claude_code", "codex", "opencode", "own"]), ("one_shot", &["claude_code", "codex", "opencode"])];

#[test]
fn no_prompt_is_an_argument_of_any_agent() {
    live(async {
        for (mode, agents) in WAYS {
            let server = server(mode).await;
            let (user, made) = (server.client("user").await, server.directory().join("made"));
            let prompts = [
                "--dangerously-skip-permissions".to_owned(),
                "-sdanger-full-access\n--settings={}".to_owned(),
                format!("$(touch {0}) `touch {0}`; touch {0}", made.display()),
            ];
            for agent in agents {
                let (plain, _env) = started(&server, &user, agent, "hello", None).await;
                for prompt in &prompts {
                    let (argv, _env) = started(&server, &user, agent, prompt, None).await;
                    assert_eq!(argv, plain, "{mode} {agent}: what is asked changes nothing in how the program is started");
                }
            }
            assert!(!made.exists(), "a shell has read a prompt");
        }
    });
}

#[test]
fn no_model_is_a_flag_of_any_agent() {
    live(async {
        for (mode, agents) in WAYS {
            let server = server(mode).await;
            let user = server.client("user").await;
            for agent in agents {
                for model in ["--dangerously-bypass-approvals-and-sandbox", "-sdanger-full-access", "a b", "a\n--yolo", "$(id)", ""] {
                    let refused = user.ask("x", json!({ "agent_type": agent, "model": model })).await;
                    assert_eq!(refused.problem(422, "invalid_field"), "metadata.model", "{agent} {model:?}");
                }
                let model = "provider/some-model:v1";
                let (argv, _env) = started(&server, &user, agent, "hello", Some(model)).await;
                // In a protocol it is a field, not an argument.
                let named: Vec<&String> = argv.iter().filter(|element| element.contains(model)).collect();
                assert!(named.iter().all(|element| **element == format!("--model={model}")), "{mode} {agent}: {argv:?}");
            }
        }
    });
}

#[test]
fn arguments_are_classified_by_the_table_of_each_agent() {
    live(async {
        let ours = [
            ("two_way", "claude_code", "--output-format=text", "--settings=/tmp/x"),
            ("two_way", "codex", "--listen=ws://0.0.0.0:1", "-csandbox_mode=danger-full-access"),
            ("two_way", "opencode", "--cwd=/", "--cors=*"),
            ("two_way", "own", "stray", "--anything"),
            ("one_shot", "claude_code", "--resume=x", "--dangerously-skip-permissions"),
            ("one_shot", "codex", "--sandbox=danger-full-access", "--dangerously-bypass-approvals-and-sandbox"),
            ("one_shot", "opencode", "--prompt=x", "--command=deploy"),
        ];
        for mode in ["two_way", "one_shot"] {
            let server = server(mode).await;
            let (user, admin) = (server.client("user").await, server.client("admin").await);
            for (_, agent, reserved, widening) in ours.iter().filter(|(of, ..)| *of == mode) {
                let metadata = |argument: &str| json!({ "agent_type": agent, "extra_args": [argument] });
                for client in [&user, &admin] {
                    assert_eq!(client.ask("x", metadata(reserved)).await.problem(400, "bad_argument"), "metadata.extra_args", "{agent}");
                }
                assert_eq!(user.ask("x", metadata(widening)).await.problem(403, "admin_only"), "metadata.extra_args", "{agent}");
                let id = admin.create("x", metadata(widening)).await;
                let run = admin.end_of(&id).await;
                assert_eq!(run["widened"].as_array().map(Vec::len), Some(1), "{agent}: what was widened is written down: {run}");
                let argv = std::fs::read_to_string(written_by(&server, agent).with_extension("argv")).unwrap();
                assert_eq!(argv.lines().filter(|element| element == widening).count(), 1, "{agent}: as one element: {argv}");
            }
        }
    });
}

#[test]
fn no_agent_is_given_a_secret_of_the_server() {
    live(async {
        for (mode, agents) in WAYS {
            let server = server(mode).await;
            let user = server.client("user").await;
            for agent in agents {
                let (_argv, env) = started(&server, &user, agent, "hello", None).await;
                assert!(env.contains("\nHOME=") || env.starts_with("HOME="), "{env}");
                assert!(!env.contains("canary") && !env.contains("OPENRUNNER_"), "{mode} {agent}: {env}");
            }
        }
    });
}
