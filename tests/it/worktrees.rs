//! Worktrees of sessions: where an agent works, its branch, and their removal.
//!
//! Rules: S6, S9, I4.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::isolation::is_isolated;
use crate::support::{Client, Server, Setup, last, live, of};

/// Runs git as a user does in a directory, and returns its output.
fn git(directory: &Path, args: &[&str]) -> String {
    let identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "init.defaultBranch=main"];
    let mut command = Command::new("git");
    command.arg("-C").arg(directory).args(identity).args(args).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    let output = command.output().expect("git");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A repository with one commit.
fn repository(directory: &Path) -> PathBuf {
    let path = directory.join("repository");
    fs::create_dir(&path).expect("a directory");
    git(&path, &["init", "--quiet"]);
    fs::write(path.join("file"), "one\n").expect("a file");
    git(&path, &["add", "."]);
    git(&path, &["commit", "--quiet", "-m", "first"]);
    path
}

/// The files that an agent could use against the user of a repository, with their content.
fn state(git_dir: &Path) -> Vec<Option<Vec<u8>>> {
    ["config", "HEAD", "hooks/x", "objects/x", "objects/pack/x", "refs/heads/main"].map(|name| fs::read(git_dir.join(name)).ok()).to_vec()
}

fn worktree(repository: &Path) -> Value {
    json!({ "workspace": { "kind": "worktree", "repository": repository } })
}

/// A run that has begun, and ends when the file exists.
async fn begun(user: &Client, metadata: Value, go: &Path) -> Value {
    let id = user.create(&format!("say up\nwait {}\nresult done", go.display()), metadata).await;
    user.follow(&id).await.until_text("up").await;
    user.run(&id).await
}

fn directory(run: &Value) -> PathBuf {
    run["working_dir"].as_str().expect("a path").into()
}

fn id(run: &Value) -> &str {
    run["run_id"].as_str().expect("an id")
}

fn session(run: &Value) -> &str {
    run["session_id"].as_str().expect("an id")
}

async fn branch(user: &Client, run: &Value) -> Value {
    let body = json!({ "message": "Do it", "author": { "name": "Ann", "email": "ann@example.com" } });
    let answer = user.post(&format!("/api/sessions/{}/branch", session(run)), &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body
}

#[test]
fn runs_in_worktrees_of_one_repository_do_not_see_each_other_and_their_work_becomes_branches() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let repository = repository(server.directory());
        let (go, before) = (server.directory().join("go"), git(&repository, &["status", "--porcelain", "--branch"]));
        let one = begun(&user, worktree(&repository), &go).await;
        let two = begun(&user, json!({ "cwd": repository, "workspace": { "kind": "worktree", "ref": "main" } }), &go).await;
        for run in [&one, &two] {
            let name = format!("openrunner/{}", session(run));
            assert_eq!((&run["workspace"]["branch"], &run["workspace"]["kind"]), (&json!(name), &json!("worktree")));
            assert_eq!(run["workspace"]["repository"], json!(repository));
            assert_eq!(git(&directory(run), &["symbolic-ref", "--short", "HEAD"]), name);
        }
        fs::write(directory(&one).join("file"), "of the first\n").unwrap();
        fs::write(directory(&one).join("new"), "new\n").unwrap();
        assert_eq!(fs::read_to_string(directory(&two).join("file")).unwrap(), "one\n");
        assert_eq!(git(&directory(&two), &["status", "--porcelain"]), "");
        let body = json!({ "message": "Do it" });
        user.post(&format!("/api/sessions/{}/branch", session(&one)), &body).await.problem(409, "session_busy");
        fs::write(&go, "").unwrap();
        for run in [&one, &two] {
            assert_eq!(user.end_of(id(run)).await["status"], "completed");
        }
        let branched = branch(&user, &one).await;
        assert_eq!((&branched["committed"], &branched["branch"]), (&json!(true), &one["workspace"]["branch"]));
        let name = branched["branch"].as_str().unwrap();
        assert_eq!(git(&repository, &["rev-parse", name]), branched["commit"]);
        assert_eq!(git(&repository, &["diff", "--name-status", "main", name]), "M\tfile\nA\tnew");
        assert_eq!(branch(&user, &one).await["committed"], false);
        assert_eq!(git(&repository, &["status", "--porcelain", "--branch"]), before);
        let other = branch(&user, &two).await;
        assert_eq!((&other["committed"], &other["commit"]), (&json!(false), &json!(git(&repository, &["rev-parse", "main"]))));
    });
}

