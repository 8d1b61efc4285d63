//! Working directories.
//!
//! Rules: S6, S11.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::support::{Server, Setup, live};

#[test]
fn a_directory_is_created_if_its_parent_exists_and_the_agent_works_in_it() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let wanted = server.directory().join("made/for/it");
        let refused = user.ask("result x", json!({ "cwd": wanted })).await;
        assert_eq!(refused.problem(422, "bad_working_dir"), "metadata.working_dir");
        std::fs::create_dir_all(wanted.parent().unwrap()).unwrap();
        for name in ["cwd", "working_dir"] {
            let cwd = user.reports(&["cwd"], json!({ name: wanted })).await.remove(0);
            assert_eq!(cwd, json!(wanted));
        }
        let both = json!({ "cwd": wanted, "working_dir": wanted });
        assert_eq!(user.reports(&["cwd"], both).await[0], json!(wanted));
        let other = json!({ "cwd": wanted, "working_dir": server.directory() });
        assert_eq!(user.ask("result x", other).await.problem(422, "invalid_field"), "metadata.cwd");
    });
}

#[test]
fn a_data_directory_or_missing_parent_is_rejected() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        std::fs::write(server.directory().join("file"), "").unwrap();
        std::os::unix::fs::symlink(server.data(), server.directory().join("link")).unwrap();
        let within = |name: &str| server.directory().join(name).display().to_string();
        for wrong in [
            "work",
            "./work",
            "~/work",
            "",
            "/tmp/../etc",
            &within("data"),
            &within("data/new"),
            &within("link"),
            &within("link/new"),
            &within("file"),
        ] {
            let refused = user.ask("result x", json!({ "working_dir": wrong })).await;
            assert_eq!(refused.problem(422, "bad_working_dir"), "metadata.working_dir", "{wrong}");
            assert!(!refused.text.contains("openrunner.db"), "{}", refused.text);
        }
        assert!(!server.data().join("new").exists());
        assert!(user.get("/api/runs").await.body["items"].as_array().unwrap().is_empty(), "a refused run must leave nothing");
    });
}

#[test]
fn a_directory_that_contains_the_data_directory_or_belongs_to_the_kernel_is_rejected() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let admin = server.client("admin").await;
        let parent = server.directory().display().to_string();
        for wrong in [&*parent, "/", "/proc", "/proc/self", "/sys/kernel", "/dev", "/dev/new"] {
            for client in [&user, &admin] {
                let refused = client.ask("result x", json!({ "working_dir": wrong })).await;
                assert_eq!(refused.problem(422, "bad_working_dir"), "metadata.working_dir", "{wrong}");
            }
        }
        assert!(user.get("/api/runs").await.body["items"].as_array().unwrap().is_empty(), "a refused run must leave nothing");
    });
}

#[test]
fn without_a_directory_each_run_gets_a_private_one() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let mut seen = Vec::new();
        for _ in 0..2 {
            let id = user.script("report cwd\nresult done").await;
            let run = user.end_of(&id).await;
            let directory = server.data().join("workspaces").join(&id);
            assert_eq!((run["working_dir"].clone(), user.said(&id).await), (json!(directory), vec![json!(directory).to_string()]));
            assert_eq!(std::fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
            seen.push(directory);
        }
        assert_ne!(seen[0], seen[1]);
    });
}

#[test]
fn directories_outside_the_roots_are_rejected() {
    live(async {
        let setup = Setup::new();
        let (root, beside) = (setup.directory().join("root"), setup.directory().join("root2"));
        std::fs::create_dir(&root).unwrap();
        std::fs::create_dir(&beside).unwrap();
        std::os::unix::fs::symlink(&beside, root.join("link")).unwrap();
        let server = setup.env("OPENRUNNER_WORKSPACE_ROOTS", root.display()).start().await;
        let user = server.client("user").await;
        assert_eq!(user.reports(&["cwd"], json!({ "cwd": root.join("new") })).await[0], json!(root.join("new")));
        for wrong in [&beside, &root.join("link"), &root.join("link/new")] {
            let refused = user.ask("result x", json!({ "cwd": wrong })).await;
            assert_eq!(refused.problem(403, "working_dir_not_allowed"), "metadata.working_dir");
        }
    });
}

