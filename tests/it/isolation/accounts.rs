//! Agents under another account.
//!
//! Rules: G1, G3.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use crate::support::{Setup, last, live, of};

/// The account of the agents in the test's list of accounts.
pub(super) const UID: u32 = 54321;

/// Reports who the agent is, and what it can open.
const ATTEMPTS: &str = r#"
if [ "$1" != --version ] && [ "$1" != auth ]; then
    { id -u; id -G; echo "$USER $HOME"; echo x >"$PWD/own"; echo x >"$HOME/own"; echo x >"$TMPDIR/own"; } >"$PWD/report" 2>&1
    cat "$HOME/data" "${0%/agents/bin/claude}/data/jwt.key" "${0%/agents/bin/claude}/data/openrunner.db" >/dev/null 2>&1 && echo 'read the data' >>"$PWD/report"
    python3 -c 'import http.client as h; c = h.HTTPConnection("127.0.0.1", 3128, timeout=30); c.set_tunnel("a.example", 443); c.request("GET", "/")' 2>/dev/null
fi
exec "$AGENT" "$@"
"#;

/// A server of root with an account for its agents, in a mount namespace with its own list of accounts. `None` if this test does not run as
/// root or another account cannot execute the programs.
pub(super) fn with_account() -> Option<Setup> {
    let setup = Setup::new().agent_script(ATTEMPTS);
    let directory = setup.directory().to_owned();
    let reachable = std::process::Command::new("setpriv")
        .args([&format!("--reuid={UID}"), "--regid=54322", "--clear-groups", env!("CARGO_BIN_EXE_fake_agent"), "--version"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !rustix::process::geteuid().is_root() || !reachable {
        eprintln!("NOT TESTED: only root can start agents under another account, and it must be able to execute them");
        return None;
    }
    let home = directory.join("home-of-agent");
    fs::create_dir(&home).expect("test setup");
    chown(&home, Some(UID), Some(54322)).expect("root may");
    for open in [directory.clone(), directory.join("agents")] {
        fs::set_permissions(open, fs::Permissions::from_mode(0o755)).expect("the test owns it");
    }
    let accounts = fs::read_to_string("/etc/passwd").expect("a list of accounts");
    let line = format!("agent-of-test:x:{UID}:54322::{}:/bin/sh\n", home.display());
    fs::write(directory.join("passwd"), accounts + &line).expect("test setup");
    let script = format!(
        "[ -n \"$IN_NAMESPACE\" ] || exec env IN_NAMESPACE=1 unshare --mount sh -c 'mount --bind {}/passwd /etc/passwd && exec \"$0\"' \"$0\"",
        directory.display()
    );
    Some(setup.env("OPENRUNNER_AGENT_USER", "agent-of-test").after_shell(&script))
}

#[test]
fn agents_run_under_the_account_of_the_settings_at_every_level() {
    live(async {
        for level in ["none", "files", "guard", "sandbox"] {
            let Some(setup) = with_account() else { return };
            let server = setup.env("OPENRUNNER_ISOLATION", level).start().await;
            let user = server.client("user").await;
            let id = user.script("result x").await;
            let frames = user.follow(&id).await.rest().await;
            assert_eq!(last(&frames)["status"], "completed", "{level}: {}", last(&frames));
            assert_eq!(of(&frames, "run_started")[0]["isolation"]["level"], level);
            let hosts: Vec<&str> = of(&frames, "network").into_iter().filter_map(|event| event["host"].as_str()).collect();
            assert_eq!(hosts, if level == "sandbox" { vec!["a.example"] } else { vec![] }, "the proxy serves the account");
            let workspace = server.data().join("workspaces").join(&id);
            let home = server.directory().join("home-of-agent");
            let report = fs::read_to_string(workspace.join("report")).expect("test setup");
            assert_eq!(report, format!("{UID}\n54322\nagent-of-test {}\n", home.display()), "{level}");
            assert_eq!(fs::metadata(workspace.join("own")).expect("it wrote it").uid(), UID, "{level}");
            assert_eq!(home.join("own").exists(), level != "sandbox", "{level}: a sandbox has a private home directory");
            assert_eq!(of(&frames, "run_started")[0]["isolation"]["account"], "agent-of-test");
            let notice = of(&frames, "notice").into_iter().find(|notice| notice["message"].as_str().unwrap().contains("agent-of-test"));
            assert_eq!(notice.is_some(), ["none", "files"].contains(&level), "{level}: which runs the agent can reach");
            let mode = fs::metadata(server.data()).expect("it exists").mode();
            assert_eq!(mode & 0o066, 0, "{level}: others cannot list the data directory");
            let id = user.script("children 2 session orphan clear-env ignore-term\nignore-term\nsay up\nhang").await;
            user.follow(&id).await.until_text("up").await;
            user.cancel(&id).await;
            assert_eq!(last(&user.follow(&id).await.rest().await)["status"], "cancelled", "{level}");
            assert_eq!(crate::support::carrying(&id), [0; 0], "{level}");
        }
    });
}

#[test]
fn an_account_that_cannot_be_used_stops_the_start_with_a_remedy() {
    live(async {
        for (name, reason) in [("no-such-account", "useradd"), ("root", "another account")] {
            let (status, log) = Setup::new().env("OPENRUNNER_AGENT_USER", name).fails_to_start().await;
            assert!(!status.success() && log.contains("OPENRUNNER_AGENT_USER") && log.contains(reason), "{log}");
        }
        if rustix::process::geteuid().is_root() {
            let setup = Setup::new().env("OPENRUNNER_AGENT_USER", "daemon");
            let (status, log) = setup.fails_to_start().await;
            assert!(!status.success() && log.contains("home directory"), "{log}");
        }
    });
}
