//! The command line in pipes, as programs and scripts use it. Rules: W2.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::support::{Client, Server, Setup, ended, live, typed};

/// A run's events as the server sends them, one a line.
async fn log(client: &Client, id: &str) -> Vec<String> {
    let request = client.request(reqwest::Method::GET, &format!("/api/runs/{id}/events")).header("Accept", "application/x-ndjson");
    client.send(request).await.text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn a_run_is_rendered_and_its_outcome_is_the_exit_code() {
    live(async {
        let server = Server::start().await;
        let run = |script: &str| server.typed(&["run", "-", "-a", "claude_code"]).input(script);
        let good = run("say hello there\nresult done").done().await;
        assert_eq!(good.code, 0, "{good:?}");
        assert!(good.out.contains("hello there\n") && good.out.contains("done  completed"), "{good:?}");
        assert!(!good.out.contains('\u{1b}'), "{good:?}");
        // The id, and how to continue, are notes.
        let notes: Vec<&str> = good.err.lines().collect();
        assert!(notes.len() == 2 && notes[0].starts_with("run: run_"), "{good:?}");
        assert!(notes[1].starts_with("continue: openrunner run --session ses_"), "{good:?}");
        let quiet = server.typed(&["run", "-q", "result done", "-a", "claude_code"]).done().await;
        assert_eq!((quiet.code, quiet.err.as_str()), (0, ""), "{quiet:?}");
        assert_eq!(run("error no luck").done().await.code, 1);
        let slow = server.typed(&["run", "say up\nhang", "-a", "claude_code", "--timeout", "1s"]).done().await;
        assert_eq!(slow.code, 124, "{slow:?}");
    });
}

#[test]
fn json_output_is_one_server_event_per_line() {
    live(async {
        let server = Server::start().await;
        let args = ["run", "--json", "--label", "team=web", "-a", "claude_code", "say hello\nresult done"];
        let printed = server.typed(&args).done().await;
        let admin = server.client("admin").await;
        let run = admin.get("/api/runs?label=team%3Dweb").await.body["items"][0].clone();
        assert_eq!(printed.out.lines().collect::<Vec<_>>(), log(&admin, run["run_id"].as_str().unwrap()).await);
        assert_eq!(run["working_dir"], json!(server.home().canonicalize().unwrap()));
    });
}

#[test]
fn options_reach_the_run() {
    live(async {
        let server = Server::start().await;
        let file = server.home().join("prompt.txt");
        fs::write(&file, "report env\nresult done").unwrap();
        let args = ["run", "--file", "prompt.txt", "-a", "claude_code", "-m", "opus", "--timeout", "2m", "--env", "GIVEN", "--json"];
        let printed = server.typed(&args).env("GIVEN", "canary-value").done().await;
        assert_eq!(printed.code, 0, "{printed:?}");
        assert!(printed.out.contains("GIVEN"), "{printed:?}");
        let run = server.typed(&["show", "last", "--json"]).json().await;
        assert_eq!((&run["model"], &run["timeout_secs"], &run["env"]), (&json!("opus"), &json!(120), &json!(["GIVEN"])));
        let missing = server.typed(&["run", "x", "--env", "NOT_THERE"]).done().await;
        assert!(missing.code == 2 && missing.err.contains("NOT_THERE"), "{missing:?}");
    });
}

#[test]
fn a_detached_run_can_be_listed_shown_messaged_and_cancelled() {
    live(async {
        let server = Server::start().await;
        let detached = server.typed(&["run", "-d", "say up\nwait-for-interrupt", "-a", "claude_code"]).done().await;
        let id = detached.out.trim().to_owned();
        assert!(detached.code == 0 && id.starts_with("run_") && id.len() == 36, "{detached:?}");
        server.client("admin").await.follow(&id).await.until_text("up").await;
        let list = server.typed(&["ls", "--agent-type", "claude_code"]).done().await;
        assert!(list.out.starts_with(&format!("{id}\trunning\tclaude_code\t")), "{list:?}");
        assert_eq!(server.typed(&["ls", "--json", "--status", "completed"]).json().await["items"], json!([]));
        // A unique prefix of an id.
        let shown = server.typed(&["show", &id[..20]]).done().await;
        assert!(shown.out.contains(&id) && shown.out.contains("say up\n              wait-for-interrupt"), "{shown:?}");
        let sent = server.typed(&["send", "last", "--interrupt"]).input("say more\nhang").done().await;
        assert_eq!(sent.code, 0, "{sent:?}");
        server.client("admin").await.follow(&id).await.until_text("more").await;
        assert_eq!(server.typed(&["cancel", "last"]).done().await.code, 0);
        let attached = server.typed(&["attach", "last"]).done().await;
        assert_eq!(attached.code, 130, "{attached:?}");
        assert!(attached.out.contains("up\n") && attached.out.contains("more\n"), "{attached:?}");
        let sessions = server.typed(&["session", "ls", "--json"]).json().await;
        assert_eq!(sessions["items"].as_array().unwrap().len(), 1);
    });
}

#[test]
fn logs_print_past_events_and_exit() {
    live(async {
        let server = Server::start().await;
        let admin = server.client("admin").await;
        let id = admin.script("say one\nsay two\nhang").await;
        admin.follow(&id).await.until_text("two").await;
        let logs = server.typed(&["logs", "last"]).done().await;
        assert!(logs.code == 0 && logs.out.contains("one\n") && !logs.out.contains("done"), "{logs:?}");
        admin.cancel(&id).await;
        admin.end_of(&id).await;
        let all = log(&admin, &id).await;
        for (args, expected) in
            [(&["--json"][..], &all[..]), (&["--json", "--tail", "1"], &all[all.len() - 1..]), (&["--json", "--from", "3"], &all[2..])]
        {
            let printed = server.typed(&[&["logs", "last"], args].concat()).done().await;
            assert_eq!(printed.out.lines().collect::<Vec<_>>(), expected, "{args:?}");
        }
    });
}

#[test]
fn a_follower_survives_a_server_crash_and_sees_each_event_once() {
    live(async {
        let mut server = Server::start().await;
        let id = server.client("admin").await.script("say up\nflood 3000\nsay flooded\nhang").await;
        let mut child = server.typed(&["attach", "last", "--json"]).start().await;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = Vec::new();
        // In the middle of the stream.
        while seen.len() < 500 {
            seen.push(lines.next_line().await.unwrap().expect("there is more"));
        }
        let (again, port) = (server.again(), server.port());
        server.signal(Signal::KILL);
        assert_eq!(server.ended().await, -9);
        let server = again.env("OPENRUNNER_ADDR", format!("127.0.0.1:{port}")).start().await;
        let admin = server.client("admin").await;
        admin.cancel(&id).await;
        while let Some(line) = lines.next_line().await.unwrap() {
            seen.push(line);
        }
        let printed = ended(child).await;
        assert_eq!(seen, log(&admin, &id).await);
        assert!(matches!(printed.code, 75 | 130), "{printed:?}");
    });
}

#[test]
fn without_a_server_run_starts_an_embedded_one_and_stops_it() {
    live(async {
        let setup = Setup::new();
        let (home, data) = (setup.directory().join("home"), setup.directory().join("data"));
        let alone = |args: &[&str]| {
            let agents = setup.directory().join("agents");
            // Nothing listens on port 1.
            let typed = typed(&home, args).env("OPENRUNNER_DATA_DIR", &data).env("OPENRUNNER_ADDR", "127.0.0.1:1");
            typed.env("OPENRUNNER_AGENTS_DIR", agents)
        };
        let printed = alone(&["run", "create inside.py", "-a", "demo"]).done().await;
        assert!(printed.code == 0 && printed.out.contains("done  completed"), "{printed:?}");
        assert!(home.join("inside.py").exists());
        let listed = alone(&["ls"]).done().await;
        assert!(listed.code == 3 && listed.err.contains("openrunner serve"), "{listed:?}");
        let detached = alone(&["run", "-d", "x", "-a", "demo"]).done().await;
        assert_eq!(detached.code, 3, "a detached run needs a server that stays: {detached:?}");
        // The next server uses the same data directory and has the run.
        let server = setup.start().await;
        let runs = server.typed(&["ls", "--json"]).json().await;
        assert_eq!(runs["items"][0]["prompt"], "create inside.py");
        // While it runs, no temporary server can use the directory.
        let taken = typed(&home, &["run", "x", "-a", "demo"]).env("OPENRUNNER_DATA_DIR", &data).env("OPENRUNNER_ADDR", "127.0.0.1:1");
        let taken = taken.done().await;
        assert!(taken.code == 1 && taken.err.contains("another openrunner server"), "{taken:?}");
    });
}

#[test]
fn without_a_terminal_requests_wait_for_the_api() {
    live(async {
        let server = Server::start().await;
        let mut child = server.typed(&["run", "permission Bash\nresult done", "-a", "claude_code", "-p", "ask"]).start().await;
        let mut notes = BufReader::new(child.stderr.take().unwrap()).lines();
        let id = notes.next_line().await.unwrap().unwrap();
        assert!(id.starts_with("run: run_"), "{id}");
        let note = notes.next_line().await.unwrap().unwrap();
        assert!(note.contains("waiting for an answer") && note.contains("openrunner answer run_"), "{note}");
        let admin = server.client("admin").await;
        let run = admin.get("/api/runs").await.body["items"][0]["run_id"].as_str().unwrap().to_owned();
        let request = admin.requests(&run).await.remove(0);
        admin.decide(&run, request["id"].as_str().unwrap(), "allow_once").await;
        let printed = ended(child).await;
        assert!(printed.code == 0 && printed.out.contains("Bash once, by a user"), "{printed:?}");
    });
}

#[test]
fn errors_have_documented_exit_codes() {
    live(async {
        let server = Server::start().await;
        let code = |args: &[&str]| server.typed(args).done();
        assert_eq!(code(&["show", "run_0198a8f0c0de7000800000000000000a"]).await.code, 5);
        assert_eq!(code(&["show", "run_00"]).await.code, 5);
        assert_eq!(code(&["show", "last"]).await.code, 5);
        assert_eq!(code(&["show", "no-run"]).await.code, 2);
        assert_eq!(code(&["ls", "--status", "odd"]).await.code, 2);
        assert_eq!(code(&["run", "x", "-a", "nemo"]).await.code, 2);
        assert_eq!(code(&["ls", "--server", "nowhere"]).await.code, 5);
        assert_eq!(code(&["ls", "--server", "http://127.0.0.1:1"]).await.code, 3);
        assert_eq!(code(&["frobnicate"]).await.code, 2);
        let denied = server.typed(&["ls"]).env("OPENRUNNER_TOKEN", "not.a.token").done().await;
        assert!(denied.code == 4 && denied.err.contains("openrunner login"), "{denied:?}");
        let none = server.typed(&["run", "-a", "demo"]).done().await;
        assert_eq!((none.code, none.err.as_str()), (2, "error: the prompt is empty\n"));
    });
}

#[test]
fn a_login_is_stored_privately_and_used_until_logout() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_ADMIN_PASSWORD", "a password of its own").start().await;
        let (home, url) = (server.home(), server.url());
        let local = |args: &[&str]| typed(&home, args).env("OPENRUNNER_ADDR", url.trim_start_matches("http://"));
        let refused = local(&["ls"]).done().await;
        assert!(refused.code == 4 && refused.err.contains("openrunner login"), "{refused:?}");
        let wrong = local(&["login", &url]).input("wrong\n").done().await;
        assert!(wrong.code == 4 && !home.join(".config/openrunner/servers.toml").exists(), "{wrong:?}");
        let login = local(&["login", &url, "--name", "here"]).input("a password of its own\n").done().await;
        assert!(login.code == 0 && login.out.contains("named `here`"), "{login:?}");
        let file = home.join(".config/openrunner/servers.toml");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!fs::read_to_string(&file).unwrap().contains("a password"));
        for args in [&["ls"][..], &["ls", "--server", "here"], &["ls", "--server", &url]] {
            assert_eq!(typed(&home, args).done().await.code, 0, "{args:?}");
        }
        assert_eq!(local(&["logout"]).done().await.code, 0);
        assert_eq!(local(&["logout"]).done().await.code, 5);
        assert_eq!(local(&["ls"]).done().await.code, 4);
        // The operator's environment has the password.
        assert_eq!(local(&["ls"]).env("OPENRUNNER_ADMIN_PASSWORD", "a password of its own").done().await.code, 0);
    });
}

