//! Agents at level `guard`: what they cannot reach, and what still works.
//!
//! Rules: G1, G2, K1, S8, S12.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

use rustix::process::{Signal, kill_process};
use serde_json::json;

use super::{is_isolated, plain};
use crate::support::{Server, Setup, carrying, last, live, notice, of, shim_of};

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
        # With its own shim it could answer its own request.
        for socket in "$OTHER_SOCKET" "$DATA/runs/$ORN_RUN/socket"; do
            python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])' "$socket" 2>/dev/null && echo "connected to $socket"
        done
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
        assert_eq!(of(&started, "run_started")[0]["isolation"]["level"], "guard");
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
        let Some(setup) = plain(probing()) else { return };
        let server = setup.start().await;
        if is_isolated(&server) {
            nothing_is_reached(&server).await;
        }
    });
}

/// Tries to read files with secrets when the test says so, while the agent is running.
const LATER: &str = r#"
if [ "$1" != --version ] && [ "$1" != auth ]; then
    directory="${0%/agents/bin/claude}"
    mkfifo go tried
    {
        read -r _ <go
        cat "$directory/settings/openrunner.toml" && echo 'read the settings'
        cat "$directory/home/.config/openrunner/servers.toml" && echo 'read the logins'
        echo tried
    } >tried 2>/dev/null &
fi
exec "$AGENT" "$@"
"#;

#[test]
fn files_with_secrets_that_are_written_while_an_agent_is_running_are_hidden_from_it() {
    live(async {
        let setup = Setup::new().agent_script(LATER);
        let settings = setup.directory().join("settings/openrunner.toml");
        let write = |path: &std::path::Path| {
            std::fs::write(path, "max_queue = 100\n").expect("test setup");
            std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).expect("the test owns it");
        };
        std::fs::create_dir(settings.parent().unwrap()).unwrap();
        write(&settings);
        let server = setup.env("OPENRUNNER_CONFIG", settings.display()).start().await;
        if !is_isolated(&server) {
            return;
        }
        let user = server.client("user").await;
        let id = user.script("say up\nhang").await;
        user_waits(&user, &id).await;
        // As most programs save a file.
        let new = settings.with_extension("new");
        write(&new);
        std::fs::rename(&new, &settings).unwrap();
        write(&server.home().join(".config/openrunner/servers.toml"));
        let workspace = server.data().join("workspaces").join(&id);
        let (go, tried) = (workspace.join("go"), workspace.join("tried"));
        let tried = tokio::task::spawn_blocking(move || std::fs::read_to_string(tried));
        tokio::task::spawn_blocking(move || std::fs::write(go, "\n")).await.unwrap().unwrap();
        assert_eq!(tried.await.unwrap().unwrap(), "tried\n");
        user.cancel(&id).await;
        assert_eq!(user.end_of(&id).await["status"], "cancelled");
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