#[test]
fn a_run_that_continues_the_session_works_in_the_same_worktree_with_the_same_ports() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let repository = repository(server.directory());
        let first = user.create("report env\nresult done", worktree(&repository)).await;
        let first = user.end_of(&first).await;
        fs::write(directory(&first).join("file"), "work\n").unwrap();
        let server = server.killed_and_started_again().await;
        let user = server.client("user").await;
        let second = user.create("report env\nresult done", json!({ "session_id": session(&first) })).await;
        let second = user.end_of(&second).await;
        assert_eq!(second["status"], "completed");
        assert_eq!((&second["working_dir"], &second["workspace"]), (&first["working_dir"], &first["workspace"]));
        assert_eq!(fs::read_to_string(directory(&second).join("file")).unwrap(), "work\n");
        for run in [&first, &second] {
            let facts: Value = serde_json::from_str(&user.said(id(run)).await[0]).unwrap();
            assert_eq!(facts["ORN_PORT_BASE"], "20000");
        }
        let again = json!({ "session_id": session(&first), "workspace": { "kind": "worktree", "repository": repository } });
        assert_eq!(user.ask("result x", again).await.problem(422, "session_mismatch"), "metadata.workspace");
    });
}

#[test]
fn bad_worktrees_are_refused_with_the_field_and_leave_nothing() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let repository = repository(server.directory());
        let plain = server.directory().join("plain");
        fs::create_dir(&plain).unwrap();
        let before = git(&repository, &["for-each-ref"]);
        let with = |repository: &Path, name: &str| json!({ "workspace": { "kind": "worktree", "repository": repository, "ref": name } });
        let refused = async |metadata: Value, code: &str, field: &str| {
            let answer = user.ask("result x", metadata.clone()).await;
            assert_eq!(answer.problem(422, code), format!("metadata.workspace{field}"), "{metadata}");
        };
        for name in ["--upload-pack=touch x", "-x", "main~1", "a..b", "", "missing", "main:file", "../../../../etc/passwd"] {
            refused(with(&repository, name), "bad_workspace", ".ref").await;
        }
        for path in [&plain, &server.directory().join("missing"), &server.data(), Path::new("relative")] {
            refused(with(path, "main"), "bad_workspace", ".repository").await;
        }
        refused(json!({ "workspace": { "kind": "worktree" } }), "bad_workspace", ".repository").await;
        let both = json!({ "cwd": plain, "workspace": { "kind": "worktree", "repository": repository } });
        refused(both, "bad_workspace", ".repository").await;
        assert_eq!(user.ask("result x", json!({ "workspace": { "kind": "balloon" } })).await.status, 422);
        assert_eq!(git(&repository, &["for-each-ref"]), before);
        assert_eq!(fs::read_dir(server.data().join("workspaces")).unwrap().count(), 0);
    });
}

#[test]
fn a_repository_outside_the_permitted_directories_is_refused_also_behind_a_git_file() {
    live(async {
        let setup = Setup::new();
        let inside = setup.directory().join("inside");
        fs::create_dir(&inside).unwrap();
        let server = setup.env("OPENRUNNER_WORKSPACE_ROOTS", inside.display()).start().await;
        let user = server.client("user").await;
        let outside = repository(server.directory());
        let answer = user.ask("result x", worktree(&outside)).await;
        assert_eq!(answer.problem(403, "working_dir_not_allowed"), "metadata.workspace.repository");
        let redirected = inside.join("redirected");
        fs::create_dir(&redirected).unwrap();
        fs::write(redirected.join(".git"), format!("gitdir: {}\n", outside.join(".git").display())).unwrap();
        let answer = user.ask("result x", worktree(&redirected)).await;
        assert_eq!(answer.problem(403, "working_dir_not_allowed"), "metadata.workspace.repository");
        fs::rename(&outside, inside.join("repository")).unwrap();
        let run = user.create("result done", worktree(&inside.join("repository"))).await;
        assert_eq!(user.end_of(&run).await["status"], "completed");
    });
}

