//! Inspections of agent programs: the server executes a program that an agent may have replaced.
//!
//! Rules: G1, G3.

use std::collections::BTreeSet;
use std::fs;

use super::accounts::with_account;
use super::is_isolated;
use crate::support::{Server, Setup, live};

/// What a program tries when it is asked for its version. What succeeds is written to a file in the home directory.
const ATTEMPTS: &str = r#"
if [ "$1" = --version ]; then
    data="${0%/agents/bin/claude}/data"
    {
        echo "account $(id -u)"
        for secret in "$data/jwt.key" "$data/openrunner.db"; do
            cat "$secret" >/dev/null 2>&1 && echo "read ${secret##*/}"
        done
        ls "$data/runs" >/dev/null 2>&1 && echo 'listed the runs'
        { echo x >"$data/new"; } 2>/dev/null && echo 'wrote into the data directory'
        for process in /proc/[0-9]*; do
            cat "$process/comm" 2>/dev/null | grep -qx openrunner && echo 'saw a server'
        done
        [ -z "$(ls -A)" ] || echo "found $(ls -A)"
        { echo x >"$PWD/left"; } 2>/dev/null && { echo x >"$TMPDIR/left"; } 2>/dev/null && echo 'wrote into its directories'
    } >>"$HOME/attempts" 2>&1
fi
exec "$AGENT" "$@"
"#;

/// What the inspections of the program have done since the last call.
fn attempts(home: &std::path::Path) -> BTreeSet<String> {
    let file = home.join("attempts");
    let text = fs::read_to_string(&file).expect("the program was inspected");
    fs::remove_file(&file).expect("the test may");
    text.lines().map(str::to_owned).collect()
}

fn expected(lines: &[&str]) -> BTreeSet<String> {
    let account = format!("account {}", rustix::process::getuid().as_raw());
    lines.iter().map(|line| (*line).to_owned()).chain([account]).collect()
}

/// The agent in the answer of `/health/agents`; `null` if it is not listed.
fn claude(agents: &serde_json::Value) -> serde_json::Value {
    let mut all = agents["items"].as_array().into_iter().flatten();
    all.find(|agent| agent["agent_type"] == "claude_code").cloned().unwrap_or_default()
}

/// Waits for the first inspection: a run needs it.
async fn inspected(server: &Server) {
    let user = server.client("user").await;
    let id = user.script("result inspected").await;
    assert_eq!(user.end_of(&id).await["status"], "completed", "{}", server.log());
    let agents = user.get("/health/agents").await;
    let claude = claude(&agents.body);
    assert!(claude["version"].is_string(), "{claude}");
}

#[test]
fn a_replaced_program_cannot_reach_the_server_when_it_is_asked_for_its_version() {
    live(async {
        let server = Setup::new().agent_script(ATTEMPTS).start().await;
        if !is_isolated(&server) {
            return;
        }
        inspected(&server).await;
        let harmless = expected(&["wrote into its directories"]);
        assert_eq!(attempts(&server.home()), harmless);
        assert_eq!(fs::read_dir(server.data().join("empty")).unwrap().count(), 0, "what it has left is removed");
        // The commands without a server do the same.
        let (data, agents) = (server.data(), server.directory().join("agents"));
        for args in [&["agent", "check", "claude_code"][..], &["doctor"]] {
            let command = server.typed(args).env("OPENRUNNER_DATA_DIR", &data).env("OPENRUNNER_AGENTS_DIR", &agents);
            let printed = command.env("OPENRUNNER_AGENT_PATHS", server.directory()).done().await;
            assert!(printed.out.contains("claude"), "{printed:?}");
            assert_eq!(attempts(&server.home()), harmless, "{args:?}");
        }
    });
}

#[test]
fn without_isolation_a_replaced_program_can_do_what_the_account_can() {
    live(async {
        let server = Setup::new().agent_script(ATTEMPTS).env("OPENRUNNER_ISOLATION", "none").start().await;
        inspected(&server).await;
        let found = attempts(&server.home());
        let reached = ["read jwt.key", "read openrunner.db", "wrote into the data directory", "saw a server"];
        assert!(expected(&reached).is_subset(&found), "the attempts work where nothing prevents them: {found:?}");
    });
}

#[test]
fn a_program_that_cannot_be_isolated_is_not_run() {
    live(async {
        let server = Setup::new().agent_script(ATTEMPTS).start().await;
        if !is_isolated(&server) {
            return;
        }
        inspected(&server).await;
        attempts(&server.home());
        // A data directory that was moved would not be hidden.
        let moved = server.directory().join("moved");
        fs::rename(server.data(), &moved).unwrap();
        fs::create_dir_all(server.data().join("empty")).unwrap();
        let program = server.directory().join("agents/bin/claude");
        fs::write(&program, fs::read_to_string(&program).unwrap() + "\n# changed\n").unwrap();
        let user = server.client("user").await;
        let claude = loop {
            let agents = user.get("/health/agents").await;
            let claude = claude(&agents.body);
            // Until the inspection has ended, there is neither a version nor an error.
            if claude["error"].is_string() || claude["version"].is_string() {
                break claude;
            }
        };
        assert!(claude["error"].as_str().unwrap().contains("was moved or replaced since the server started"), "{claude}");
        assert!(!server.home().join("attempts").exists());
        fs::remove_dir_all(server.data()).unwrap();
        fs::rename(&moved, server.data()).unwrap();
    });
}

#[test]
fn a_program_is_inspected_under_the_account_of_agents_at_every_level() {
    live(async {
        for level in ["none", "files", "guard", "sandbox"] {
            let Some(setup) = with_account() else { return };
            let setup = setup.agent_script(ATTEMPTS).env("OPENRUNNER_ISOLATION", level);
            let home = setup.directory().join("home-of-agent");
            let server = setup.start().await;
            inspected(&server).await;
            let mut found = attempts(&home);
            if level == "none" {
                // Its directory is the home directory of the account.
                found.retain(|line| !line.starts_with("found "));
                found.remove("wrote into its directories");
            }
            // Only namespaces hide processes.
            if ["none", "files"].contains(&level) {
                found.remove("saw a server");
            }
            let mut harmless = BTreeSet::from([format!("account {}", super::accounts::UID)]);
            if level != "none" {
                harmless.insert("wrote into its directories".to_owned());
            }
            assert_eq!(found, harmless, "{level}");
            assert_eq!(fs::read_dir(server.data().join("empty")).unwrap().count(), 0, "{level}: what it has left is removed");
        }
    });
}
