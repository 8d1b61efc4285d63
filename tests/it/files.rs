//! Files in the working directories of runs: listed, read and written.
//!
//! Rules: S6, W7, C6, D4, D8, G1, G5, I6.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Answer, Client, Server, Setup, live};

/// A directory for a run.
fn project(server: &Server) -> PathBuf {
    let path = server.directory().join("project");
    fs::create_dir(&path).expect("a directory");
    fs::write(path.join("README.md"), "# Project\n").expect("a file");
    fs::create_dir(path.join("src")).expect("a directory");
    fs::write(path.join("src/main.rs"), "fn main() {}\n").expect("a file");
    path
}

/// An ended run in the directory.
async fn ended(user: &Client, project: &Path) -> String {
    let id = user.create("result done", json!({ "agent_type": "claude_code", "cwd": project })).await;
    user.end_of(&id).await;
    id
}

async fn listed(user: &Client, id: &str, query: &str) -> Vec<(String, String)> {
    let answer = user.get(&format!("/api/runs/{id}/files{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    answer.body["items"].as_array().expect("a list").iter().map(|file| (text(&file["path"]), text(&file["type"]))).collect()
}

async fn put(user: &Client, id: &str, path: &str, content: impl Into<reqwest::Body>) -> Answer {
    user.send(user.request(Method::PUT, &format!("/api/runs/{id}/files/{path}")).body(content)).await
}

fn entry(path: &str, kind: &str) -> (String, String) {
    (path.to_owned(), kind.to_owned())
}

#[test]
fn the_files_of_a_run_are_listed_and_read_with_type_range_and_condition() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let project = project(&server);
        fs::write(project.join("image.png"), b"\x89PNG\0").unwrap();
        fs::write(project.join("data.bin"), b"\0\x01\x02\x03\x04").unwrap();
        fs::write(project.join("page.html"), "<script>alert(1)</script>").unwrap();
        fs::create_dir(project.join(".git")).unwrap();
        let id = ended(&user, &project).await;
        let files = ["README.md", "data.bin", "image.png", "page.html"].map(|name| entry(name, "file"));
        let mut expected = files.to_vec();
        expected.push(entry("src", "directory"));
        assert_eq!(listed(&user, &id, "").await, expected);
        assert_eq!(listed(&user, &id, "?path=src").await, [entry("src/main.rs", "file")]);
        let page = user.get(&format!("/api/runs/{id}/files?limit=4")).await.body;
        let cursor = page["next_cursor"].as_str().unwrap();
        assert_eq!(listed(&user, &id, &format!("?limit=4&cursor={cursor}")).await, expected[4..]);
        assert!(page["items"][0]["modified_at"].is_string() && page["items"][0]["size"] == 10);

        let file = format!("/api/runs/{id}/files/");
        let text = user.get(&format!("{file}src/main.rs")).await;
        assert_eq!((text.status, text.text.as_str()), (200, "fn main() {}\n"));
        assert_eq!(text.header("content-disposition"), "inline; filename*=UTF-8''main.rs");
        let page = user.get(&format!("{file}page.html")).await;
        assert_eq!((page.header("content-type"), page.header("x-content-type-options")), ("text/plain; charset=utf-8", "nosniff"));
        assert_eq!(page.header("content-security-policy"), "default-src 'none'; sandbox");
        let binary = user.get(&format!("{file}data.bin")).await;
        assert_eq!(binary.header("content-type"), "application/octet-stream");
        assert!(binary.header("content-disposition").starts_with("attachment"));
        let image = user.request(Method::GET, &format!("{file}image.png")).send().await.unwrap();
        assert_eq!(image.headers()["content-type"], "image/png");

        let etag = binary.header("etag");
        let get = |name: &str, value: &str| user.send(user.request(Method::GET, &format!("{file}data.bin")).header(name, value));
        assert_eq!(get("if-none-match", etag).await.status, 304);
        let part = get("range", "bytes=1-2").await;
        assert_eq!((part.status, part.text.as_bytes(), part.header("content-range")), (206, &b"\x01\x02"[..], "bytes 1-2/5"));
        let beyond = get("range", "bytes=5-").await;
        beyond.problem(416, "range_not_satisfiable");
        assert_eq!(beyond.header("content-range"), "bytes */5");
        fs::write(project.join("data.bin"), b"other").unwrap();
        assert_eq!(get("if-none-match", etag).await.status, 200);
    });
}