#[test]
fn config_agents_and_doctor_report_the_state_of_the_machine() {
    live(async {
        let server = Server::start().await;
        let here = |args: &[&str]| {
            let typed = server
                .typed(args)
                .env("OPENRUNNER_DATA_DIR", server.data())
                .env("OPENRUNNER_ADDR", server.url().trim_start_matches("http://"));
            typed.env("OPENRUNNER_AGENTS_DIR", server.directory().join("agents"))
        };
        let settings = here(&["config", "show", "--json"]).env("OPENRUNNER_JWT_SECRET", "canary-canary-canary-canary-canary").done().await;
        assert!(!settings.out.contains("canary"), "{settings:?}");
        let settings: Value = serde_json::from_str(&settings.out).unwrap();
        let one = |name: &str| settings["items"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap().clone();
        assert_eq!((&one("jwt_secret")["value"], &one("jwt_secret")["origin"]), (&json!("***"), &json!("environment")));
        assert_eq!(one("max_queue")["origin"], "default");
        let agents = server.typed(&["agent", "ls"]).done().await;
        assert!(agents.out.contains("demo\tyes\t") && agents.out.contains("claude_code\tyes\t"), "{agents:?}");
        let checks = here(&["doctor", "--json"]).json().await;
        let level = |what: &str| checks["checks"].as_array().unwrap().iter().find(|check| check["check"] == what).unwrap()["level"].clone();
        assert_eq!(
            (checks["ok"].clone(), level("server"), level("data directory"), level("claude_code")),
            (json!(true), json!("ok"), json!("ok"), level("claude_code"))
        );
        // Another program listens on the port.
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let odd = here(&["doctor", "--addr", &taken.local_addr().unwrap().to_string(), "--data-dir", "/proc/nowhere"]).done().await;
        assert!(odd.code == 1 && odd.out.contains("error  address") && odd.out.contains("OPENRUNNER_ADDR"), "{odd:?}");
    });
}

#[test]
fn completions_and_man_pages_cover_every_command() {
    live(async {
        let home = tempfile::tempdir().unwrap();
        for shell in ["bash", "zsh", "fish"] {
            let script = typed(home.path(), &["completions", shell]).done().await;
            assert!(script.code == 0 && script.out.contains("permission-mode"), "{shell}");
        }
        assert!(typed(home.path(), &["man"]).done().await.out.contains(".SH"));
        let written = typed(home.path(), &["man", "--dir", "pages"]).done().await;
        assert!(written.code == 0 && written.out.contains("pages to pages"), "{written:?}");
        for command in commands(home.path()).await {
            let page = fs::read_to_string(home.path().join(format!("pages/openrunner-{command}.1"))).unwrap();
            assert!(page.contains(".SH SYNOPSIS"), "{command}");
        }
        assert!(home.path().join("pages/openrunner-run-ls.1").exists() && home.path().join("pages/openrunner.1").exists());
    });
}

#[test]
fn every_command_and_every_exit_code_is_documented() {
    live(async {
        let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md")).unwrap();
        let home = tempfile::tempdir().unwrap();
        for command in commands(home.path()).await {
            assert!(page.contains(&format!("`openrunner {command}")), "docs/cli.md does not mention {command}");
        }
        let source = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/exit.rs")).unwrap();
        let codes = source.lines().filter_map(|line| line.trim().strip_suffix(',')?.split_once(" = ")?.1.parse::<u8>().ok());
        let documented = page.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" |")?.0.parse::<u8>().ok());
        assert_eq!(codes.collect::<BTreeSet<_>>(), documented.collect::<BTreeSet<_>>());
    });
}

