//! Isolated agents: what they cannot reach, and what still works.
//!
//! Rules: G1, G2, G3, K1, K3, S8, S12.

use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

use crate::support::{Server, Setup, assert_dense, carrying, last, live, notice, of, shim_of};

/// An account without rights of its own.
const PLAIN: u32 = 65534;

/// What each isolated agent tries, as a shell script. `facts` names the paths; what succeeds is written to a file in the working directory.
const ATTEMPTS: &str = r#"
facts="${0%/agents/bin/claude}/facts"
if [ -e "$facts" ] && [ "$1" != --version ] && [ "$1" != auth ]; then
    . "$facts"
    {
        for secret in "$DATA/jwt.key" "$DATA/openrunner.db" "$SETTINGS" "$LOGINS" "$OTHER_FILE" "$OTHER_OUT"; do
            cat "$secret" >/dev/null 2>&1 && echo "read $secret"
            { echo x >>"$secret"; } 2>/dev/null && echo "wrote $secret"
        done
        for directory in "$DATA/runs" "$OTHER_WORKSPACE" "$OTHER_PROCESS"; do
            ls "$directory" >/dev/null 2>&1 && echo "listed $directory"
        done
        { echo x >"$DATA/new"; } 2>/dev/null && echo 'wrote into the data directory'
        python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])' "$OTHER_SOCKET" 2>/dev/null && echo 'connected to a shim'
        for pid in $SERVER $OTHER_SHIM $OTHER_AGENT; do
            cat "/proc/$pid/cmdline" 2>/dev/null | tr '\0' ' ' | grep -E 'openrunner|fake_agent' && echo "saw $pid"
        done
        grep -l "$OTHER_RUN" /proc/[0-9]*/environ 2>/dev/null && echo 'saw the environment of another run'
        # Ways around the mounts: take them away, look below them, move what they lie in.
        umount "$DATA" 2>/dev/null && cat "$DATA/jwt.key" && echo 'unmounted'
        unshare --user --map-root-user --mount sh -c 'umount "$1"; cat "$1/jwt.key"' - "$DATA" 2>/dev/null && echo 'unmounted in a namespace'
        unshare --user --map-root-user --mount sh -c 'mkdir -p "$2/m" && mount --bind "${1%/*}" "$2/m" && cat "$2/m/${1##*/}/jwt.key"' - "$DATA" "$PWD" 2>/dev/null &&
            echo 'looked below'
        nsenter --target 1 --mount cat "$DATA/jwt.key" 2>/dev/null && echo 'entered another namespace'
        cat "/proc/1/root$DATA/jwt.key" "/proc/1/cwd/../data/jwt.key" 2>/dev/null && echo 'went through init'
        mv "${DATA%/*}" "${DATA%/*}-moved" 2>/dev/null && echo 'moved the directory above'
        mv "$DATA" "$DATA-moved" 2>/dev/null && echo 'moved the data directory'
        # Each writes what is there, so that a failed test changes nothing.
        { cat /proc/sys/kernel/core_pattern >"$TMPDIR/pattern" && cat "$TMPDIR/pattern" >/proc/sys/kernel/core_pattern; } 2>/dev/null &&
            echo 'changed the kernel'
        { echo 0 >"/sys/fs/cgroup/cgroup.procs"; } 2>/dev/null && echo 'changed a control group'
        for disk in /dev/vd* /dev/sd* /dev/nvme*n*; do
            [ -b "$disk" ] && head -c 1 "$disk" >/dev/null 2>&1 && echo "read $disk"
        done
        mknod "$PWD/disk" b 254 0 2>/dev/null && head -c 1 "$PWD/disk" >/dev/null 2>&1 && echo 'made a disk'
        [ -e "$OUTER_TEMP" ] && echo 'saw the temporary files of others'
        [ "$(ls /proc/self/fd | tr '\n' ' ')" = '0 1 2 3 ' ] || echo "inherited $(ls /proc/self/fd | tr '\n' ' ')"
        # What must still work.
        { echo x >"/tmp/own" && echo x >"$TMPDIR/other"; } && [ -e /tmp/other ] && echo 'OK temp'
        { echo x >"$HOME/own"; } && echo 'OK home'
        { echo x >"$PWD/own"; } && echo 'OK workspace'
        sh -c 'trap "exit 9" TERM; kill -TERM $$'
        [ $? = 9 ] && echo 'OK signals'
    } >"attempts" 2>&1