#[test]
fn earlier_states_are_listed_and_read() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let (project, go) = (project(&server), server.directory().join("go"));
        let script = format!("say up\nwait {}\nresult done", go.display());
        let id = user.create(&script, json!({ "agent_type": "claude_code", "cwd": project })).await;
        user.follow(&id).await.until_text("up").await;
        fs::write(project.join("README.md"), "changed\n").unwrap();
        fs::write(project.join("new"), "new\n").unwrap();
        user.get(&format!("/api/runs/{id}/files?turn=1")).await.problem(409, "changes_unavailable");
        fs::write(&go, "").unwrap();
        user.end_of(&id).await;
        fs::remove_file(project.join("new")).unwrap();
        let read = async |query: &str, path: &str| user.get(&format!("/api/runs/{id}/files/{path}{query}")).await;
        assert_eq!(read("?turn=0", "README.md").await.text, "# Project\n");
        let after = read("?turn=1", "README.md").await;
        assert_eq!((after.text.as_str(), after.header("content-type")), ("changed\n", "text/plain; charset=utf-8"));
        let cached =
            user.request(Method::GET, &format!("/api/runs/{id}/files/README.md?turn=1")).header("if-none-match", after.header("etag"));
        assert_eq!(user.send(cached).await.status, 304);
        read("?turn=0", "new").await.problem(404, "not_found");
        read("", "new").await.problem(404, "not_found");
        read("?turn=2", "new").await.problem(404, "not_found");
        assert_eq!(listed(&user, &id, "?turn=1").await, [entry("README.md", "file"), entry("new", "file"), entry("src", "directory")]);
        assert_eq!(listed(&user, &id, "?turn=0&path=src").await, [entry("src/main.rs", "file")]);
    });
}

#[test]
fn a_file_is_written_as_a_whole() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let project = project(&server);
        let id = ended(&user, &project).await;
        let created = put(&user, &id, "out/report.txt", "one").await;
        assert_eq!((created.status, &created.body["path"], &created.body["size"]), (201, &json!("out/report.txt"), &json!(3)));
        let replaced = put(&user, &id, "out/report.txt", "three").await;
        assert_eq!(replaced.status, 200, "{}", replaced.text);
        assert_eq!(fs::read_to_string(project.join("out/report.txt")).unwrap(), "three");
        let large = vec![b'x'; 20 * 1024 * 1024];
        assert_eq!(put(&user, &id, "large", large.clone()).await.status, 201);
        let larger = [large, vec![b'x']].concat();
        put(&user, &id, "larger", larger).await.problem(413, "body_too_large");
        assert!(!project.join("larger").exists());
        assert_eq!(listed(&user, &id, "?path=out").await, [entry("out/report.txt", "file")]);
        let audit = server.client("admin").await.get(&format!("/api/audit?action=run.write&run_id={id}")).await;
        assert_eq!(audit.body["items"].as_array().map(Vec::len), Some(4), "{}", audit.text);
    });
}

