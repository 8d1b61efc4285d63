//! The command line in pipes: what programs and scripts see of it.
//!
//! Rules: W2.

use std::collections::BTreeSet;
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
        assert!(!good.out.contains('\u{1b}') && good.err.is_empty(), "{good:?}");
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
        server.client("admin").await.follow(&id).await.until_said("up").await;
        let list = server.typed(&["ls", "--agent", "claude_code"]).done().await;
        assert!(list.out.starts_with(&format!("{id}\trunning\tclaude_code\t")), "{list:?}");
        assert_eq!(server.typed(&["ls", "--json", "-s", "completed"]).json().await["items"], json!([]));
        // The beginning of an id is enough.
        let shown = server.typed(&["show", &id[..20]]).done().await;
        assert!(shown.out.contains(&id) && shown.out.contains("say up\n              wait-for-interrupt"), "{shown:?}");
        let sent = server.typed(&["send", "last", "--interrupt"]).input("say more\nhang").done().await;
        assert_eq!(sent.code, 0, "{sent:?}");
        server.client("admin").await.follow(&id).await.until_said("more").await;
        assert_eq!(server.typed(&["cancel", "last"]).done().await.code, 0);
        let attached = server.typed(&["attach", "last"]).done().await;
        assert_eq!(attached.code, 130, "{attached:?}");
        assert!(attached.out.contains("up\n") && attached.out.contains("more\n"), "{attached:?}");
        let sessions = server.typed(&["sessions", "--json"]).json().await;
        assert_eq!(sessions["items"].as_array().unwrap().len(), 1);
    });
}

#[test]
fn logs_print_past_events_and_exit() {
    live(async {
        let server = Server::start().await;
        let admin = server.client("admin").await;
        let id = admin.script("say one\nsay two\nhang").await;
        admin.follow(&id).await.until_said("two").await;
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
        // In the middle of the flood.
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
        let (home, data) = (setup.folder().join("home"), setup.folder().join("data"));
        let alone = |args: &[&str]| {
            let agents = setup.folder().join("agents");
            // Nobody listens on port 1.
            let typed = typed(&home, args).env("OPENRUNNER_DATA_DIR", &data).env("OPENRUNNER_ADDR", "127.0.0.1:1");
            typed.env("OPENRUNNER_AGENTS_DIR", agents)
        };
        let printed = alone(&["run", "create inside.py", "-a", "demo"]).done().await;
        assert!(printed.code == 0 && printed.out.contains("done  completed"), "{printed:?}");
        assert!(home.join("inside.py").exists());
        let listed = alone(&["ls"]).done().await;
        assert!(listed.code == 3 && listed.err.contains("openrunner serve"), "{listed:?}");
        let detached = alone(&["run", "-d", "x", "-a", "demo"]).done().await;
        assert_eq!(detached.code, 3, "a run that is left alone needs a server that stays: {detached:?}");
        // The next server has the run, and the data folder is free for it.
        let server = setup.start().await;
        let runs = server.typed(&["ls", "--json"]).json().await;
        assert_eq!(runs["items"][0]["prompt"], "create inside.py");
        // While that one has the folder, none can be started inside.
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
        let note = notes.next_line().await.unwrap().unwrap();
        assert!(note.contains("waits for an answer") && note.contains("openrunner attach run_"), "{note}");
        let admin = server.client("admin").await;
        let run = admin.get("/api/runs").await.body["items"][0]["run_id"].as_str().unwrap().to_owned();
        let request = admin.requests(&run).await.remove(0);
        admin.decide(&run, request["id"].as_str().unwrap(), "allow_once").await;
        let printed = ended(child).await;
        assert!(printed.code == 0 && printed.out.contains("Bash, this once, by a user"), "{printed:?}");
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
        assert_eq!(code(&["run", "x", "-a", "nobody"]).await.code, 2);
        assert_eq!(code(&["ls", "--server", "nowhere"]).await.code, 5);
        assert_eq!(code(&["ls", "--server", "http://127.0.0.1:1"]).await.code, 3);
        assert_eq!(code(&["frobnicate"]).await.code, 2);
        let denied = server.typed(&["ls"]).env("OPENRUNNER_TOKEN", "not.a.token").done().await;
        assert!(denied.code == 4 && denied.err.contains("openrunner login"), "{denied:?}");
        let none = server.typed(&["run", "-a", "demo"]).done().await;
        assert_eq!(none.code, 2, "an empty prompt: {none:?}");
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
        assert!(login.code == 0 && login.out.contains("as `here`"), "{login:?}");
        let file = home.join(".config/openrunner/servers.toml");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!fs::read_to_string(&file).unwrap().contains("a password"));
        for args in [&["ls"][..], &["ls", "--server", "here"], &["ls", "--server", &url]] {
            assert_eq!(typed(&home, args).done().await.code, 0, "{args:?}");
        }
        assert_eq!(local(&["logout"]).done().await.code, 0);
        assert_eq!(local(&["logout"]).done().await.code, 5);
        assert_eq!(local(&["ls"]).done().await.code, 4);
        // The operator's own environment has the password.
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
            typed.env("OPENRUNNER_AGENTS_DIR", server.folder().join("agents"))
        };
        let settings = here(&["config", "--json"]).env("OPENRUNNER_JWT_SECRET", "canary-canary-canary-canary-canary").done().await;
        assert!(!settings.out.contains("canary"), "{settings:?}");
        let settings: Value = serde_json::from_str(&settings.out).unwrap();
        let one = |name: &str| settings["items"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap().clone();
        assert_eq!((&one("jwt_secret")["value"], &one("jwt_secret")["origin"]), (&json!("***"), &json!("environment")));
        assert_eq!(one("max_queue")["origin"], "default");
        let agents = server.typed(&["agents"]).done().await;
        assert!(agents.out.contains("demo\tyes\t") && agents.out.contains("claude_code\tyes\t"), "{agents:?}");
        let checks = here(&["doctor", "--json"]).json().await;
        let verdict =
            |what: &str| checks["checks"].as_array().unwrap().iter().find(|check| check["what"] == what).unwrap()["verdict"].clone();
        assert_eq!(
            (checks["ok"].clone(), verdict("server"), verdict("data folder"), verdict("claude_code")),
            (json!(true), json!("ok"), json!("ok"), verdict("claude_code"))
        );
        // Another program on the port of a server that is not there is told apart from that server.
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let odd = here(&["doctor", "--addr", &taken.local_addr().unwrap().to_string(), "--data-dir", "/proc/nowhere"]).done().await;
        assert!(odd.code == 1 && odd.out.contains(" bad  address") && odd.out.contains("OPENRUNNER_ADDR"), "{odd:?}");
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
        let manual = typed(home.path(), &["man"]).done().await.out;
        for command in commands(home.path()).await {
            assert!(manual.contains(&format!("openrunner {}", command.replace('-', "\\-"))) || manual.contains(&command), "{command}");
        }
    });
}

#[test]
fn every_command_and_every_exit_code_is_documented() {
    live(async {
        let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md")).unwrap();
        let home = tempfile::tempdir().unwrap();
        for command in commands(home.path()).await {
            assert!(page.contains(&format!("`openrunner {command}")), "docs/cli.md does not tell of {command}");
        }
        let source = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/exit.rs")).unwrap();
        let codes = source.lines().filter_map(|line| line.trim().strip_suffix(',')?.split_once(" = ")?.1.parse::<u8>().ok());
        let documented = page.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" |")?.0.parse::<u8>().ok());
        assert_eq!(codes.collect::<BTreeSet<_>>(), documented.collect::<BTreeSet<_>>());
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
