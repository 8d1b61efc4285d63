//! Which level a run gets, and what works the same at every level.
//!
//! Rules: G2, G3, K1, K3.

use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

use super::{is_isolated, plain};
use crate::support::{Client, Server, Setup, assert_dense, carrying, last, live, notice, of, shim_of};

const LEVELS: [&str; 4] = ["none", "files", "guard", "sandbox"];

/// A server whose runs are at `level`. `None` if this machine cannot hold it, except as root with CI=true.
async fn server_at(level: &str) -> Option<Server> {
    let setup = Setup::new().env("OPENRUNNER_ISOLATION", level);
    // It does not hold root.
    let setup = if level == "files" && rustix::process::geteuid().is_root() { plain(setup)? } else { setup };
    let server = setup.start().await;
    (level == "none" || is_isolated(&server)).then_some(server)
}

async fn level_of(client: &Client, id: &str) -> Value {
    of(&client.follow(id).await.rest().await, "run_started")[0]["isolation"].clone()
}

#[test]
fn an_agent_survives_its_server_at_every_level_and_the_stream_stays_the_same() {
    live(async {
        for level in LEVELS {
            let Some(mut server) = server_at(level).await else { continue };
            let go = server.directory().join("go");
            let user = server.client("user").await;
            let id = user.script(&format!("say before\nwait {}\nsay after\nresult done", go.display())).await;
            let before = user.follow(&id).await.until_text("before").await;
            let agents = carrying(&id);
            for _ in 0..2 {
                server = server.killed_and_started_again().await;
                assert_eq!(carrying(&id), agents, "{level}: the agent is the same process");
            }
            std::fs::write(go, "").unwrap();
            let user = server.client("user").await;
            let frames = user.follow(&id).await.rest().await;
            assert_dense(&frames);
            assert_eq!(last(&frames)["status"], "completed", "{level}");
            assert!(before.iter().zip(&frames).all(|(live, replayed)| live.bytes == replayed.bytes), "{level}");
            assert_eq!(of(&frames, "run_started")[0]["isolation"]["level"], level);
            assert_eq!(carrying(&id), [0; 0], "{level}");
        }
    });
}

#[test]
fn a_cancelled_run_and_one_over_its_time_limit_leave_no_process_at_any_level() {
    live(async {
        let script = "children 2 session orphan clear-env ignore-term\nignore-term\nsay up\nhang";
        for level in LEVELS {
            let Some(server) = server_at(level).await else { continue };
            let user = server.client("user").await;
            let cancelled = user.script(script).await;
            user.follow(&cancelled).await.until_text("up").await;
            user.cancel(&cancelled).await;
            assert_eq!(last(&user.follow(&cancelled).await.rest().await)["status"], "cancelled", "{level}");
            let late = user.create(script, json!({ "agent_type": "claude_code", "timeout_secs": 2 })).await;
            assert_eq!(last(&user.follow(&late).await.rest().await)["status"], "timed_out", "{level}");
            for id in [cancelled, late] {
                assert_eq!(carrying(&id), [0; 0], "{level}");
            }
        }
    });
}

#[test]
fn the_demo_agent_writes_asks_and_remembers_at_every_level() {
    live(async {
        for level in LEVELS {
            let Some(server) = server_at(level).await else { continue };
            let user = server.client("user").await;
            let with = |session: &Value| json!({ "agent_type": "demo", "session_id": session });
            let first = user.create("fast create plum.txt, image, run, ask and background", json!({ "agent_type": "demo" })).await;
            let frames = user.follow(&first).await.rest().await;
            assert_eq!(
                (last(&frames)["status"].as_str(), &of(&frames, "run_started")[0]["isolation"]["level"]),
                (Some("completed"), &json!(level))
            );
            assert!(of(&frames, "tool_result").iter().all(|result| result["status"] == "ok"), "{level}: {frames:?}");
            assert!(notice(&frames, "agent_warning").is_none(), "{level}: {frames:?}");
            let next = user.create("what did you write? fast", with(&user.run(&first).await["session_id"])).await;
            let end = user.end_of(&next).await;
            assert!(end["result"].as_str().unwrap().contains("- plum.txt"), "{level}: {end}");
        }
    });
}

#[test]
fn an_agent_ends_with_its_shim_at_every_level() {
    live(async {
        for level in LEVELS {
            let Some(server) = server_at(level).await else { continue };
            let user = server.client("user").await;
            let id = user.script("say up\nhang").await;
            user.follow(&id).await.until_text("up").await;
            kill_process(shim_of(&id), Signal::KILL).unwrap();
            let frames = user.follow(&id).await.rest().await;
            assert_eq!(last(&frames)["cause"], "node_lost", "{level}");
            assert_eq!(carrying(&id), [0; 0], "{level}");
        }
    });
}