#[test]
fn no_path_leads_out_of_the_directory_or_into_a_repository() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let project = project(&server);
        let secret = server.directory().join("secret");
        fs::write(&secret, "the secret\n").unwrap();
        fs::create_dir(project.join(".git")).unwrap();
        fs::write(project.join(".git/config"), "[core]\n").unwrap();
        symlink(&secret, project.join("link")).unwrap();
        symlink(server.directory(), project.join("out")).unwrap();
        let id = ended(&user, &project).await;
        for path in [
            "link",
            "out/secret",
            "%2e%2e/secret",
            "src/%2e%2e/%2e%2e/secret",
            ".git/config",
            ".GIT/config",
            "src/.git/hooks/post-checkout",
            "%2Fetc/passwd",
            "a%00b",
        ] {
            let read = user.get(&format!("/api/runs/{id}/files/{path}")).await;
            assert!(matches!(read.status, 404 | 409 | 422) && !read.text.contains("the secret"), "{path}: {}", read.text);
            let written = put(&user, &id, path, "x").await;
            // A client resolves `..` by itself, and meets another route.
            assert!(matches!(written.status, 404 | 409 | 415 | 422), "{path}: {}", written.text);
        }
        for path in ["..", "../", "/etc", ".git", "out", "src/../.."] {
            let list = user.get(&format!("/api/runs/{id}/files?path={path}")).await;
            assert!(matches!(list.status, 404 | 409 | 422), "{path}: {}", list.text);
        }
        user.get(&format!("/api/runs/{id}/files?cursor=x")).await.problem(422, "invalid_field");
        assert_eq!(fs::read_to_string(&secret).unwrap(), "the secret\n");
        assert_eq!(fs::read_to_string(project.join(".git/config")).unwrap(), "[core]\n");
        fs::rename(&project, server.directory().join("moved")).unwrap();
        symlink("/etc", &project).unwrap();
        user.get(&format!("/api/runs/{id}/files")).await.problem(409, "working_dir_gone");
        put(&user, &id, "x", "x").await.problem(409, "working_dir_gone");
    });
}

#[test]
fn files_belong_to_the_owner_of_the_run() {
    live(async {
        let server = Server::start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        let project = project(&server);
        let id = ended(&admin, &project).await;
        user.get(&format!("/api/runs/{id}/files")).await.problem(404, "not_found");
        user.get(&format!("/api/runs/{id}/files/README.md")).await.problem(404, "not_found");
        put(&user, &id, "README.md", "x").await.problem(404, "not_found");
        let anonymous = server.guest();
        put(&anonymous, &id, "README.md", "x").await.problem(401, "token_missing");
        // Another site cannot send it either.
        let cross_site = user.request(Method::PUT, &format!("/api/runs/{id}/files/x")).header("sec-fetch-site", "cross-site").body("x");
        user.send(cross_site).await.problem(403, "cross_site");
        assert_eq!(fs::read_to_string(project.join("README.md")).unwrap(), "# Project\n");
    });
}

#[test]
fn nothing_is_written_while_a_run_of_the_session_is_read_only() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let (project, go) = (project(&server), server.directory().join("go"));
        let script = format!("say up\nwait {}\nresult done", go.display());
        let metadata = json!({ "agent_type": "claude_code", "cwd": project, "permission_mode": "read_only" });
        let id = user.create(&script, metadata).await;
        user.follow(&id).await.until_text("up").await;
        put(&user, &id, "x", "x").await.problem(409, "run_read_only");
        assert_eq!(user.get(&format!("/api/runs/{id}/files/README.md")).await.status, 200);
        fs::write(&go, "").unwrap();
        user.end_of(&id).await;
        assert_eq!(put(&user, &id, "x", "x").await.status, 201);
    });
}

#[test]
fn the_files_of_a_directory_that_the_operator_has_closed_are_not_served() {
    live(async {
        let mut server = Server::start().await;
        let user = server.client("user").await;
        let project = project(&server);
        let id = ended(&user, &project).await;
        let elsewhere = server.directory().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        server.signal(Signal::TERM);
        server.ended().await;
        let server = server.again().env("OPENRUNNER_WORKSPACE_ROOTS", elsewhere.display()).start().await;
        let user = server.client("user").await;
        user.get(&format!("/api/runs/{id}/files/README.md")).await.problem(403, "working_dir_not_allowed");
    });
}