#[test]
fn a_run_whose_worktree_cannot_be_made_fails_with_the_cause_and_leaves_nothing() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let repository = repository(server.directory());
        let missing = "0123456789012345678901234567890123456789";
        let metadata = json!({ "workspace": { "kind": "worktree", "repository": repository, "ref": missing } });
        let run = user.create("result done", metadata).await;
        let frames = user.follow(&run).await.rest().await;
        let done = last(&frames);
        assert_eq!((&done["status"], &done["cause"]), (&json!("failed"), &json!("bad_arguments")));
        assert!(done["message"].as_str().unwrap().contains(missing), "{done}");
        assert!(of(&frames, "run_started").is_empty());
        let directory = directory(&user.run(&run).await);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
        assert_eq!(git(&repository, &["for-each-ref", "--format=%(refname)"]), "refs/heads/main");
        assert_eq!(fs::read_dir(server.data().join("worktrees")).unwrap().count(), 0);
    });
}

#[test]
fn a_workspace_is_removed_unless_it_has_work_that_is_not_committed() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let repository = repository(server.directory());
        let run = user.create("result done", worktree(&repository)).await;
        let run = user.end_of(&run).await;
        let path = format!("/api/sessions/{}/workspace", session(&run));
        fs::write(directory(&run).join("new"), "work\n").unwrap();
        user.delete(&path).await.problem(409, "uncommitted_work");
        assert!(directory(&run).join("new").exists());
        branch(&user, &run).await;
        assert_eq!(user.delete(&path).await.status, 204);
        assert!(!directory(&run).exists());
        let branches = git(&repository, &["branch", "--format=%(refname:short)"]);
        assert_eq!(branches, format!("main\nopenrunner/{}", session(&run)));
        user.ask("result x", json!({ "session_id": session(&run) })).await.problem(409, "working_dir_gone");
        user.post(&format!("/api/sessions/{}/branch", session(&run)), &json!({ "message": "x" })).await.problem(409, "no_worktree");

        // Without commits, nothing is left; with `force`, work is lost.
        let run = user.create("result done", worktree(&repository)).await;
        let run = user.end_of(&run).await;
        fs::write(directory(&run).join("new"), "work\n").unwrap();
        assert_eq!(user.delete(&format!("/api/sessions/{}/workspace?force=true", session(&run))).await.status, 204);
        assert_eq!(git(&repository, &["branch", "--format=%(refname:short)"]), branches);
        let in_place = user.create("result done", json!({ "cwd": repository })).await;
        let in_place = user.end_of(&in_place).await;
        user.delete(&format!("/api/sessions/{}/workspace?force=true", session(&in_place))).await.problem(409, "no_workspace");
        assert!(repository.join("file").exists());
    });
}

#[test]
fn a_removed_workspace_no_longer_counts() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let repository = repository(server.directory());
        let run = user.create("result done", worktree(&repository)).await;
        let run = user.end_of(&run).await;
        let counted = async || user.get("/api/usage").await.body["quotas"]["workspace_bytes"]["used"].as_u64().unwrap();
        let request = user.request(reqwest::Method::PUT, &format!("/api/runs/{}/files/large", id(&run)));
        assert_eq!(user.send(request.body(vec![b'x'; 1_000_000])).await.status, 201);
        assert!(counted().await >= 1_000_000);
        assert_eq!(user.delete(&format!("/api/sessions/{}/workspace?force=true", session(&run))).await.status, 204);
        assert_eq!(counted().await, 0);
    });
}

#[test]
fn a_deleted_session_takes_its_worktree_along() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let repository = repository(server.directory());
        let run = user.create("result done", worktree(&repository)).await;
        let run = user.end_of(&run).await;
        assert_eq!(user.delete(&format!("/api/runs/{}", id(&run))).await.status, 204);
        assert!(!directory(&run).exists());
        assert_eq!(git(&repository, &["for-each-ref", "--format=%(refname)"]), "refs/heads/main");
        assert_eq!(fs::read_dir(server.data().join("worktrees")).unwrap().count(), 0);
    });
}