#[test]
fn the_levels_hold_where_the_session_of_the_server_began_outside_of_its_pid_namespace() {
    live(async {
        if !is_isolated(&Server::start().await) {
            return;
        }
        // As in a container whose first process was started in a session of the host. The system calls this session 0 inside.
        let root = if rustix::process::geteuid().is_root() { "" } else { "--user --map-root-user" };
        let unshare = format!("unshare {root} --pid --fork --kill-child --mount --mount-proc");
        let server = Setup::new().after_shell(&format!("[ $$ = 1 ] || exec {unshare} \"$0\"")).start().await;
        let user = server.client("user").await;
        for level in ["guard", "sandbox"] {
            let id = user.create("result x", json!({ "agent_type": "claude_code", "isolation": level })).await;
            let frames = user.follow(&id).await.rest().await;
            assert_eq!(last(&frames)["status"], "completed", "{level}: {}", server.log());
            assert_eq!(of(&frames, "run_started")[0]["isolation"]["level"], level);
        }
    });
}

#[test]
fn a_level_that_cannot_be_held_is_refused_and_the_default_says_so() {
    live(async {
        // Without bubblewrap on the PATH.
        let without = || Setup::new().env("PATH", "/nowhere");
        let server = without().start().await;
        assert!(server.log().contains("bubblewrap (bwrap) is not installed"), "{}", server.log());
        let (admin, user) = (server.client("admin").await, server.client("user").await);
        for (client, level) in [(&admin, "guard"), (&user, "guard"), (&user, "sandbox")] {
            let refused = client.ask("result x", json!({ "agent_type": "claude_code", "isolation": level })).await;
            assert_eq!(refused.problem(422, "isolation_unavailable"), "metadata.isolation");
            assert!(refused.text.contains("apt install bubblewrap"), "{}", refused.text);
        }
        // The highest level that remains: what Landlock can hold, where the kernel has it.
        let id = user.script("result x").await;
        let frames = user.follow(&id).await.rest().await;
        let isolation = &of(&frames, "run_started")[0]["isolation"];
        let level = isolation["level"].as_str().unwrap();
        assert!(["none", "files"].contains(&level), "{isolation}");
        assert!(isolation["reason"].as_str().unwrap().contains("bubblewrap"), "{isolation}");
        let notice = notice(&frames, "weak_guarantee").expect("the run says that it is hardly isolated");
        let expected = if level == "none" { "not isolated" } else { "files only" };
        assert!(notice["level"] == "warning" && notice["message"].as_str().unwrap().contains(expected), "{notice}");
        for level in ["guard", "sandbox"] {
            let (status, log) = without().env("OPENRUNNER_ISOLATION", format!("require:{level}")).fails_to_start().await;
            assert!(!status.success() && log.contains("OPENRUNNER_ISOLATION") && log.contains("apt install bubblewrap"), "{log}");
        }
    });
}

#[test]
fn only_admins_lower_the_level_and_only_as_far_as_the_operator_allows() {
    live(async {
        let server = Server::start().await;
        if !is_isolated(&server) {
            return;
        }
        let (admin, user) = (server.client("admin").await, server.client("user").await);
        let none = json!({ "agent_type": "claude_code", "isolation": "none" });
        user.ask("result x", none.clone()).await.problem(403, "admin_only");
        let id = admin.create("result x", none).await;
        let frames = admin.follow(&id).await.rest().await;
        assert_eq!(of(&frames, "run_started")[0]["isolation"], json!({ "level": "none", "reason": "the run asked for it" }));
        assert!(notice(&frames, "weak_guarantee").is_some());
        assert_eq!(admin.run(&id).await["isolation"], "none");

        let server = Setup::new().env("OPENRUNNER_ISOLATION", "require:sandbox").start().await;
        let guard = json!({ "agent_type": "claude_code", "isolation": "guard" });
        server.client("admin").await.ask("result x", guard).await.problem(403, "isolation_required");

        let server = Setup::new().env("OPENRUNNER_ISOLATION", "none").start().await;
        let user = server.client("user").await;
        for level in ["guard", "sandbox"] {
            let id = user.script_with("result x", json!({ "isolation": level })).await;
            let frames = user.follow(&id).await.rest().await;
            assert_eq!(of(&frames, "run_started")[0]["isolation"]["level"], level, "a user may ask for more");
            assert!(notice(&frames, "weak_guarantee").is_none());
        }
    });
}