#[test]
fn json_errors_are_objects_with_code_message_and_hint() {
    live(async {
        let server = Server::start().await;
        let error = |args: &'static [&'static str]| async {
            let printed = server.typed(args).done().await;
            let error: Value = serde_json::from_str(&printed.err).unwrap_or_else(|error| panic!("{error}: {printed:?}"));
            assert!(printed.code != 0 && error["message"].is_string(), "{printed:?}");
            error["code"].clone()
        };
        assert_eq!(error(&["show", "run_0198a8f0c0de7000800000000000000a", "--json"]).await, "not_found");
        assert_eq!(error(&["--json", "run", "x", "-a", "nemo"]).await, "unknown_agent");
        assert_eq!(error(&["ls", "--server", ":1", "--json"]).await, "unreachable");
        assert_eq!(error(&["ls", "--frobnicate", "--json"]).await, "usage");
    });
}

#[test]
fn addresses_may_omit_scheme_and_host_on_this_machine() {
    live(async {
        let server = Server::start().await;
        for address in [format!(":{}", server.port()), format!("localhost:{}", server.port()), format!("127.0.0.1:{}", server.port())] {
            let listed = typed(&server.home(), &["ls", "--server", &address]).done().await;
            assert_eq!(listed.code, 0, "{address}: {listed:?}");
            assert_eq!(typed(&server.home(), &["ls"]).env("OPENRUNNER_URL", &address).done().await.code, 0, "{address}");
        }
    });
}