fi
exec "$AGENT" "$@"
"#;

/// Whether agents are isolated here. If not, the test is skipped, except as root with CI=true.
fn is_isolated(server: &Server) -> bool {
    if server.isolates() {
        return true;
    }
    let must = std::env::var("CI").as_deref() == Ok("true") && rustix::process::geteuid().is_root();
    assert!(!must, "agents are not isolated:\n{}", server.log());
    eprintln!("NOT TESTED: agents cannot be isolated here");
    false
}

/// Gives everything in the directory to another account.
fn give(directory: &Path, account: u32) {
    for entry in std::fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry")) {
        if entry.file_type().expect("a type").is_dir() {
            give(&entry.path(), account);
        } else if !entry.path().is_symlink() {
            chown(entry.path(), Some(account), Some(account)).expect("root may");
        }
    }
    chown(directory, Some(account), Some(account)).expect("root may");
}

/// A server whose agents try to reach its state.
fn probing() -> Setup {
    let setup = Setup::new().agent_script(ATTEMPTS);
    let directory = setup.directory().to_owned();
    std::fs::create_dir_all(directory.join("home/.config/openrunner")).expect("test setup");
    for secret in ["home/.config/openrunner/servers.toml", "settings.toml"] {
        std::fs::write(directory.join(secret), "").expect("test setup");
        std::fs::set_permissions(directory.join(secret), PermissionsExt::from_mode(0o600)).expect("test setup");
    }
    std::fs::write(directory.join("settings.toml"), "max_queue = 100\n").expect("test setup");
    setup.env("OPENRUNNER_CONFIG", directory.join("settings.toml").display())
}

/// Starts runs that try everything, in each mode, and asserts that they reach nothing.
async fn nothing_is_reached(server: &Server) {
    let (admin, user) = (server.client("admin").await, server.client("user").await);
    let other = admin.script("say up\nhang").await;
    user_waits(&admin, &other).await;
    let (directory, data) = (server.directory().display().to_string(), server.data().display().to_string());
    std::fs::write(format!("{data}/workspaces/{other}/file"), "text").expect("test setup");
    let outer_temp = tempfile::NamedTempFile::new_in("/tmp").expect("test setup");
    let facts = [
        ("DATA", data.clone()),
        ("SETTINGS", format!("{directory}/settings.toml")),
        ("LOGINS", format!("{directory}/home/.config/openrunner/servers.toml")),
        ("OTHER_RUN", other.clone()),
        ("OTHER_WORKSPACE", format!("{data}/workspaces/{other}")),
        ("OTHER_FILE", format!("{data}/workspaces/{other}/file")),
        ("OTHER_PROCESS", format!("{data}/runs/{other}")),
        ("OTHER_OUT", format!("{data}/runs/{other}/out")),
        ("OTHER_SOCKET", format!("{data}/runs/{other}/socket")),
        ("OTHER_SHIM", shim_of(&other).as_raw_nonzero().to_string()),
        ("OTHER_AGENT", carrying(&other)[0].to_string()),
        ("SERVER", server.pid().to_string()),
        ("OUTER_TEMP", outer_temp.path().display().to_string()),
    ];
    let text: String = facts.iter().map(|(name, value)| format!("{name}='{value}'\n")).collect::<Vec<_>>().concat();
    std::fs::write(server.directory().join("facts"), text).expect("test setup");
    std::fs::set_permissions(server.directory().join("facts"), PermissionsExt::from_mode(0o644)).expect("test setup");
    for mode in ["auto", "ask", "read_only"] {
        let id = user.script_with("result tried", json!({ "permission_mode": mode })).await;
        let end = user.end_of(&id).await;
        assert_eq!(end["status"], "completed", "{end}");
        let attempts = std::fs::read_to_string(server.data().join("workspaces").join(&id).join("attempts")).expect("test setup");
        let expected: BTreeSet<&str> = ["OK temp", "OK home", "OK workspace", "OK signals"].into();
        assert_eq!(attempts.lines().collect::<BTreeSet<_>>(), expected, "mode {mode}");
        let started = user.follow(&id).await.rest().await;
        assert_eq!(of(&started, "run_started")[0]["isolation"], json!({ "level": "guard" }));
        assert_eq!(notice(&started, "weak_guarantee").is_some(), mode != "auto", "only of the default passwords");
        assert!(!server.data().join("runs").join(&id).join("tmp").exists(), "its temporary files stay");
    }
    // The shim of the other run was not disturbed.
    admin.cancel(&other).await;
    assert_eq!(last(&admin.follow(&other).await.rest().await)["status"], "cancelled");
}