#[test]
fn another_users_worktree_is_not_found() {
    live(async {
        let server = Server::start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        let repository = repository(server.directory());
        let run = admin.create("result done", worktree(&repository)).await;
        let run = admin.end_of(&run).await;
        let path = format!("/api/sessions/{}", session(&run));
        user.post(&format!("{path}/branch"), &json!({ "message": "x" })).await.problem(404, "not_found");
        user.delete(&format!("{path}/workspace?force=true")).await.problem(404, "not_found");
        for author in
            [json!({ "name": "a\nb", "email": "x" }), json!({ "name": "a <b>", "email": "x" }), json!({ "name": "a", "email": "" })]
        {
            let answer = admin.post(&format!("{path}/branch"), &json!({ "message": "x", "author": author })).await;
            assert!(answer.problem(422, "invalid_field").starts_with("author."), "{author}");
        }
        assert_eq!(admin.post(&format!("{path}/branch"), &json!({ "message": " " })).await.problem(422, "invalid_field"), "message");
    });
}

#[test]
fn git_works_in_a_worktree_at_each_isolation_level_and_a_sandbox_cannot_change_the_repository() {
    live(async {
        let setup = Setup::new();
        // Agents in tests see the directory of the server.
        let elsewhere = tempfile::tempdir().expect("a directory");
        let repository = repository(&elsewhere.path().canonicalize().expect("it exists"));
        let script = format!(
            r#"
if [ "$1" != --version ] && [ "$1" != auth ]; then
    {{
        git status --porcelain
        echo work > new && git add new
        git -c user.name=Agent -c user.email=agent@example.com commit --quiet --message 'by the agent'
        git log --format=%s
    }} > .git/output 2>&1
    if [ -n "$WRITE" ]; then
        for path in config HEAD hooks/x objects/x objects/pack/x refs/heads/main; do
            (echo x >> '{0}/.git/'$path) 2> /dev/null && echo $path
        done > .git/written
        cat '{0}/.git/config' '{0}/.git/refs/heads/main' > .git/read 2> /dev/null
    fi
fi
exec "$AGENT" "$@"
"#,
            repository.display()
        );
        let server = setup.agent_script(&script).start().await;
        if !is_isolated(&server) {
            return;
        }
        let admin = server.client("admin").await;
        for level in ["none", "guard", "sandbox"] {
            let env = if level == "sandbox" { json!({ "WRITE": "1" }) } else { json!({}) };
            let workspace = json!({ "kind": "worktree", "repository": repository });
            let metadata = json!({ "workspace": workspace, "isolation": level, "env": env });
            let before = state(&repository.join(".git"));
            let run = admin.create("result done", metadata).await;
            let run = admin.end_of(&run).await;
            assert_eq!(run["status"], "completed", "{level}: {run}");
            let read = |name: &str| fs::read_to_string(directory(&run).join(".git").join(name)).unwrap();
            assert_eq!(read("output"), "by the agent\nfirst\n", "{level}");
            if level == "sandbox" {
                // Below `/tmp`, the rest of the repository's path is made of directories of the sandbox.
                assert!(!read("written").contains("objects") && !read("read").contains("[core]"), "{}", read("written"));
                assert_eq!(state(&repository.join(".git")), before);
            }
            let branched = branch(&admin, &run).await;
            assert_eq!(git(&repository, &["diff", "--name-status", "main", branched["branch"].as_str().unwrap()]), "A\tnew", "{level}");
        }
    });
}

#[test]
fn the_changes_of_a_session_are_those_of_all_its_runs() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let repository = repository(server.directory());
        let first = user.create("result done", worktree(&repository)).await;
        let first = user.end_of(&first).await;
        let route = format!("/api/sessions/{}/changes", session(&first));
        assert_eq!(user.get(&route).await.body["files"], 0);
        let go = server.directory().join("go");
        for (number, name) in [(1, "one"), (2, "two")] {
            let _ = fs::remove_file(&go);
            let run = begun(&user, json!({ "session_id": session(&first) }), &go).await;
            fs::write(directory(&run).join(name), "x\n").unwrap();
            assert_eq!(user.get(&route).await.body["files"], number, "as of now");
            fs::write(&go, "").unwrap();
            user.end_of(id(&run)).await;
        }
        let changes = user.get(&route).await.body;
        assert_eq!((&changes["files"], &changes["items"][0]["path"]), (&json!(2), &json!("one")));
        let patch = user.get(&format!("{route}.patch")).await;
        assert_eq!((patch.status, patch.header("content-type")), (200, "text/x-diff"));
        assert_eq!(patch.text.matches("diff --git").count(), 2);
        let admin = server.client("admin").await;
        let other = admin.end_of(&admin.create("result done", worktree(&repository)).await).await;
        user.get(&format!("/api/sessions/{}/changes", session(&other))).await.problem(404, "not_found");
    });
}