#[test]
fn a_token_obtained_with_a_default_password_is_cached() {
    live(async {
        let server = Server::start().await;
        let cache = server.home().join(".config/openrunner/tokens.toml");
        for _ in 0..3 {
            assert_eq!(server.typed(&["ls"]).done().await.code, 0);
        }
        assert_eq!(fs::metadata(&cache).unwrap().permissions().mode() & 0o777, 0o600);
        let logins =
            || async { server.typed(&["audit", "ls", "--action", "login", "--json"]).json().await["items"].as_array().unwrap().len() };
        assert_eq!(logins().await, 1, "three commands, one login");
        // A token that the server refuses is replaced.
        let text = fs::read_to_string(&cache).unwrap();
        fs::write(&cache, text.replace("token = \"ey", "token = \"xx")).unwrap();
        assert_eq!(logins().await, 2);
        assert_eq!(logins().await, 2);
        // It ends with the default password.
        let changed = server.typed(&["auth", "password"]).input("admin\na better password\n").done().await;
        assert_eq!(changed.code, 0, "{changed:?}");
        let status = server.typed(&["auth", "status", "--json"]).json().await;
        assert_eq!((&status["username"], &status["role"]), (&json!("admin"), &json!("admin")), "the new token is stored");
        fs::remove_file(server.home().join(".config/openrunner/servers.toml")).unwrap();
        let denied = server.typed(&["ls"]).done().await;
        assert!(denied.code == 4 && denied.err.contains("openrunner login"), "{denied:?}");
    });
}