async fn user_waits(client: &crate::support::Client, id: &str) {
    client.follow(id).await.until_text("up").await;
}

#[test]
fn an_isolated_agent_cannot_reach_the_server_or_other_runs() {
    live(async {
        let server = probing().start().await;
        if is_isolated(&server) {
            nothing_is_reached(&server).await;
        }
    });
}

#[test]
fn an_isolated_agent_of_a_plain_account_cannot_reach_the_server_or_other_runs() {
    live(async {
        if !rustix::process::geteuid().is_root() {
            return eprintln!("NOT TESTED: only root can start a server under another account");
        }
        let setup = probing();
        give(setup.directory(), PLAIN);
        let start = format!("exec setpriv --reuid={PLAIN} --regid={PLAIN} --clear-groups \"$0\"");
        let executable = Command::new("setpriv")
            .args([
                &format!("--reuid={PLAIN}"),
                &format!("--regid={PLAIN}"),
                "--clear-groups",
                env!("CARGO_BIN_EXE_openrunner"),
                "--version",
            ])
            .output();
        if !executable.is_ok_and(|output| output.status.success()) {
            return eprintln!("NOT TESTED: another account cannot execute the program in its directory");
        }
        let server = setup.after_shell(&start).start().await;
        if is_isolated(&server) {
            nothing_is_reached(&server).await;
        }
    });
}

#[test]
fn an_isolated_agent_survives_its_server_and_the_stream_stays_the_same() {
    live(async {
        let mut server = Server::start().await;
        if !is_isolated(&server) {
            return;
        }
        let go = server.directory().join("go");
        let user = server.client("user").await;
        let id = user.script(&format!("say before\nwait {}\nsay after\nresult done", go.display())).await;
        let before = user.follow(&id).await.until_text("before").await;
        let agents = carrying(&id);
        for _ in 0..3 {
            server = server.killed_and_started_again().await;
            assert_eq!(carrying(&id), agents, "the agent is the same process");
        }
        std::fs::write(go, "").unwrap();
        let user = server.client("user").await;
        let frames = user.follow(&id).await.rest().await;
        assert_dense(&frames);
        assert_eq!(last(&frames)["status"], "completed");
        assert!(before.iter().zip(&frames).all(|(live, replayed)| live.bytes == replayed.bytes));
        assert_eq!(of(&frames, "run_started")[0]["isolation"]["level"], "guard");
        assert_eq!(carrying(&id), [0; 0]);
    });
}

#[test]
fn an_isolated_agent_ends_with_its_shim() {
    live(async {
        let server = Server::start().await;
        if !is_isolated(&server) {
            return;
        }
        let user = server.client("user").await;
        let id = user.script("children 2 session orphan clear-env ignore-term\nhang").await;
        user.follow(&id).await.next_text().await;
        kill_process(shim_of(&id), Signal::KILL).unwrap();
        let frames = user.follow(&id).await.rest().await;
        assert_eq!(last(&frames)["cause"], "node_lost");
        assert_eq!(carrying(&id), [0; 0]);
    });
}