#[test]
fn the_directory_of_a_run_is_reverted_to_an_earlier_turn_and_the_revert_is_undone() {
    live(async {
        let server = Server::start().await;
        let (user, other) = (server.client("user").await, server.client("admin").await);
        let (project, go) = (project(&server), server.directory().join("go"));
        let script = format!("say up\nwait {}\nresult done", go.display());
        let id = user.create(&script, json!({ "agent_type": "claude_code", "cwd": project })).await;
        user.follow(&id).await.until_text("up").await;
        let revert = async |body: Value| user.post(&format!("/api/runs/{id}/revert"), &body).await;
        revert(json!({ "turn": 0 })).await.problem(409, "session_busy");
        fs::write(project.join("README.md"), "changed\n").unwrap();
        fs::remove_dir_all(project.join("src")).unwrap();
        fs::write(project.join("new"), "new\n").unwrap();
        fs::write(&go, "").unwrap();
        user.end_of(&id).await;
        fs::write(project.join("later"), "later\n").unwrap();

        let done = revert(json!({ "turn": 0 })).await;
        assert_eq!((done.status, &done.body["files"], &done.body["untouched"]), (200, &json!(4), &json!([])), "{}", done.text);
        assert_eq!(listed(&user, &id, "").await, [entry("README.md", "file"), entry("src", "directory")]);
        assert_eq!(fs::read_to_string(project.join("src/main.rs")).unwrap(), "fn main() {}\n");
        let undo = &done.body["undo"];
        assert_eq!(revert(json!({ "snapshot": undo, "paths": ["later"] })).await.body["files"], 1);
        assert_eq!(revert(json!({ "turn": 1 })).await.status, 200);
        let files = ["README.md", "new"].map(|name| entry(name, "file"));
        assert_eq!(listed(&user, &id, "").await, files);
        revert(json!({ "snapshot": undo })).await;
        assert_eq!(fs::read_to_string(project.join("later")).unwrap(), "later\n");

        revert(json!({ "turn": 2 })).await.problem(404, "not_found");
        revert(json!({ "snapshot": "1".repeat(40) })).await.problem(404, "not_found");
        assert_eq!(revert(json!({})).await.problem(422, "invalid_field"), "turn");
        assert_eq!(revert(json!({ "turn": 0, "paths": ["../x"] })).await.problem(422, "invalid_field"), "paths[0]");
        assert_eq!(other.get(&format!("/api/audit?action=run.revert&run_id={id}")).await.body["items"][0]["run_id"], json!(id));
        // Another session in the directory has snapshots of its own.
        fs::write(project.join("more"), "").unwrap();
        let own = other.create("result done", json!({ "agent_type": "claude_code", "cwd": project })).await;
        other.end_of(&own).await;
        other.post(&format!("/api/runs/{own}/revert"), &json!({ "snapshot": undo })).await.problem(404, "not_found");
        server.client("user").await.post(&format!("/api/runs/{own}/revert"), &json!({ "turn": 0 })).await.problem(404, "not_found");
    });
}

#[test]
fn a_revert_survives_the_death_of_the_server_by_being_repeated() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let (project, go) = (project(&server), server.directory().join("go"));
        let script = format!("say up\nwait {}\nresult done", go.display());
        let id = user.create(&script, json!({ "agent_type": "claude_code", "cwd": project })).await;
        user.follow(&id).await.until_text("up").await;
        for file in 0..2000 {
            fs::write(project.join(format!("new{file}")), "x").unwrap();
        }
        fs::write(&go, "").unwrap();
        user.end_of(&id).await;
        let interrupted = {
            let (user, id) = (user.clone().without_pool(), id.clone());
            #[expect(clippy::disallowed_methods, reason = "it ends with the server, and is awaited")]
            tokio::spawn(
                async move { user.request(Method::POST, &format!("/api/runs/{id}/revert")).json(&json!({ "turn": 0 })).send().await },
            )
        };
        // Once the first file is gone.
        while (0..2000).all(|file| project.join(format!("new{file}")).exists()) && !interrupted.is_finished() {
            tokio::task::yield_now().await;
        }
        let server = server.killed_and_started_again().await;
        let _ = interrupted.await;
        let user = server.client("user").await;
        let done = user.post(&format!("/api/runs/{id}/revert"), &json!({ "turn": 0 })).await;
        assert_eq!(done.status, 200, "{}", done.text);
        let changes = user.get(&format!("/api/runs/{id}/changes")).await.body;
        assert_eq!(done.body["snapshot"], changes["from"]);
        assert_eq!(listed(&user, &id, "").await, [entry("README.md", "file"), entry("src", "directory")]);
    });
}

