//! The command line in a real terminal (tmux).

use rustix::process::Signal;
use serde_json::json;

use crate::support::{Server, Tmux, live};

/// Starts a command in a terminal, with this server as its default. None without tmux.
fn terminal(server: &Server, env: &[(&str, &str)], args: &[&str]) -> Option<Tmux> {
    let url = server.url();
    let env: Vec<_> = [("OPENRUNNER_URL", url.as_str())].into_iter().chain(env.iter().copied()).collect();
    Tmux::start(&server.home(), &env, args)
}

/// The newest run.
async fn newest(server: &Server) -> serde_json::Value {
    server.client("admin").await.get("/api/runs?limit=1").await.body["items"][0].clone()
}

#[test]
fn a_permission_request_is_answered_in_the_terminal() {
    live(async {
        let server = Server::start().await;
        let Some(terminal) = terminal(&server, &[], &["run", "create asked.py", "-a", "demo", "-p", "ask"]) else { return };
        let screen = terminal.shows("[a]llow once, [A]lways allow, [d]eny [reason]:").await;
        assert!(screen.contains("allow write_file?") && screen.contains("path  asked.py"), "{screen}");
        assert!(screen.contains("with the default password"), "{screen}");
        terminal.keys(&["what?", "Enter"]);
        terminal.shows("type a, A or d").await;
        terminal.keys(&["a", "Enter"]);
        let screen = terminal.shows("exit code 0").await;
        assert!(screen.contains("write_file once, by a user") && screen.contains("done  completed"), "{screen}");
        assert!(server.home().join("asked.py").exists());
    });
}

#[test]
fn a_denial_passes_the_reason_and_a_prompt_answered_elsewhere_disappears() {
    live(async {
        let server = Server::start().await;
        let args = ["run", "permission Bash\npermission Bash\nresult done", "-a", "claude_code", "-p", "ask"];
        let Some(terminal) = terminal(&server, &[], &args) else { return };
        terminal.shows("[d]eny [reason]:").await;
        terminal.keys(&["d not in here", "Enter"]);
        terminal.shows("(not in here)").await;
        terminal.until(|screen| screen.matches("[d]eny [reason]:").count() == 2).await;
        let (run, admin) = (newest(&server).await, server.client("admin").await);
        let run = run["run_id"].as_str().unwrap();
        let request = admin.requests(run).await.remove(0);
        admin.decide(run, request["id"].as_str().unwrap(), "allow_once").await;
        let screen = terminal.shows("exit code 0").await;
        assert!(screen.contains("Bash once, by a user"), "{screen}");
    });
}

#[test]
fn a_question_is_answered_with_the_number_of_an_option() {
    live(async {
        let server = Server::start().await;
        let Some(terminal) = terminal(&server, &[], &["run", "question Which color?|red|blue\nresult done", "-a", "claude_code"]) else {
            return;
        };
        let screen = terminal.shows("answer, by number or as text:").await;
        assert!(screen.contains("Which color?") && screen.contains("2  blue"), "{screen}");
        terminal.keys(&["2", "Enter"]);
        let screen = terminal.shows("exit code 0").await;
        assert!(screen.contains("answer  blue, by a user"), "{screen}");
    });
}

#[test]
fn ctrl_c_once_cancels_the_run() {
    live(async {
        let server = Server::start().await;
        let Some(terminal) = terminal(&server, &[], &["run", "say up\nhang", "-a", "claude_code"]) else { return };
        terminal.shows("up").await;
        terminal.keys(&["C-c"]);
        terminal.shows("cancelling the run in 2 s").await;
        let screen = terminal.shows("exit code 130").await;
        assert!(screen.contains("done  cancelled"), "{screen}");
        assert_eq!(newest(&server).await["status"], "cancelled");
    });
}

#[test]
fn ctrl_c_twice_leaves_the_run_running_and_prints_how_to_reattach() {
    live(async {
        let server = Server::start().await;
        let Some(first) = terminal(&server, &[], &["run", "say up\nhang", "-a", "claude_code"]) else { return };
        first.shows("up").await;
        first.keys(&["C-c"]);
        first.shows("press Ctrl-C again to leave it running").await;
        first.keys(&["C-c"]);
        let screen = first.shows("exit code 6").await;
        let run = newest(&server).await;
        let id = run["run_id"].as_str().unwrap();
        assert!(screen.contains(&format!("openrunner attach {id}")), "{screen}");
        assert_eq!(run["status"], "running");
        // Followed again, its events are shown from the start.
        let Some(second) = terminal(&server, &[], &["attach", "last"]) else { return };
        second.shows("up").await;
        server.client("admin").await.cancel(id).await;
        second.shows("exit code 130").await;
    });
}