#[test]
fn last_is_the_callers_own_newest_run() {
    live(async {
        let server = Server::start().await;
        let (admin, user) = (server.client("admin").await, server.client("user").await);
        let own = admin.script("result one").await;
        admin.end_of(&own).await;
        let other = user.script("result two").await;
        user.end_of(&other).await;
        assert_eq!(server.typed(&["ls", "-q", "-n", "1"]).done().await.out.trim(), other, "the newest run is another user's");
        assert_eq!(server.typed(&["show", "last", "--json"]).json().await["run_id"], own);
        let session = server.typed(&["session", "show", "last", "--json"]).json().await;
        assert_eq!(session["runs"][0]["run_id"], own);
    });
}

#[test]
fn runs_are_searched_filtered_and_listed_completely() {
    live(async {
        let server = Server::start().await;
        let admin = server.client("admin").await;
        for number in 1..=3 {
            let run = admin.script(&format!("result needle-{number}")).await;
            admin.end_of(&run).await;
        }
        let ids = |args: &'static [&'static str]| async { server.typed(args).done().await.out.lines().count() };
        assert_eq!(ids(&["ls", "-q", "--search", "needle-2"]).await, 1);
        assert_eq!(ids(&["ls", "-q", "--since", "1h"]).await, 3);
        assert_eq!(ids(&["ls", "-q", "--since", "2020-01-01", "-n", "2"]).await, 2);
        assert_eq!(ids(&["run", "ls", "-q", "--all"]).await, 3);
        assert_eq!(ids(&["ls", "-q", "--status", "failed,cancelled"]).await, 0);
    });
}

#[test]
fn a_run_is_awaited_retried_and_deleted() {
    live(async {
        let server = Server::start().await;
        let first = server.typed(&["run", "-q", "error no luck", "-a", "claude_code", "-l", "team=web"]).done().await;
        assert_eq!(first.code, 1, "{first:?}");
        assert_eq!(server.typed(&["wait", "last"]).done().await.code, 1, "the exit code of the run");
        let retried = server.typed(&["retry", "last"]).done().await;
        assert_eq!(retried.code, 1, "{retried:?}");
        let runs = server.typed(&["ls", "--json", "--label", "team=web"]).json().await["items"].clone();
        assert_eq!(runs.as_array().unwrap().len(), 2);
        for field in ["prompt", "agent_type", "working_dir", "labels", "timeout_secs"] {
            assert_eq!(runs[0][field], runs[1][field], "{field}");
        }
        assert_ne!(runs[0]["session_id"], runs[1]["session_id"], "a new conversation");
        let live = server.typed(&["run", "-d", "say up\nhang", "-a", "claude_code"]).done().await.out.trim().to_owned();
        let expired = server.typed(&["wait", &live, "--timeout", "1s"]).done().await;
        assert_eq!(expired.code, 6, "{expired:?}");
        assert_eq!(server.typed(&["rm", &live]).done().await.code, 1, "a live run is kept");
        assert_eq!(server.typed(&["rm", "--force", &live, runs[0]["run_id"].as_str().unwrap()]).done().await.code, 0);
        assert_eq!(server.typed(&["ls", "-q"]).done().await.out.lines().count(), 1);
    });
}

