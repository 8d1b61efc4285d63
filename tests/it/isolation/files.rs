//! Agents at level `files`: what they cannot open, and what they still can.
//!
//! Rules: G1, G2.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::plain;
use crate::support::{Setup, live, of};

/// What the agent tries. Everything that succeeds is written to a file in its working directory.
const ATTEMPTS: &str = r#"
facts="${0%/agents/bin/claude}/facts"
if [ -e "$facts" ] && [ "$1" != --version ] && [ "$1" != auth ]; then
    . "$facts"
    {
        for secret in "$DATA/jwt.key" "$DATA/openrunner.db" "$SETTINGS" "$OTHER_FILE" "$OTHER_OUT"; do
            cat "$secret" >/dev/null 2>&1 && echo "read $secret"
            { echo x >>"$secret"; } 2>/dev/null && echo "wrote $secret"
            ln "$secret" "$PWD/link" 2>/dev/null && cat "$PWD/link" >/dev/null 2>&1 && echo "linked $secret"
            mv "$secret" "$PWD/moved" 2>/dev/null && echo "moved $secret"
            python3 -c 'import os, sys; os.truncate(sys.argv[1], 0)' "$secret" 2>/dev/null && echo "truncated $secret"
        done
        for directory in "$DATA" "$DATA/runs" "$OTHER_WORKSPACE"; do
            ls "$directory" >/dev/null 2>&1 && echo "listed $directory"
            { echo x >"$directory/new"; } 2>/dev/null && echo "wrote into $directory"
        done
        mv "$DATA" "$DATA-moved" 2>/dev/null && echo 'moved the data directory'
        for device in /dev/*; do
            [ -b "$device" ] && dd if="$device" of=/dev/null count=1 2>/dev/null && echo "read $device"
        done
        mknod "$PWD/disk" b 254 0 2>/dev/null && cat "$PWD/disk" >/dev/null 2>&1 && echo 'read a disk'
        old=$(cat /proc/sys/kernel/core_pattern) && { echo "$old" >/proc/sys/kernel/core_pattern; } 2>/dev/null && echo 'set core_pattern'
        cat "/proc/$SERVER/environ" >/dev/null 2>&1 && echo 'read the environment of the server'
        cat "/proc/$SERVER/root$DATA/jwt.key" >/dev/null 2>&1 && echo 'went through the server'
        # What must still work.
        { echo x >"$TMPDIR/own" && echo x >"$HOME/own" && echo x >"$PWD/own" && cat /etc/passwd >/dev/null; } && echo 'OK files'
        mkdir "$PWD/a" && mv "$PWD/own" "$PWD/a/own" && [ "$(ls "$PWD/a")" = own ] && echo 'OK directories'
        sh -c 'trap "exit 9" TERM; kill -TERM $$'
        [ $? = 9 ] && echo 'OK signals'
    } >"attempts" 2>&1
fi
exec "$AGENT" "$@"
"#;

#[test]
fn an_agent_cannot_open_the_files_of_the_server_or_of_other_runs() {
    nothing_is_opened(Some);
}

#[test]
fn an_agent_of_a_plain_account_cannot_open_the_files_of_the_server_or_of_other_runs() {
    nothing_is_opened(plain);
}

/// Under the account of the tests, or another one.
fn nothing_is_opened(under: fn(Setup) -> Option<Setup>) {
    live(async move {
        let setup = Setup::new().agent_script(ATTEMPTS).env("OPENRUNNER_ISOLATION", "files").env("OPENRUNNER_AGENT_PATHS", "");
        let directory = setup.directory().to_owned();
        fs::write(directory.join("settings.toml"), "max_queue = 100\n").expect("test setup");
        fs::set_permissions(directory.join("settings.toml"), fs::Permissions::from_mode(0o600)).expect("the test owns it");
        let setup = setup.env("OPENRUNNER_CONFIG", directory.join("settings.toml").display());
        // The login of the command line, which does not make the home directory read-only.
        let logins = directory.join("home/.config/openrunner");
        fs::create_dir_all(&logins).expect("test setup");
        let Some(setup) = under(setup) else { return };
        let server = setup.start().await;
        // Where a service starts programs for root, the level is not held for root.
        if !server.isolates() {
            eprintln!("NOT TESTED: level files is not held here");
            return;
        }
        let (admin, user) = (server.client("admin").await, server.client("user").await);
        let (data, directory) = (server.data().display().to_string(), directory.display());
        let other = admin.script("say up\nhang").await;
        admin.follow(&other).await.until_text("up").await;
        let workspace = format!("{data}/workspaces/{other}");
        fs::write(format!("{workspace}/file"), "text").expect("test setup");
        let facts = [
            ("DATA", data.clone()),
            ("SETTINGS", format!("{directory}/settings.toml")),
            ("OTHER_WORKSPACE", workspace.clone()),
            ("OTHER_FILE", format!("{workspace}/file")),
            ("OTHER_OUT", format!("{data}/runs/{other}/out")),
            ("SERVER", server.pid().to_string()),
        ];
        let text: String = facts.iter().map(|(name, value)| format!("{name}='{value}'\n")).collect::<Vec<_>>().concat();
        fs::write(server.directory().join("facts"), text).expect("test setup");
        fs::set_permissions(server.directory().join("facts"), fs::Permissions::from_mode(0o644)).expect("the test owns it");
        for mode in ["auto", "ask", "read_only"] {
            let id = user.script_with("result tried", json!({ "permission_mode": mode })).await;
            let frames = user.follow(&id).await.rest().await;
            let attempts = fs::read_to_string(server.data().join("workspaces").join(&id).join("attempts")).expect("test setup");
            let expected: BTreeSet<&str> = ["OK files", "OK directories", "OK signals"].into();
            assert_eq!(attempts.lines().collect::<BTreeSet<_>>(), expected, "mode {mode}");
            assert_eq!(of(&frames, "run_started")[0]["isolation"]["level"], "files");
            let notices = of(&frames, "notice");
            let names = |notice: &&Value| notice["message"].as_str().expect("a text").contains(logins.to_str().expect("a text"));
            assert!(notices.iter().any(names), "what is not hidden is named: {notices:?}");
            let says_so =
                |notice: &&Value| notice["code"] == "weak_guarantee" && notice["message"].as_str().expect("a text").contains("sockets");
            assert!(notices.iter().any(says_so), "the run says what the level does not guarantee: {notices:?}");
        }
        admin.cancel(&other).await;
    });
}