/// The names in an archive.
async fn archived(server: &Server, user: &Client, id: &str, query: &str) -> Vec<String> {
    let response = user.request(Method::GET, &format!("/api/runs/{id}/archive{query}")).send().await.expect("an answer");
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/gzip");
    let file = server.directory().join("archive.tar.gz");
    fs::write(&file, response.bytes().await.expect("the whole archive")).expect("a file");
    let listed = std::process::Command::new("tar").arg("-tzf").arg(&file).output().expect("tar");
    assert!(listed.status.success(), "{listed:?}");
    String::from_utf8(listed.stdout).expect("names").lines().map(str::to_owned).collect()
}

#[test]
fn the_directory_or_the_changed_files_are_downloaded_as_an_archive() {
    live(async {
        let server = Server::start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        let (project, go) = (project(&server), server.directory().join("go"));
        symlink("/etc", project.join("link")).unwrap();
        fs::create_dir(project.join(".git")).unwrap();
        fs::write(project.join(".git/config"), "").unwrap();
        let script = format!("say up\nwait {}\nresult done", go.display());
        let id = user.create(&script, json!({ "agent_type": "claude_code", "cwd": project })).await;
        user.follow(&id).await.until_text("up").await;
        fs::write(project.join("src/new.rs"), "").unwrap();
        fs::remove_file(project.join("README.md")).unwrap();
        assert_eq!(archived(&server, &user, &id, "?changed=true").await, ["src/new.rs"]);
        fs::write(&go, "").unwrap();
        user.end_of(&id).await;
        assert_eq!(archived(&server, &user, &id, "").await, ["link", "src/", "src/main.rs", "src/new.rs"]);
        assert_eq!(archived(&server, &user, &id, "?path=src").await, ["src/main.rs", "src/new.rs"]);
        assert_eq!(archived(&server, &user, &id, "?changed=true").await, ["src/new.rs"]);
        for (query, status) in [("?path=..", 422), ("?path=link", 409), ("?path=missing", 404), ("?path=src&changed=true", 422)] {
            assert_eq!(user.get(&format!("/api/runs/{id}/archive{query}")).await.status, status, "{query}");
        }
        let own = ended(&admin, &project).await;
        user.get(&format!("/api/runs/{own}/archive")).await.problem(404, "not_found");
    });
}

#[test]
fn the_commands_list_print_download_revert_and_apply() {
    live(async {
        let server = Server::start().await;
        let user = server.client("admin").await;
        let (project, go, copy) = (project(&server), server.directory().join("go"), server.directory().join("copy"));
        assert!(std::process::Command::new("cp").arg("-a").arg(&project).arg(&copy).status().unwrap().success());
        let script = format!("say up\nwait {}\nresult done", go.display());
        let id = user.create(&script, json!({ "agent_type": "claude_code", "cwd": project })).await;
        user.follow(&id).await.until_text("up").await;
        fs::write(project.join("src/main.rs"), "fn main() { run() }\n").unwrap();
        fs::write(&go, "").unwrap();
        user.end_of(&id).await;
        let listed = server.typed(&["files", "--quiet"]).done().await;
        assert_eq!((listed.code, listed.out.as_str()), (0, "README.md\nsrc\n"), "{listed:?}");
        let file = server.typed(&["files", &id, "src/main.rs"]).done().await;
        assert_eq!(file.out, "fn main() { run() }\n", "{file:?}");
        let before = server.typed(&["run", "files", &id, "src/main.rs", "--turn", "0"]).done().await;
        assert_eq!(before.out, "fn main() {}\n", "{before:?}");
        let archive = server.directory().join("a.tar.gz");
        let saved = server.typed(&["files", &id, "--changed", "--output", archive.to_str().unwrap()]).done().await;
        assert!(saved.code == 0 && fs::metadata(&archive).unwrap().len() > 0, "{saved:?}");
        let missing = server.typed(&["files", &id, "missing"]).done().await;
        assert_eq!(missing.code, 5, "{missing:?}");

        let apply = ["apply", &id, "--dir", copy.to_str().unwrap()];
        let applied = server.typed(&apply).done().await;
        assert_eq!(applied.code, 0, "{applied:?}");
        assert_eq!(fs::read_to_string(copy.join("src/main.rs")).unwrap(), "fn main() { run() }\n");
        let twice = server.typed(&apply).done().await;
        assert!(twice.code == 1 && twice.err.contains("nothing was changed"), "{twice:?}");
        let reverted = server.typed(&["revert", &id, "--turn", "0"]).done().await;
        assert!(reverted.code == 0 && reverted.out.contains("--snapshot"), "{reverted:?}");
        assert_eq!(fs::read_to_string(project.join("src/main.rs")).unwrap(), "fn main() {}\n");
    });
}

