//! `openrunner user` and `openrunner key` on a data directory, with and without a server.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::{Server, live};

/// Runs `openrunner` on a data directory, with this standard input.
fn openrunner(data: &std::path::Path, args: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_openrunner"));
    command.env_clear().args(args).arg("--data-dir").arg(data).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    // The command may have failed before it read its input.
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    child.wait_with_output().expect("it ends")
}

fn succeeds(data: &std::path::Path, args: &[&str], input: &str) -> String {
    let output = openrunner(data, args, input);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn fails_to_start(data: &std::path::Path, args: &[&str], input: &str) -> String {
    let output = openrunner(data, args, input);
    assert!(!output.status.success() && output.stdout.is_empty(), "{args:?}");
    String::from_utf8(output.stderr).expect("text")
}

fn users(data: &std::path::Path) -> Value {
    let mut users = serde_json::from_str::<Value>(&succeeds(data, &["user", "ls", "--json"], "")).expect("JSON")["items"].clone();
    for user in users.as_array_mut().expect("a list") {
        let id = user.as_object_mut().expect("an object").remove("user_id").expect("an id");
        assert!(id.as_str().is_some_and(|id| id.starts_with("usr_")), "{id}");
    }
    users
}

#[test]
fn users_can_be_managed_without_a_server() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let user = |name: &str, role: &str, default: bool| json!({ "username": name, "role": role, "default_password": default, "budget": {} });
    assert_eq!(users(&data), json!([user("admin", "admin", true), user("user", "user", true)]));
    succeeds(&data, &["user", "create", "carol", "--role", "admin"], "correct horse\n");
    succeeds(&data, &["user", "set", "admin", "--password"], "better than before");
    succeeds(&data, &["user", "rm", "user"], "");
    assert_eq!(users(&data), json!([user("admin", "admin", false), user("carol", "admin", false)]));
    assert!(succeeds(&data, &["user", "ls"], "").contains("carol\tadmin"));
    for (args, input, why) in [
        (vec!["user", "create", "carol"], "correct horse", "user carol already exists"),
        (vec!["user", "create", "dora"], "short", "8 to 1024 characters"),
        (vec!["user", "create", "dora"], "", "the password is missing"),
        (vec!["user", "set", "nemo", "--password"], "correct horse", "user nemo not found"),
        (vec!["user", "rm", "nemo"], "", "user nemo not found"),
        (vec!["user", "create", "../x"], "correct horse", "invalid username"),
        (vec!["user", "create", "dora", "--role", "king"], "correct horse", "expected user or admin"),
    ] {
        let said = fails_to_start(&data, &args, input);
        assert!(said.contains(why), "{args:?}: {said}");
    }
    succeeds(&data, &["user", "rm", "carol"], "");
    assert!(fails_to_start(&data, &["user", "rm", "admin"], "").contains("the only admin"));
}

#[test]
fn a_running_server_sees_offline_changes_at_the_next_request() {
    live(async {
        let server = Server::start().await;
        let (data, guest) = (server.data(), server.guest());
        let user = server.client("user").await;
        succeeds(&data, &["user", "set", "user", "--password"], "a fine password\n");
        user.get("/api/auth/me").await.problem(401, "token_invalid");
        let user = guest.login("user", "a fine password").await;
        let key =
            succeeds(&data, &["key", "create", "--owner", "user", "--name", "ci", "--scope", "runs:read", "--expires-in-days", "1"], "");
        let program = guest.with_token(key.trim());
        assert_eq!(program.get("/api/runs").await.status, 200);
        let keys: Value = serde_json::from_str(&succeeds(&data, &["key", "ls", "--owner", "user", "--json"], "")).unwrap();
        let keys = &keys["items"];
        let id = keys[0]["id"].as_str().unwrap();
        assert!(keys[0]["last_used_at"].is_string() && keys[0]["expires_at"].is_string(), "{keys}");
        assert!(succeeds(&data, &["key", "ls"], "").contains(id));
        succeeds(&data, &["key", "rm", id], "");
        program.get("/api/runs").await.problem(401, "token_invalid");
        assert!(fails_to_start(&data, &["key", "rm", id], "").contains("not found"));
        assert!(
            fails_to_start(&data, &["key", "create", "--owner", "admin", "--name", "x", "--scope", "admin"], "")
                .contains("default password")
        );
        succeeds(&data, &["user", "rm", "user"], "");
        user.get("/api/auth/me").await.problem(401, "token_invalid");
        let admin = server.client("admin").await;
        let log = admin.get("/api/audit?since=2000-01-01T00:00:00Z").await;
        let of_commands: Vec<_> = log.body["items"].as_array().unwrap().iter().filter(|entry| entry["address"].is_null()).collect();
        let said: Vec<_> =
            of_commands.iter().rev().map(|entry| format!("{} {}", entry["action"], entry["outcome"]).replace('"', "")).collect();
        let expected = ["user.change ok", "key.create ok", "key.delete ok", "key.delete refused", "key.create refused", "user.delete ok"];
        assert_eq!(said, expected);
    });
}

/// Runs the commands of a page in order, on a fresh data directory, and returns the server and what they printed.
async fn pasted(page: &str) -> (Server, String) {
    let server = Server::start().await;
    let page = std::fs::read_to_string(crate::docs::root().join(page)).expect("a page");
    let blocks: Vec<&str> = page.split("```bash\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() >= 2, "{blocks:?}");
    let directory = std::path::Path::new(env!("CARGO_BIN_EXE_openrunner")).parent().expect("it lies in a directory");
    let mut shell = tokio::process::Command::new("bash");
    shell.args(["-o", "errexit", "-o", "nounset", "-o", "pipefail", "-c", &blocks.concat()]).env_clear().current_dir(server.home());
    shell.env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", directory.display())).env("HOME", server.home());
    shell.env("OPENRUNNER_URL", server.url()).env("OPENRUNNER_DATA_DIR", server.data());
    let output = shell.kill_on_drop(true).output().await.expect("bash");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    (server, text(&output.stdout))
}

#[test]
fn the_commands_of_the_page_on_the_command_line_run_in_order() {
    live(async {
        let (server, printed) = pasted("docs/cli.md").await;
        assert!(printed.contains("done  completed"), "{printed}");
        assert!(server.home().join(".local/share/man/man1/openrunner-run-ls.1").exists());
    });
}

#[test]
fn the_commands_of_the_recipes_run_in_order() {
    live(async {
        let (server, printed) = pasted("docs/recipes.md").await;
        assert!(printed.contains("\"status\":\"completed\""), "{printed}");
        for repository in ["one", "two"] {
            assert!(server.home().join("batch").join(repository).join("hello.py").exists(), "{printed}");
        }
    });
}