#[test]
fn the_spinner_fits_on_one_line_at_any_width() {
    live(async {
        let server = Server::start().await;
        let Some(terminal) = terminal(&server, &[], &["run", "say up\nhang", "-a", "claude_code"]) else { return };
        let spins =
            |screen: &str| screen.lines().filter(|line| line.chars().next().is_some_and(|first| ('⠀'..='⣿').contains(&first))).count();
        terminal.until(|screen| screen.contains("up") && spins(screen) == 1).await;
        for columns in [20, 8, 120] {
            terminal.resize(columns);
            let screen = terminal.until(|screen| spins(screen) == 1).await;
            assert!(screen.contains("up"), "{screen}");
        }
        server.client("admin").await.cancel(newest(&server).await["run_id"].as_str().unwrap()).await;
        let screen = terminal.shows("exit code 130").await;
        assert_eq!(spins(&screen), 0, "{screen}");
    });
}

#[test]
fn colors_are_used_in_terminals_only() {
    live(async {
        let server = Server::start().await;
        let args = ["run", "create hello.py", "-a", "demo"];
        let Some(plain) = terminal(&server, &[("NO_COLOR", "1")], &args) else { return };
        plain.shows("exit code 0").await;
        let screen = plain.colored();
        assert!(!screen.contains('\u{1b}'), "{screen:?}");
        let Some(colored) = terminal(&server, &[], &args) else { return };
        colored.shows("exit code 0").await;
        let screen = colored.colored();
        assert!(screen.contains("\u{1b}[32m"), "{screen:?}");
    });
}

#[test]
fn a_terminal_follows_its_run_across_a_server_crash() {
    live(async {
        let mut server = Server::start().await;
        let Some(terminal) = terminal(&server, &[], &["run", "say up\nhang", "-a", "claude_code"]) else { return };
        terminal.shows("up").await;
        let (again, port) = (server.again(), server.port());
        server.signal(Signal::KILL);
        assert_eq!(server.ended().await, -9);
        terminal.shows("connection lost").await;
        let server = again.env("OPENRUNNER_ADDR", format!("127.0.0.1:{port}")).start().await;
        terminal.shows("reconnected").await;
        let run = newest(&server).await;
        // The run ends whether or not its agent survived.
        server.client("admin").await.cancel(run["run_id"].as_str().unwrap()).await;
        let screen = terminal.shows("exit code").await;
        assert!(screen.contains("done  ") && screen.matches("\nup").count() == 1, "{screen}");
        assert!(json!(["interrupted", "cancelled"]).as_array().unwrap().contains(&newest(&server).await["status"]));
    });
}

#[test]
fn lists_fit_the_width_of_the_terminal() {
    live(async {
        let server = Server::start().await;
        let id = server.client("admin").await.script("say x\nresult done").await;
        server.client("admin").await.end_of(&id).await;
        let Some(terminal) = terminal(&server, &[], &["ls"]) else { return };
        let screen = terminal.shows("exit code 0").await;
        assert!(screen.contains("status") && screen.contains("completed") && !screen.contains(&id), "{screen}");
        assert!(screen.contains(&id[.."run_".len() + 12]), "{screen}");
    });
}

