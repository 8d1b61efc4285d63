//! What runs change in their working directories: events, lists and patches.
//!
//! Rules: S9, I4, W7.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{CWD, Mode, mkfifoat};
use serde_json::{Value, json};

use crate::support::{Client, Server, Setup, assert_dense, last, live, notice, of};

/// A directory for a run, with two files.
fn project(server: &Server) -> PathBuf {
    let path = server.directory().join("project");
    fs::create_dir(&path).expect("a directory");
    fs::write(path.join("kept"), "same\n").expect("a file");
    fs::write(path.join("edited"), "one\ntwo\nthree\n").expect("a file");
    path
}

/// A run in the directory that has begun, and ends with `end` when the file exists.
async fn begun(user: &Client, project: &Path, go: &Path, end: &str) -> String {
    let script = format!("say up\nwait {}\n{end}", go.display());
    let id = user.create(&script, json!({ "cwd": project })).await;
    user.follow(&id).await.until_text("up").await;
    id
}

async fn changes(user: &Client, id: &str, query: &str) -> Value {
    let answer = user.get(&format!("/api/runs/{id}/changes{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body
}

/// Paths and statuses of the changed files.
fn files(changes: &Value) -> Vec<(&str, &str)> {
    let items = changes["items"].as_array().expect("a list").iter();
    items.map(|file| (file["path"].as_str().expect("a path"), file["status"].as_str().expect("a status"))).collect()
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp").success());
}

#[test]
fn the_changes_of_a_run_are_listed_while_it_works_and_after_its_directory_is_gone() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let (project, go, before) = (project(&server), server.directory().join("go"), server.directory().join("before"));
        copy(&project, &before);
        let id = begun(&user, &project, &go, "result done").await;
        assert_eq!(changes(&user, &id, "").await["files"], 0);
        fs::write(project.join("edited"), "one\n2\nthree\n").unwrap();
        fs::create_dir(project.join("sub")).unwrap();
        fs::write(project.join("sub/new file"), "new\n").unwrap();
        fs::write(project.join("binary"), b"\0\x01").unwrap();

        let now = changes(&user, &id, "").await;
        assert_eq!(files(&now), [("binary", "added"), ("edited", "modified"), ("sub/new file", "added")]);
        assert_eq!((&now["files"], &now["insertions"], &now["deletions"]), (&json!(3), &json!(2), &json!(1)));
        assert_eq!(now["items"][0]["binary"], true);
        fs::write(&go, "").unwrap();
        let frames = user.follow(&id).await.rest().await;
        assert_dense(&frames);
        let events = of(&frames, "changes");
        assert_eq!(events.len(), 1);
        assert_eq!((&events[0]["files"], &events[0]["insertions"], &events[0]["deletions"]), (&json!(3), &json!(2), &json!(1)));
        assert_eq!(frames[frames.len() - 2].event, "changes", "the event precedes `done`");

        fs::remove_dir_all(&project).unwrap();
        fs::remove_dir_all(server.data().join("snapshots")).unwrap();
        let ended = changes(&user, &id, "").await;
        assert_eq!((files(&ended), &ended["snapshot"]), (files(&now), &events[0]["snapshot"]));
        let page = changes(&user, &id, "?limit=2").await;
        assert_eq!((files(&page).len(), &page["next_cursor"]), (2, &json!("2")));
        let page = changes(&user, &id, "?limit=2&cursor=2").await;
        assert_eq!((files(&page), &page["next_cursor"]), (vec![("sub/new file", "added")], &Value::Null));

        let patch = user.get(&format!("/api/runs/{id}/changes.patch")).await;
        assert_eq!((patch.status, patch.header("content-type")), (200, "text/x-diff"));
        assert!(patch.header("content-disposition").starts_with("attachment"));
        let file = server.directory().join("patch");
        fs::write(&file, &patch.text).unwrap();
        let applied =
            Command::new("git").arg("apply").arg(&file).current_dir(&before).env("GIT_CEILING_DIRECTORIES", "/").status().unwrap();
        assert!(applied.success());
        assert_eq!(fs::read(before.join("binary")).unwrap(), b"\0\x01");
        assert_eq!(fs::read_to_string(before.join("sub/new file")).unwrap(), "new\n");
        let diff = user.get(&format!("/api/runs/{id}/changes/sub/new%20file")).await;
        assert!(diff.text.starts_with("diff --git") && diff.text.ends_with("+new\n"), "{}", diff.text);
        assert_eq!(diff.text.matches("diff --git").count(), 1);
        user.get(&format!("/api/runs/{id}/changes/kept")).await.problem(404, "not_found");
    });
}