#[test]
fn requests_are_listed_and_answered_by_scripts() {
    live(async {
        let server = Server::start().await;
        let admin = server.client("admin").await;
        let script = "permission Bash\nquestion Which color?|red|blue\nresult done";
        let run = server.typed(&["run", "-d", script, "-a", "claude_code", "-p", "ask"]).done().await.out.trim().to_owned();
        admin.follow(&run).await.until("permission_request").await;
        let listed = server.typed(&["requests", "ls", "--json"]).json().await;
        assert_eq!((&listed["items"][0]["run_id"], &listed["items"][0]["tool"]), (&json!(run), &json!("Bash")));
        let wrong = server.typed(&["answer", &run, "--answer", "x"]).done().await;
        assert!(wrong.code == 2 && wrong.err.contains("--answer"), "{wrong:?}");
        let answered = server.typed(&["answer", &run, "--allow"]).done().await;
        assert_eq!(answered.code, 0, "{answered:?}");
        admin.follow(&run).await.until("question").await;
        assert_eq!(server.typed(&["answer", &run, "--answer", "3"]).done().await.code, 2, "no such option");
        assert_eq!(server.typed(&["answer", &run, "--answer", "2"]).done().await.code, 0);
        assert_eq!(server.typed(&["wait", &run]).done().await.code, 0);
        let logs = server.typed(&["logs", &run]).done().await;
        assert!(logs.out.contains("answer  blue, by a user"), "{logs:?}");
        assert_eq!(server.typed(&["answer", &run, "--deny"]).done().await.code, 5, "no open request");
    });
}

#[test]
fn sigterm_cancels_the_run_like_ctrl_c() {
    live(async {
        let server = Server::start().await;
        let mut child = server.typed(&["run", "say up\nhang", "-a", "claude_code"]).start().await;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        while !lines.next_line().await.unwrap().unwrap().contains("up") {}
        let pid = rustix::process::Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
        rustix::process::kill_process(pid, Signal::TERM).unwrap();
        let printed = ended(child).await;
        assert_eq!(printed.code, 130, "{printed:?}");
        assert_eq!(server.typed(&["show", "last", "--json"]).json().await["status"], "cancelled");
    });
}

#[test]
fn users_keys_and_budgets_are_managed_on_the_server() {
    live(async {
        let server = Server::start().await;
        let made = server.typed(&["user", "create", "carol"]).input("correct horse\n").done().await;
        assert_eq!((made.code, made.out.as_str()), (0, "Created user carol (role: user)\n"), "{made:?}");
        assert_eq!(server.typed(&["user", "set", "carol", "--role", "admin"]).done().await.code, 0);
        let carol = server.typed(&["user", "show", "carol", "--json"]).json().await;
        assert_eq!((&carol["role"], &carol["default_password"]), (&json!("admin"), &json!(false)));
        let set = server.typed(&["user", "budget", "carol", "--tokens-per-day", "7"]).done().await;
        assert_eq!(set.code, 0, "{set:?}");
        let budget = server.typed(&["budget", "show", "carol", "--json"]).json().await;
        assert_eq!(budget["tokens"]["allowed"], 7);
        let own = server.typed(&["budget", "show"]).done().await;
        assert!(own.code == 0 && own.out.contains("user  admin"), "{own:?}");
        let login = server.typed(&["login", &server.url(), "-u", "carol"]).input("correct horse\n").done().await;
        assert_eq!(login.code, 0, "{login:?}");
        let key = server.typed(&["key", "create", "--name", "ci", "--scope", "runs:read", "--expires-in-days", "1"]).done().await;
        assert!(key.code == 0 && key.out.starts_with("orn_") && key.err.contains("shown only once"), "{key:?}");
        let keys = server.typed(&["key", "ls", "--json"]).json().await;
        assert_eq!((&keys["items"][0]["owner"], &keys["items"][0]["name"]), (&json!("carol"), &json!("ci")));
        let of_other = async |owner| server.typed(&["key", "create", "--owner", owner, "--name", "x", "--scope", "runs:read"]).done().await;
        let refused = of_other("user").await;
        assert!(refused.code != 0 && refused.err.contains("default password"), "{refused:?}");
        assert_eq!(server.typed(&["user", "create", "dave"]).input("correct horse\n").done().await.code, 0);
        let key = of_other("dave").await;
        assert!(key.code == 0 && key.out.starts_with("orn_") && key.err.contains("for dave"), "{key:?}");
        assert_eq!(server.typed(&["user", "rm", "dave"]).done().await.code, 0);
        assert_eq!(server.typed(&["user", "quota", "carol", "--runs", "9"]).done().await.code, 0);
        assert_eq!(server.typed(&["key", "rm", keys["items"][0]["id"].as_str().unwrap()]).done().await.code, 0);
        assert_eq!(server.typed(&["user", "rm", "user"]).done().await.code, 0);
        let users = server.typed(&["user", "ls"]).done().await;
        assert_eq!(users.out, "admin\tadmin\tdefault password, this machine only\t\t\ncarol\tadmin\t\t7 tokens\truns 9\n");
        assert_eq!(server.typed(&["user", "show", "user"]).done().await.code, 5);
    });
}

