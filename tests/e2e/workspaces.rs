//! The workspaces of the real programs: what they edit in a worktree is shown, reverted and committed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Agent, Server, for_each_agent, wait_for};

for_each_agent!(Server::shared();
    edits_of_two_turns_in_a_worktree_are_listed_reverted_and_committed,
);

/// Runs git as a user does, and returns its output.
fn git(directory: &Path, args: &[&str]) -> String {
    let identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "init.defaultBranch=main"];
    let mut command = Command::new("git");
    command.arg("-C").arg(directory).args(identity).args(args).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    let output = command.output().expect("git is needed for these tests");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

/// The changed files, with their status.
fn changed(server: &Server, run: &str, query: &str) -> Vec<(String, String)> {
    let answer = server.get(&format!("/api/runs/{run}/changes{query}"));
    let items = answer["items"].as_array().unwrap_or_else(|| panic!("no list: {answer}"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    items.iter().map(|file| (text(&file["path"]), text(&file["status"]))).collect()
}

fn status(files: &[(&str, &str)]) -> Vec<(String, String)> {
    files.iter().map(|(path, status)| ((*path).to_owned(), (*status).to_owned())).collect()
}

fn edits_of_two_turns_in_a_worktree_are_listed_reverted_and_committed(server: &Server, agent: Agent) {
    let repository = server.bench.new_directory();
    git(&repository, &["init", "--quiet"]);
    fs::write(repository.join("README.md"), "# Project\n").expect("a file");
    git(&repository, &["add", "."]);
    git(&repository, &["commit", "--quiet", "-m", "first"]);

    let workspace = json!({ "kind": "worktree", "repository": repository });
    let run = server.create(agent, "edit [[mock:edit delay=4]]", &json!({ "cwd": null, "workspace": workspace }));
    let mut follow = server.follow(&run);
    follow.until("token");
    let directory = PathBuf::from(server.get(&format!("/api/runs/{}", run.id))["working_dir"].as_str().expect("a path"));
    // The second turn waits until the snapshot after the first is made. It reads this file once it exists.
    let command = "until+test+-s+.git/go;do+:;done;cat+.git/go>>hello.py;rm+README.md";
    server.send_message(&run, "queue", &format!("and more [[mock:shell cmd={command}]]"));
    let first = follow.until("changes");
    assert_eq!((&first["files"], &first["insertions"]), (&json!(1), &json!(1)), "{agent}");
    fs::write(directory.join(".git/go"), "more\n").expect("the worktree has a repository of its own");
    let events = follow.finish();
    events.assert_completed("The command ran.");
    assert_eq!(events.all("changes").len(), 2, "{agent}");

    let goodbye = "print(\"goodbye from the mock\")\n";
    let read = |name: &str| fs::read_to_string(directory.join(name)).ok();
    assert_eq!((read("hello.py"), read("README.md")), (Some(format!("{goodbye}more\n")), None), "{agent}");
    assert_eq!(changed(server, &run.id, ""), status(&[("README.md", "deleted"), ("hello.py", "added")]));
    assert_eq!(changed(server, &run.id, "?turn=1"), status(&[("hello.py", "added")]));
    assert_eq!(changed(server, &run.id, "?turn=2"), status(&[("README.md", "deleted"), ("hello.py", "modified")]));

    // The driver of an ended run releases its session soon after the last event.
    let reverted = wait_for("the session", || {
        let answer = server.post(&format!("/api/runs/{}/revert", run.id), &json!({ "turn": 1 }));
        (answer["code"] != "session_busy").then_some(answer)
    });
    assert_eq!(reverted["files"], 2, "{agent}: {reverted}");
    assert_eq!((read("hello.py").as_deref(), read("README.md").as_deref()), (Some(goodbye), Some("# Project\n")), "{agent}");

    let branch = server.post(&format!("/api/sessions/{}/branch", run.session), &json!({ "message": "Say goodbye" }));
    assert_eq!(branch["committed"], true, "{agent}: {branch}");
    let name = branch["branch"].as_str().expect("a branch");
    assert_eq!(git(&repository, &["diff", "--name-status", "main", name]), "A\thello.py");
    assert_eq!(git(&repository, &["show", &format!("{name}:hello.py")]), goodbye.trim_end());
    assert_eq!(git(&repository, &["log", "-1", "--format=%s", name]), "Say goodbye");
    assert_eq!(git(&repository, &["status", "--porcelain"]), "", "the repository itself stays as it was");
}