#[test]
fn a_run_reports_why_no_higher_level_is_in_force() {
    live(async {
        for level in LEVELS {
            let Some(server) = server_at(level).await else { continue };
            let user = server.client("user").await;
            let id = user.script("result x").await;
            let isolation = level_of(&user, &id).await;
            let expected = match level {
                "sandbox" => json!({ "level": level }),
                _ => json!({ "level": level, "reason": format!("OPENRUNNER_ISOLATION is {level}") }),
            };
            assert_eq!(isolation, expected);
        }
    });
}

#[test]
fn doctor_tries_every_level() {
    live(async {
        let server = Server::start().await;
        let data = server.data().display().to_string();
        let findings = |printed: &str| -> Vec<Value> {
            let report: Value = serde_json::from_str(printed).expect("JSON");
            report["checks"].as_array().unwrap().iter().filter(|check| check["check"] == "isolation").cloned().collect()
        };
        let message = |finding: &Value| finding["message"].as_str().unwrap().to_owned();
        let without = server.typed(&["doctor", "--json", "--data-dir", &data]).env("PATH", "/nowhere").done().await;
        let found = findings(&without.out);
        let guard = found.iter().find(|finding| message(finding).starts_with("guard")).expect("a finding about guard");
        assert!(guard["level"] == "warning" && guard["hint"].as_str().unwrap().contains("apt install bubblewrap"), "{guard}");
        let with = server.typed(&["doctor", "--json", "--data-dir", &data]).done().await;
        let found = findings(&with.out);
        for level in &LEVELS[1..] {
            assert!(found.iter().any(|finding| message(finding).starts_with(level)), "{level} was not tried: {}", with.out);
        }
        if is_isolated(&server) {
            assert!(found.iter().all(|finding| finding["level"] == "ok"), "{}", with.out);
            for level in ["guard", "sandbox"] {
                assert!(found.iter().any(|finding| message(finding).starts_with(&format!("{level} works"))), "{}", with.out);
            }
        }
    });
}

#[test]
fn doctor_names_the_keys_that_stay_inside_a_sandbox() {
    live(async {
        let server = Server::start().await;
        let data = server.data().display().to_string();
        let path = format!("{}:/usr/bin:/bin", server.directory().join("agents/bin").display());
        for (variable, is_named) in [("AWS_SECRET_ACCESS_KEY", true), ("ANTHROPIC_API_KEY", false)] {
            let doctor = server.typed(&["doctor", "--json", "--data-dir", &data]).env("PATH", &path);
            let printed = doctor.env("OPENRUNNER_ISOLATION", "sandbox").env(variable, "x").done().await;
            let expected = format!("claude_code: {variable}");
            assert_eq!(printed.out.contains(&expected), is_named, "{}", printed.out);
        }
    });
}

/// A configured agent whose files lie in `/tmp`.
const STUB: &str = r#"
import sys
print("read", open(sys.argv[1]).read())
"#;

#[test]
fn files_that_a_configured_command_names_are_visible_at_every_level() {
    live(async {
        for level in LEVELS {
            let setup = Setup::new().env("OPENRUNNER_ISOLATION", level).env("OPENRUNNER_AGENT_PATHS", "");
            let directory = setup.directory().to_owned();
            std::fs::create_dir(directory.join("stubs")).unwrap();
            let (stub, data) = (directory.join("stubs/agent.py"), directory.join("stubs/data"));
            std::fs::write(&stub, STUB).unwrap();
            std::fs::write(&data, "its data").unwrap();
            let command = format!("[\"python3\", \"{}\", \"{}\"]", stub.display(), data.display());
            let settings = format!("[agents.named]\nprotocol = \"text\"\ncommand = {command}\n");
            std::fs::write(directory.join("settings.toml"), settings).unwrap();
            let setup = setup.env("OPENRUNNER_CONFIG", directory.join("settings.toml").display());
            let setup = if level == "files" && rustix::process::geteuid().is_root() { plain(setup) } else { Some(setup) };
            let Some(setup) = setup else { continue };
            let server = setup.start().await;
            if level != "none" && !is_isolated(&server) {
                continue;
            }
            let user = server.client("user").await;
            let id = user.create("go", json!({ "agent_type": "named" })).await;
            let end = user.end_of(&id).await;
            assert_eq!(end["status"], "completed", "{level}: {end}");
            assert!(end["result"].as_str().unwrap().contains("its data"), "{level}: {end}");
        }
    });
}