/// Commands without a test above: arguments, exit code, and text on the screen. `RUN`, `SESSION` and `DATA` stand for an ended run, its
/// session, and the server's data directory.
const COMMANDS: &[(&[&str], i32, &[&str])] = &[
    (&["show", "RUN"], 0, &["completed", "claude_code", "RUN"]),
    (&["logs", "RUN"], 0, &["hello there", "done  completed"]),
    (&["changes", "RUN"], 0, &["0 files changed"]),
    (&["apply", "RUN"], 0, &["has changed nothing"]),
    (&["files", "RUN"], 0, &["modified"]),
    (&["revert", "RUN", "--turn", "0"], 0, &["Reverted 0 files"]),
    (&["branch", "last", "--message", "x"], 1, &["the session has no worktree"]),
    (&["attach", "RUN"], 0, &["hello there", "done  completed"]),
    (&["cancel", "RUN"], 0, &["completed"]),
    (&["send", "RUN", "more"], 1, &["has ended"]),
    (&["wait", "RUN"], 0, &["completed"]),
    (&["retry", "RUN"], 0, &["hello there", "done  completed"]),
    (&["requests", "ls"], 0, &["request"]),
    (&["answer", "RUN", "--allow"], 5, &["no open requests"]),
    (&["session", "ls"], 0, &["claude_code", "SESSION"]),
    (&["auth", "status"], 0, &["admin"]),
    (&["budget", "show"], 0, &["tokens", "unlimited"]),
    (&["profile", "set", "careful", "-a", "demo"], 0, &["careful"]),
    (&["profile", "ls"], 0, &["careful", "demo"]),
    (&["profile", "show", "careful"], 0, &["careful"]),
    (&["profile", "rm", "careful"], 0, &["careful"]),
    (&["audit", "ls"], 0, &["login"]),
    (&["webhook", "deliveries"], 0, &["status"]),
    (&["server", "ls"], 0, &["name", "url"]),
    (&["usage"], 0, &["day", "cost", "total"]),
    (&["agent", "ls"], 0, &["demo", "claude_code"]),
    (&["health"], 0, &["ok"]),
    (&["user", "ls"], 0, &["admin", "user"]),
    (&["key", "ls"], 0, &["scopes"]),
    (&["config", "show", "--data-dir", "DATA"], 0, &["OPENRUNNER_ADDR", "127.0.0.1:3000"]),
    (&["backup", "--data-dir", "DATA", "kept.db"], 0, &["kept.db"]),
    (&["restore", "--data-dir", "elsewhere", "kept.db"], 0, &["elsewhere"]),
    (&["restore", "--data-dir", "DATA", "kept.db"], 1, &["server"]),
    (&["store", "migrate", "--data-dir", "DATA", "--to", "x"], 2, &["--to is no URL"]),
    (&["logout"], 5, &["not logged in"]),
    (&["completions", "fish"], 0, &["openrunner"]),
    (&["man"], 0, &[".SH"]),
    (&["demo", "say hi"], 0, &["completed"]),
    (&["doctor", "--data-dir", "DATA"], 0, &["data directory"]),
    (&["show", "run_00000000000070008000000000000000"], 5, &["run_00000000000070008000000000000000"]),
    (&["rm", "RUN"], 0, &["Deleted"]),
    (&["ls", "--status", "no-such"], 2, &["no-such"]),
    (&["no-such-command"], 2, &["unrecognized subcommand", "--help"]),
    (&["--version"], 0, &["openrunner "]),
];

#[test]
fn every_command_works_in_a_terminal() {
    live(async {
        let server = Server::start().await;
        let client = server.client("admin").await;
        let run = client.script("say hello there\nresult hello there").await;
        client.end_of(&run).await;
        let session = client.get(&format!("/api/runs/{run}")).await.body["session_id"].as_str().unwrap().to_owned();
        let data = server.data();
        // A table shortens ids.
        let shown = |word: &str| match word {
            "RUN" => run.clone(),
            "SESSION" => session[..12].to_owned(),
            other => other.replace("DATA", data.to_str().unwrap()),
        };
        let mut wrong = Vec::new();
        for (args, code, words) in COMMANDS {
            let args: Vec<String> = args.iter().map(|arg| shown(arg)).collect();
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let Some(terminal) = terminal(&server, &[], &args) else { return };
            let screen = terminal.shows("exit code ").await;
            let words = words.iter().map(|word| shown(word)).chain([format!("exit code {code}\n")]);
            wrong.extend(words.filter(|word| !screen.contains(word)).map(|word| format!("{args:?} does not show {word:?}: {screen}")));
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        // `mcp` and `acp` speak to programs: see mcp.rs and acp_editor.rs.
        let elsewhere = ["run", "ls", "serve", "login", "mcp", "acp"];
        for command in crate::cli::commands(&server.home()).await {
            let is_tested = COMMANDS.iter().any(|(args, _code, _words)| args[0] == command);
            assert!(is_tested || elsewhere.contains(&command.as_str()), "{command} is not tested in a terminal");
        }
    });
}