#[test]
fn files_written_into_a_fresh_workspace_count_in_the_users_quota() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_QUOTA_WORKSPACE_MB", 1).start().await;
        let user = server.client("user").await;
        let id = user.script("result done").await;
        user.end_of(&id).await;
        assert_eq!(put(&user, &id, "large", vec![b'x'; 1_100_000]).await.status, 201);
        put(&user, &id, "more", "x").await.problem(507, "storage_quota_exceeded");
        assert_eq!(listed(&user, &id, "").await, [entry("large", "file")]);
        // A directory that the user has chosen is the user's own.
        let chosen = ended(&user, &project(&server)).await;
        assert_eq!(put(&user, &chosen, "more", "x").await.status, 201);
    });
}

#[test]
fn the_settings_and_keys_of_the_server_are_neither_served_nor_written() {
    live(async {
        let setup = Setup::new();
        let project = setup.directory().join("project");
        fs::create_dir(&project).unwrap();
        let settings = project.join("openrunner.toml");
        let text = "[agents.claude_code]\nmax_runs = 3\n";
        fs::write(&settings, text).unwrap();
        fs::set_permissions(&settings, fs::Permissions::from_mode(0o600)).unwrap();
        let server = setup.env("OPENRUNNER_CONFIG", settings.display()).start().await;
        let admin = server.client("admin").await;
        let id = ended(&admin, &project).await;
        for path in ["files", "files/openrunner.toml", "files/openrunner.toml?turn=1", "files?turn=0", "archive", "archive?changed=true"] {
            admin.get(&format!("/api/runs/{id}/{path}")).await.problem(403, "working_dir_not_allowed");
        }
        put(&admin, &id, "openrunner.toml", "x").await.problem(403, "working_dir_not_allowed");
        admin.post(&format!("/api/runs/{id}/revert"), &json!({ "turn": 0 })).await.problem(403, "working_dir_not_allowed");
        assert_eq!(fs::read_to_string(&settings).unwrap(), text);
    });
}

#[test]
fn a_patch_does_not_show_the_settings_of_the_server() {
    live(async {
        let setup = Setup::new();
        let project = setup.directory().join("project");
        fs::create_dir(&project).unwrap();
        let settings = project.join("openrunner.toml");
        fs::write(&settings, "[agents.claude_code]\nmax_runs = 3\n").unwrap();
        fs::set_permissions(&settings, fs::Permissions::from_mode(0o600)).unwrap();
        let server = setup.env("OPENRUNNER_CONFIG", settings.display()).start().await;
        let user = server.client("admin").await;
        let go = server.directory().join("go");
        let script = format!("say up\nwait {}\nresult done", go.display());
        let id = user.create(&script, json!({ "agent_type": "claude_code", "cwd": project })).await;
        user.follow(&id).await.until_text("up").await;
        // The operator adds a key meanwhile.
        fs::write(&settings, "[agents.claude_code]\nmax_runs = 3\n# sk-secret\n").unwrap();
        fs::write(&go, "").unwrap();
        let session = user.end_of(&id).await["session_id"].as_str().unwrap().to_owned();
        assert_eq!(user.get(&format!("/api/runs/{id}/changes")).await.body["items"][0]["path"], "openrunner.toml");
        let routes = [
            format!("runs/{id}/changes.patch"),
            format!("runs/{id}/changes.patch?turn=1"),
            format!("runs/{id}/changes/openrunner.toml"),
            format!("sessions/{session}/changes.patch"),
        ];
        for route in routes {
            let answer = user.get(&format!("/api/{route}")).await;
            answer.problem(403, "working_dir_not_allowed");
            assert!(!answer.text.contains("sk-secret"), "{route}");
        }
    });
}