#[test]
fn users_are_limited_to_their_roots_and_admins_are_not() {
    live(async {
        let setup = Setup::new();
        let (root, users) = (setup.directory().join("root"), setup.directory().join("root/users"));
        std::fs::create_dir_all(&users).unwrap();
        std::os::unix::fs::symlink(&root, users.join("link")).unwrap();
        let setup = setup.env("OPENRUNNER_WORKSPACE_ROOTS", root.display()).env("OPENRUNNER_USER_WORKSPACE_ROOTS", users.display());
        let server = setup.start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        assert_eq!(user.reports(&["cwd"], json!({ "cwd": users.join("new") })).await[0], json!(users.join("new")));
        for wrong in [&root, &root.join("new"), &users.join("link"), &users.join("link/new")] {
            let refused = user.ask("result x", json!({ "cwd": wrong })).await;
            assert_eq!(refused.problem(403, "working_dir_not_allowed"), "metadata.working_dir");
        }
        assert_eq!(admin.reports(&["cwd"], json!({ "cwd": root.join("new") })).await[0], json!(root.join("new")));
        let outside = admin.ask("result x", json!({ "cwd": server.directory().join("outside") })).await;
        outside.problem(403, "working_dir_not_allowed");
        // From another machine, a fresh directory is always available.
        let fresh = user.script("report cwd\nresult done").await;
        assert_eq!(user.end_of(&fresh).await["status"], "completed");
    });
}

#[test]
fn a_session_does_not_continue_in_a_directory_outside_the_current_roots() {
    live(async {
        let mut server = Server::start().await;
        let user = server.client("user").await;
        let (kept, left_out) = (server.directory().join("kept"), server.directory().join("left-out"));
        std::fs::create_dir(&kept).unwrap();
        let id = user.create("result x", json!({ "cwd": left_out })).await;
        let session = user.end_of(&id).await["session_id"].clone();
        server.signal(rustix::process::Signal::TERM);
        assert_eq!(server.ended().await, 0);
        let server = server.again().env("OPENRUNNER_WORKSPACE_ROOTS", kept.display()).start().await;
        let refused = server.client("user").await.ask("result x", json!({ "session_id": session })).await;
        refused.problem(403, "working_dir_not_allowed");
    });
}

#[test]
fn a_directory_whose_parent_is_replaced_by_a_link_during_the_wait_is_not_entered() {
    live(async {
        let setup = Setup::new();
        let (root, beside) = (setup.directory().join("root"), setup.directory().join("beside"));
        std::fs::create_dir_all(root.join("project/work")).unwrap();
        std::fs::create_dir_all(beside.join("work")).unwrap();
        let server = setup.env("OPENRUNNER_MAX_RUNS", 1).env("OPENRUNNER_WORKSPACE_ROOTS", root.display()).start().await;
        let user = server.client("user").await;
        let first = user.script("say up\nhang").await;
        user.follow(&first).await.until_text("up").await;
        // Checked inside the roots; then its path is changed to lead out of them.
        let second = user.create("report cwd\nresult done", json!({ "cwd": root.join("project/work") })).await;
        std::fs::rename(root.join("project"), root.join("moved")).unwrap();
        std::os::unix::fs::symlink(&beside, root.join("project")).unwrap();
        user.cancel(&first).await;
        let end = user.end_of(&second).await;
        assert_eq!((&end["status"], &end["cause"]), (&json!("failed"), &json!("bad_arguments")), "{end}");
    });
}

#[test]
fn a_directory_replaced_by_a_link_during_the_wait_is_not_entered() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_MAX_RUNS", 1).start().await;
        let user = server.client("user").await;
        let (go, directory) = (server.directory().join("go"), server.directory().join("work"));
        let first = user.script(&format!("say up\nwait {}\nresult done", go.display())).await;
        user.follow(&first).await.until_text("up").await;
        let second = user.create("report cwd\nresult done", json!({ "cwd": directory })).await;
        std::fs::remove_dir(&directory).unwrap();
        std::os::unix::fs::symlink("/etc", &directory).unwrap();
        std::fs::write(go, "").unwrap();
        let end = user.end_of(&second).await;
        assert_eq!((&end["status"], &end["cause"]), (&json!("failed"), &json!("bad_arguments")), "{end}");
    });
}
