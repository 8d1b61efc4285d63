//! The commands that work on a data folder's users and keys, with and without a server.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::{Server, live};

/// Runs `openrunner` on the data folder, with this on standard input.
fn openrunner(data: &std::path::Path, args: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_openrunner"));
    command.env_clear().args(args).arg("--data-dir").arg(data).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    // A command that refuses before it reads has closed the pipe.
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    child.wait_with_output().expect("it ends")
}

fn succeeds(data: &std::path::Path, args: &[&str], input: &str) -> String {
    let output = openrunner(data, args, input);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn refuses(data: &std::path::Path, args: &[&str], input: &str) -> String {
    let output = openrunner(data, args, input);
    assert!(!output.status.success() && output.stdout.is_empty(), "{args:?}");
    String::from_utf8(output.stderr).expect("text")
}

fn users(data: &std::path::Path) -> Value {
    serde_json::from_str(&succeeds(data, &["user", "list", "--json"], "")).expect("JSON")
}

#[test]
fn users_can_be_managed_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let user = |name: &str, role: &str, default: bool| json!({ "username": name, "role": role, "default_password": default, "budget": {} });
    assert_eq!(users(&data), json!([user("admin", "admin", true), user("user", "user", true)]));
    succeeds(&data, &["user", "add", "carol", "--role", "admin"], "correct horse\n");
    succeeds(&data, &["user", "passwd", "admin"], "better than before");
    succeeds(&data, &["user", "remove", "user"], "");
    assert_eq!(users(&data), json!([user("admin", "admin", false), user("carol", "admin", false)]));
    assert!(succeeds(&data, &["user", "list"], "").contains("carol  admin"));
    for (args, input, why) in [
        (vec!["user", "add", "carol"], "correct horse", "there is a user carol already"),
        (vec!["user", "add", "dora"], "short", "8 to 1024 characters"),
        (vec!["user", "add", "dora"], "", "no password came"),
        (vec!["user", "passwd", "nobody"], "correct horse", "there is no user nobody"),
        (vec!["user", "remove", "nobody"], "", "there is no user nobody"),
        (vec!["user", "add", "../x"], "correct horse", "invalid username"),
        (vec!["user", "add", "dora", "--role", "king"], "correct horse", "not a role"),
    ] {
        let said = refuses(&data, &args, input);
        assert!(said.contains(why), "{args:?}: {said}");
    }
    succeeds(&data, &["user", "remove", "carol"], "");
    assert!(refuses(&data, &["user", "remove", "admin"], "").contains("the only admin"));
}

#[test]
fn a_running_server_sees_offline_changes_at_the_next_request() {
    live(async {
        let server = Server::start().await;
        let (data, guest) = (server.data(), server.guest());
        let user = server.client("user").await;
        succeeds(&data, &["user", "passwd", "user"], "a fine password\n");
        user.get("/api/auth/me").await.problem(401, "token_invalid");
        let user = guest.login("user", "a fine password").await;
        let key =
            succeeds(&data, &["key", "create", "--user", "user", "--name", "ci", "--scope", "runs:read", "--expires-in-days", "1"], "");
        let program = guest.with_token(key.trim());
        assert_eq!(program.get("/api/runs").await.status, 200);
        let keys: Value = serde_json::from_str(&succeeds(&data, &["key", "list", "--user", "user", "--json"], "")).unwrap();
        let id = keys[0]["id"].as_str().unwrap();
        assert!(keys[0]["last_used_at"].is_string() && keys[0]["expires_at"].is_string(), "{keys}");
        assert!(succeeds(&data, &["key", "list"], "").contains(id));
        succeeds(&data, &["key", "revoke", id], "");
        program.get("/api/runs").await.problem(401, "token_invalid");
        assert!(refuses(&data, &["key", "revoke", id], "").contains("there is no key"));
        assert!(refuses(&data, &["key", "create", "--user", "admin", "--name", "x", "--scope", "admin"], "").contains("default password"));
        succeeds(&data, &["user", "remove", "user"], "");
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