#[test]
fn an_isolated_agent_has_the_grace_period_to_end_by_itself() {
    live(async {
        let script = "[ \"$1\" = --version ] || [ \"$1\" = auth ] || trap 'echo ended >\"$HOME/ended\"; exit 3' TERM\nexec 3<&0\n\"$AGENT\" \"$@\" <&3 3<&- &\nwait $!";
        let server = Setup::new().agent_script(script).env("OPENRUNNER_STOP_GRACE_SECS", 20).start().await;
        if !is_isolated(&server) {
            return;
        }
        let user = server.client("user").await;
        let id =
            user.create("ignore-term\nignore-interrupts\nsay up\nhang", json!({ "agent_type": "claude_code", "timeout_secs": 2 })).await;
        let frames = user.follow(&id).await.rest().await;
        assert_eq!((&last(&frames)["cause"], &last(&frames)["exit_code"]), (&json!("timeout"), &json!(3)), "{}", last(&frames));
        assert_eq!(std::fs::read_to_string(server.home().join("ended")).unwrap(), "ended\n");
        assert_eq!(carrying(&id), [0; 0]);
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
        for client in [&admin, &user] {
            let refused = client.ask("result x", json!({ "agent_type": "claude_code", "isolation": "guard" })).await;
            assert_eq!(refused.problem(422, "isolation_unavailable"), "metadata.isolation");
            assert!(refused.text.contains("bubblewrap"), "{}", refused.text);
        }
        for metadata in [json!({}), json!({ "isolation": "none" })] {
            let id = user.script_with("result x", metadata).await;
            let frames = user.follow(&id).await.rest().await;
            let isolation = &of(&frames, "run_started")[0]["isolation"];
            assert_eq!(isolation["level"], "none");
            assert!(isolation["reason"].as_str().unwrap().contains("bubblewrap"), "{isolation}");
            let notice = notice(&frames, "weak_guarantee").expect("the run says that it is not isolated");
            assert!(notice["level"] == "warning" && notice["message"].as_str().unwrap().contains("not isolated"), "{notice}");
        }
        let (status, log) = without().env("OPENRUNNER_ISOLATION", "require:guard").fails_to_start().await;
        assert!(!status.success() && log.contains("OPENRUNNER_ISOLATION") && log.contains("apt install bubblewrap"), "{log}");
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
        let id = admin.create("result x", none.clone()).await;
        let frames = admin.follow(&id).await.rest().await;
        assert_eq!(of(&frames, "run_started")[0]["isolation"]["level"], "none");
        assert!(notice(&frames, "weak_guarantee").is_some());
        assert_eq!(admin.run(&id).await["isolation"], "none");

        let server = Setup::new().env("OPENRUNNER_ISOLATION", "require:guard").start().await;
        server.client("admin").await.ask("result x", none).await.problem(403, "isolation_required");

        let server = Setup::new().env("OPENRUNNER_ISOLATION", "none").start().await;
        let user = server.client("user").await;
        let id = user.script_with("result x", json!({ "isolation": "guard" })).await;
        let frames = user.follow(&id).await.rest().await;
        assert_eq!(of(&frames, "run_started")[0]["isolation"], json!({ "level": "guard" }), "a user may ask for more");
        assert!(notice(&frames, "weak_guarantee").is_none());
    });
}

#[test]
fn doctor_tries_the_isolation() {
    live(async {
        let server = Server::start().await;
        let data = server.data().display().to_string();
        let finding = |printed: &str| -> Value {
            let report: Value = serde_json::from_str(printed).expect("JSON");
            report["checks"].as_array().unwrap().iter().find(|check| check["check"] == "isolation").expect("a check").clone()
        };
        let without = server.typed(&["doctor", "--json", "--data-dir", &data]).env("PATH", "/nowhere").done().await;
        let found = finding(&without.out);
        assert!(found["level"] == "warning" && found["hint"].as_str().unwrap().contains("apt install bubblewrap"), "{found}");
        if is_isolated(&server) {
            let with = server.typed(&["doctor", "--json", "--data-dir", &data]).done().await;
            assert_eq!(finding(&with.out)["level"], "ok", "{}", with.out);
        }
    });
}