#[test]
fn each_turn_has_its_own_changes() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let (project, one, two) = (project(&server), server.directory().join("one"), server.directory().join("two"));
        let id = begun(&user, &project, &one, "result one").await;
        fs::write(project.join("first"), "1\n").unwrap();
        user.say(&id, "queue", &format!("say second\nwait {}\nresult two", two.display())).await;
        let mut reader = user.follow(&id).await;
        fs::write(&one, "").unwrap();
        let seen = reader.until("changes").await;
        assert_eq!(seen.last().unwrap().data["files"], 1);
        fs::write(project.join("second"), "2\n").unwrap();
        assert_eq!(files(&changes(&user, &id, "?turn=2").await), [("second", "added")], "of the present turn as of now");
        fs::write(&two, "").unwrap();
        let rest = reader.rest().await;
        assert_eq!(of(&rest, "changes")[0]["files"], 2, "events count from the start of the run");
        assert_eq!(files(&changes(&user, &id, "?turn=1").await), [("first", "added")]);
        assert_eq!(files(&changes(&user, &id, "?turn=2").await), [("second", "added")]);
        assert_eq!(files(&changes(&user, &id, "").await), [("first", "added"), ("second", "added")]);
        let patch = user.get(&format!("/api/runs/{id}/changes.patch?turn=2")).await;
        assert!(patch.text.contains("b/second") && !patch.text.contains("b/first"), "{}", patch.text);
        user.get(&format!("/api/runs/{id}/changes?turn=3")).await.problem(404, "not_found");
        assert_eq!(user.get(&format!("/api/runs/{id}/changes?turn=0")).await.problem(422, "invalid_field"), "turn");
    });
}

#[test]
fn a_run_that_changes_nothing_has_no_event_and_an_empty_list() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let id = user.script("result done").await;
        let frames = user.follow(&id).await.rest().await;
        assert!(of(&frames, "changes").is_empty());
        let none = changes(&user, &id, "").await;
        assert_eq!((&none["files"], &none["from"]), (&json!(0), &none["snapshot"]));
        assert_eq!(user.get(&format!("/api/runs/{id}/changes.patch")).await.text, "");
    });
}

#[test]
fn changes_belong_to_the_owner_of_the_run() {
    live(async {
        let server = Server::start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        let id = admin.script("result done").await;
        admin.end_of(&id).await;
        for path in ["changes", "changes.patch", "changes/file"] {
            user.get(&format!("/api/runs/{id}/{path}")).await.problem(404, "not_found");
        }
        assert_eq!(admin.get(&format!("/api/runs/{id}/changes")).await.status, 200);
    });
}

#[test]
fn changes_are_recorded_across_a_restart_of_the_server() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let (project, go) = (project(&server), server.directory().join("go"));
        let id = begun(&user, &project, &go, "result done").await;
        fs::write(project.join("before"), "").unwrap();
        let server = server.killed_and_started_again().await;
        let user = server.client("user").await;
        fs::write(project.join("after"), "").unwrap();
        fs::write(&go, "").unwrap();
        let frames = user.follow(&id).await.rest().await;
        assert_eq!(last(&frames)["status"], "completed");
        assert_eq!(of(&frames, "changes").last().unwrap()["files"], 2);
        assert_eq!(files(&changes(&user, &id, "").await), [("after", "added"), ("before", "added")]);
    });
}