#[test]
fn doctor_agrees_with_the_server() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_CGROUP", "off").start().await;
        let doctor = |args: &'static [&'static str]| {
            let typed = server.typed(args).env("OPENRUNNER_DATA_DIR", server.data()).env("OPENRUNNER_CGROUP", "off");
            typed.env("OPENRUNNER_AGENTS_DIR", server.directory().join("no-agents")).env("PATH", "/nowhere")
        };
        let checks = doctor(&["doctor", "--json", "--addr", "0.0.0.0:1"]).done().await;
        let checks: Value = serde_json::from_str(&checks.out).unwrap();
        let all = checks["checks"].as_array().unwrap();
        let message = |name: &str| {
            let found: Vec<_> = all.iter().filter(|check| check["check"] == name).collect();
            assert_eq!(found.len(), 1, "{name}: {checks}");
            found[0]["message"].as_str().unwrap().to_owned()
        };
        assert!(message("control groups").starts_with("off"), "{checks}");
        assert_eq!(message("logins"), "admin and user have default passwords: login from this machine only");
        for agent in ["claude_code", "codex", "opencode"] {
            assert_eq!(message(agent), "not installed");
        }
        // With a password in the settings, the server gives it to admin at its start.
        let own = doctor(&["doctor", "--json"]).env("OPENRUNNER_ADMIN_PASSWORD", "a password of its own").done().await;
        assert!(own.out.contains("user has a default password"), "{own:?}");
        let default = doctor(&["doctor"]).env("OPENRUNNER_ADMIN_PASSWORD", "admin").done().await;
        assert!(default.code == 1 && default.out.contains("the server does not start"), "{default:?}");
    });
}

#[test]
fn config_init_writes_a_template_that_changes_nothing() {
    live(async {
        let home = tempfile::tempdir().unwrap();
        let config = |args: &[&str]| typed(home.path(), args).env("OPENRUNNER_DATA_DIR", home.path().join("data"));
        let before = config(&["config", "show", "--json"]).json().await;
        let written = config(&["config", "init"]).done().await;
        assert_eq!(written.code, 0, "{written:?}");
        let file = home.path().join("data/openrunner.toml");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(config(&["config", "show", "--json"]).json().await, before, "every setting is commented out");
        let again = config(&["config", "init"]).done().await;
        assert!(again.code == 1 && again.err.contains("--force"), "{again:?}");
        assert_eq!(config(&["config", "init", "--force"]).done().await.code, 0);
        assert_eq!(config(&["config", "init", "-"]).done().await.out, fs::read_to_string(&file).unwrap());
    });
}

#[test]
fn the_demo_names_no_script_of_the_repository() {
    live(async {
        let home = tempfile::tempdir().unwrap();
        let demo = typed(home.path(), &["demo"]).done().await;
        assert_eq!(demo.code, 0, "{demo:?}");
        assert!(demo.err.contains("openrunner agent install") && !demo.err.contains("scripts/"), "{demo:?}");
    });
}

#[test]
fn without_a_command_the_first_line_of_the_log_points_to_help() {
    live(async {
        let home = tempfile::tempdir().unwrap();
        let server = typed(home.path(), &[]).env("OPENRUNNER_DATA_DIR", home.path().join("data")).env("OPENRUNNER_ADDR", "127.0.0.1:0");
        let mut child = server.start().await;
        let line = BufReader::new(child.stderr.take().unwrap()).lines().next_line().await.unwrap().unwrap();
        assert!(line.contains("openrunner --help"), "{line}");
    });
}