#[test]
fn large_files_are_left_out_with_a_notice_and_ignored_files_without_one() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let (project, go) = (project(&server), server.directory().join("go"));
        fs::write(project.join(".gitignore"), "*.log\n").unwrap();
        fs::File::create(project.join("large")).unwrap().set_len(10 * 1024 * 1024 + 1).unwrap();
        let id = begun(&user, &project, &go, "result done").await;
        fs::write(project.join("large"), "small\n").unwrap();
        fs::write(project.join("x.log"), "").unwrap();
        fs::write(&go, "").unwrap();
        let frames = user.follow(&id).await.rest().await;
        let skipped = notice(&frames, "changes_incomplete").unwrap();
        assert_eq!(skipped["data"]["skipped"], json!([{ "path": "large", "reason": "too_large" }]));
        let listed = changes(&user, &id, "").await;
        assert_eq!((&listed["files"], &listed["skipped_total"]), (&json!(0), &json!(1)));
    });
}

#[test]
fn a_server_without_git_or_with_changes_switched_off_says_so() {
    live(async {
        for server in [Setup::new().env("PATH", "/nonexistent").start().await, Setup::new().env("OPENRUNNER_CHANGES", "off").start().await]
        {
            assert_eq!(server.guest().get("/health").await.body["records_changes"], false);
            let user = server.client("user").await;
            let id = user.script("result done").await;
            assert_eq!(user.end_of(&id).await["status"], "completed");
            user.get(&format!("/api/runs/{id}/changes")).await.problem(409, "changes_unavailable");
        }
        let server = Server::start().await;
        assert_eq!(server.guest().get("/health").await.body["records_changes"], true);
    });
}

#[test]
fn secrets_of_a_run_are_masked_in_the_stored_patch() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_RUN_ENV", "API_TOKEN").start().await;
        let user = server.client("user").await;
        let (project, go) = (project(&server), server.directory().join("go"));
        let script = format!("say up\nwait {}\nresult done", go.display());
        let metadata = json!({ "cwd": project, "env": { "API_TOKEN": "sk-very-secret-value" } });
        let id = user.create(&script, metadata).await;
        user.follow(&id).await.until_text("up").await;
        fs::write(project.join("leak"), "key=sk-very-secret-value\n").unwrap();
        fs::write(&go, "").unwrap();
        user.end_of(&id).await;
        let patch = user.get(&format!("/api/runs/{id}/changes.patch")).await.text;
        assert!(patch.contains("+key=") && !patch.contains("sk-very-secret-value"), "{patch}");
    });
}

#[test]
fn a_hostile_directory_runs_nothing_and_its_links_lead_nowhere() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let (project, go) = (project(&server), server.directory().join("go"));
        let (canary, secret) = (server.directory().join("canary"), server.directory().join("secret"));
        fs::write(&secret, "the secret\n").unwrap();
        fs::create_dir_all(project.join(".git")).unwrap();
        let touch = format!("touch {}", canary.display());
        let config = format!(
            "[core]\n\trepositoryformatversion = 0\n\tfsmonitor = {touch}\n\tpager = {touch}\n\tsshCommand = {touch}\n\
             [filter \"x\"]\n\tclean = {touch}\n\tprocess = {touch}\n[diff]\n\texternal = {touch}\n"
        );
        fs::write(project.join(".git/config"), &config).unwrap();
        fs::write(project.join(".git/HEAD"), "ref: refs/heads/main\n").unwrap();
        for directory in ["objects", "refs"] {
            fs::create_dir(project.join(".git").join(directory)).unwrap();
        }
        fs::write(project.join(".gitattributes"), "* filter=x diff=x\n").unwrap();
        let id = begun(&user, &project, &go, "result done").await;
        fs::write(project.join("edited"), "changed\n").unwrap();
        std::os::unix::fs::symlink(&secret, project.join("link")).unwrap();
        std::os::unix::fs::symlink(server.directory(), project.join("out")).unwrap();
        fs::write(&go, "").unwrap();
        user.end_of(&id).await;
        assert_eq!(files(&changes(&user, &id, "").await), [("edited", "modified"), ("link", "added"), ("out", "added")]);
        let patch = user.get(&format!("/api/runs/{id}/changes.patch")).await.text;
        assert!(!patch.contains("the secret"), "{patch}");
        for path in ["out/secret", "../secret", "%2e%2e/secret", ".git/config", "link/x"] {
            let answer = user.get(&format!("/api/runs/{id}/changes/{path}")).await;
            assert_ne!(answer.status, 200, "{path}: {}", answer.text);
        }
        assert!(!canary.exists());
        assert_eq!(fs::read_to_string(project.join(".git/config")).unwrap(), config);
        // The canary lives: git itself would have run it.
        let _ = Command::new("git").arg("-C").arg(&project).arg("status").output().unwrap();
        assert!(canary.exists());
    });
}