/// Mistakes that only a server can find, for each command that asks one: arguments and standard input.
const MISTAKES: &[(&[&str], &str)] = &[
    (&["run", ""], ""),
    (&["run", "x", "-a", "nemo"], ""),
    (&["run", "x", "-m", "no model"], ""),
    (&["run", "x", "-s", "run_01"], ""),
    (&["run", "x", "--env", "NOT_SET"], ""),
    (&["run", "--file", "missing.txt"], ""),
    (&["run", "x", "--dir", "missing/../../.."], ""),
    (&["show", "last"], ""),
    (&["show", "ff"], ""),
    (&["show", "no-run"], ""),
    (&["attach", "run_0198a8f0c0de7000800000000000000a"], ""),
    (&["logs", "run_0198a8f0c0de7000800000000000000a"], ""),
    (&["send", "run_0198a8f0c0de7000800000000000000a", "x"], ""),
    (&["send", "run_0198a8f0c0de7000800000000000000a"], ""),
    (&["wait", "run_0198a8f0c0de7000800000000000000a"], ""),
    (&["retry", "run_0198a8f0c0de7000800000000000000a"], ""),
    (&["cancel", "run_0198a8f0c0de7000800000000000000a"], ""),
    (&["rm", "run_0198a8f0c0de7000800000000000000a"], ""),
    (&["ls", "--label", "x=y", "--search", ""], ""),
    (&["ls", "--server", "nowhere"], ""),
    (&["ls", "--server", "example.org:3000"], ""),
    (&["ls", "--server", "ftp://example.org"], ""),
    (&["requests", "ls", "run_0198a8f0c0de7000800000000000000a"], ""),
    (&["answer", "run_0198a8f0c0de7000800000000000000a", "--allow"], ""),
    (&["session", "show", "ff"], ""),
    (&["session", "show", "ses_0198a8f0c0de7000800000000000000a"], ""),
    (&["auth", "password"], "wrong\na better password\n"),
    (&["auth", "password"], "admin\nshort\n"),
    (&["login", "-u", "carol", "http://127.0.0.1:1"], "x\n"),
    (&["login", "--name", "a b"], "x\n"),
    (&["login"], ""),
    (&["logout"], ""),
    (&["logout", "office"], ""),
    (&["user", "create", "admin"], "correct horse\n"),
    (&["user", "create", "dora"], "short\n"),
    (&["user", "create", "dora"], ""),
    (&["user", "set", "nemo", "--role", "admin"], ""),
    (&["user", "set", "admin", "--role", "user"], ""),
    (&["user", "show", "nemo"], ""),
    (&["user", "rm", "admin"], ""),
    (&["key", "create", "--name", "ci", "--scope", "runs:read"], ""),
    (&["key", "rm", "key_0198a8f0c0de7000800000000000000a"], ""),
    (&["budget", "show", "nemo"], ""),
    (&["profile", "show", "nemo"], ""),
    (&["profile", "set", "x", "--model", "-x"], ""),
    (&["profile", "rm", "nemo"], ""),
    (&["budget", "set"], ""),
    (&["usage", "--since", "2026-01-02", "--until", "2026-01-01"], ""),
    (&["audit", "ls", "--action", "odd"], ""),
    (&["webhook", "deliveries", "--run", "ff"], ""),
    (&["agent", "check", "nemo"], ""),
    (&["agent", "install", "nemo"], ""),
    (&["config", "show", "--config", "missing.toml"], ""),
    (&["backup", "--data-dir", "missing", "x.db"], ""),
    (&["restore", "missing.db", "--data-dir", "new"], ""),
    (&["health", "--server", ":1"], ""),
];

#[test]
fn errors_of_every_command_are_as_reviewed() {
    live(async {
        let server = Server::start().await;
        let mut all = String::new();
        for (args, input) in MISTAKES {
            let printed = server.typed(args).input(input).done().await;
            assert_ne!(printed.code, 0, "{args:?}: {printed:?}");
            writeln!(all, "openrunner {} [{}]", args.join(" "), printed.code).unwrap();
            printed.err.lines().for_each(|line| writeln!(all, "  {line}").unwrap());
            all.push('\n');
        }
        let directory = server.directory().canonicalize().unwrap();
        let all = all.replace(&server.url(), "http://SERVER").replace(&directory.display().to_string(), "FOLDER");
        insta::assert_snapshot!("cli_errors", all);
    });
}

/// The names of the commands that the help lists.
pub(crate) async fn commands(home: &Path) -> Vec<String> {
    let help = typed(home, &["--help"]).done().await.out;
    let (_, list) = help.split_once("Commands:\n").expect("a list of commands");
    let names = list.lines().take_while(|line| line.starts_with("  ")).filter(|line| !line.starts_with("   "));
    let names: Vec<String> =
        names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect();
    assert!(names.len() > 10, "{help}");
    names
}