/// Git is blocked while it takes the snapshot after a turn, and the events of the next one arrive.
#[test]
fn a_snapshot_delays_no_event() {
    live(async {
        let setup = Setup::new();
        let [bin, block, begun, pipe] = ["bin", "block", "begun", "pipe"].map(|name| setup.directory().join(name));
        fs::create_dir(&bin).unwrap();
        let script = format!(
            "#!/bin/sh\nif [ -e '{}' ]; then echo > '{}'; cat '{}'; fi\nPATH=/usr/local/bin:/usr/bin:/bin\nexec git \"$@\"\n",
            block.display(),
            begun.display(),
            pipe.display()
        );
        fs::write(bin.join("git"), script).unwrap();
        fs::set_permissions(bin.join("git"), fs::Permissions::from_mode(0o755)).unwrap();
        mkfifoat(CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();
        let server = setup.env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display())).start().await;
        let user = server.client("user").await;
        let (project, one, two) = (project(&server), server.directory().join("one"), server.directory().join("two"));
        let id = super::changes::begun(&user, &project, &one, "result one").await;
        fs::write(project.join("new"), "1\n").unwrap();
        fs::write(&block, "").unwrap();
        user.say(&id, "queue", &format!("say second\nwait {}\nsay third\nresult two", two.display())).await;
        let mut reader = user.follow(&id).await;
        fs::write(&one, "").unwrap();
        while !begun.exists() {
            tokio::task::yield_now().await;
        }
        let mut seen = reader.until_text("second").await;
        fs::write(&two, "").unwrap();
        seen.extend(reader.until_text("third").await);
        assert!(of(&seen, "changes").is_empty(), "git is still blocked");
        fs::remove_file(&block).unwrap();
        tokio::task::spawn_blocking(move || fs::write(pipe, "")).await.unwrap().unwrap();
        let frames = reader.rest().await;
        assert_eq!(last(&frames)["status"], "completed");
        assert_eq!(of(&frames, "changes").last().unwrap()["files"], 1);
    });
}

#[test]
fn the_command_prints_a_list_a_histogram_or_a_patch() {
    live(async {
        let server = Server::start().await;
        let user = server.client("admin").await;
        let (project, go) = (project(&server), server.directory().join("go"));
        let id = begun(&user, &project, &go, "result done").await;
        fs::write(project.join("edited"), "one\n2\nthree\n").unwrap();
        fs::write(project.join("new"), "1\n2\n").unwrap();
        fs::write(&go, "").unwrap();
        user.end_of(&id).await;
        let listed = server.typed(&["changes", &id]).done().await;
        assert_eq!((listed.code, listed.out.as_str()), (0, "M edited\nA new\n2 files changed, +3 -1\n"), "{listed:?}");
        let stat = server.typed(&["changes", "--stat"]).done().await;
        assert_eq!(stat.out, "edited | 2 +-\nnew    | 2 ++\n2 files changed, +3 -1\n", "{stat:?}");
        let patch = server.typed(&["changes", "--patch", "last"]).done().await;
        assert_eq!(patch.out, user.get(&format!("/api/runs/{id}/changes.patch")).await.text);
        let json = server.typed(&["run", "changes", "--json", &id]).json().await;
        assert_eq!(files(&json), [("edited", "modified"), ("new", "added")]);
    });
}
