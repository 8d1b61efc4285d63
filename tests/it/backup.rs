//! A backup taken during runs restores a complete server elsewhere and does not affect the original.

use std::path::Path;

use serde_json::json;

use crate::support::{Server, Setup, assert_dense, carrying, last, live, typed};

/// Runs a command on the data directory of a server, as an operator would.
async fn operator(home: &Path, data: &Path, args: &[&str]) -> (i32, String) {
    let printed = typed(home, args).env("OPENRUNNER_DATA_DIR", data).done().await;
    (printed.code, printed.out + &printed.err)
}

#[test]
fn a_backup_taken_during_runs_restores_a_complete_server() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_MAX_RUNS", 2).start().await;
        let (user, home) = (server.client("user").await, server.home());
        let ended = [user.script("flood 2000\nresult done").await, user.script("stderr oh\nexit 3").await];
        let mut logs = Vec::new();
        for id in &ended {
            logs.push(user.follow(id).await.rest().await);
        }
        let (idle, busy) = (user.script("say up\nhang").await, user.script("pace 100000 1000\nresult done").await);
        user.follow(&idle).await.until_text("up").await;
        user.follow(&busy).await.until("token").await;
        let queued = user.script("result done").await;

        let (file, data) = (server.directory().join("backup.db"), server.directory().join("elsewhere"));
        let (code, said) = operator(&home, &server.data(), &["backup", file.to_str().unwrap()]).await;
        assert_eq!((code, said.contains("5 runs (3 live)")), (0, true), "{said}");
        let (code, said) = operator(&home, &server.data(), &["restore", file.to_str().unwrap(), "--force"]).await;
        assert_eq!((code, said.contains("another openrunner server uses")), (1, true), "{said}");
        let (code, said) = operator(&home, &data, &["restore", file.to_str().unwrap()]).await;
        assert_eq!((code, said.contains("3 runs live at the time of the backup")), (0, true), "{said}");

        let second = server.again().env("OPENRUNNER_DATA_DIR", data.display()).start().await;
        let other = second.client("user").await;
        for (id, log) in ended.iter().zip(&logs) {
            assert!(other.follow(id).await.rest().await == *log, "an ended run says something else");
            assert_eq!(other.run(id).await, user.run(id).await);
        }
        for id in [&idle, &busy, &queued] {
            let frames = other.follow(id).await.rest().await;
            assert_dense(&frames);
            assert_eq!((&last(&frames)["status"], &last(&frames)["cause"]), (&json!("interrupted"), &json!("node_lost")));
        }
        // The first server's agents were neither searched for nor killed.
        assert_eq!((carrying(&idle).len(), carrying(&busy).len()), (1, 1));
        assert_eq!((&user.run(&idle).await["status"], &user.run(&queued).await["status"]), (&json!("running"), &json!("queued")));
        user.cancel(&busy).await;
        assert_eq!(user.end_of(&queued).await["status"], "completed");
        user.cancel(&idle).await;
    });
}

#[test]
fn a_backup_can_be_written_to_a_pipe() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let id = user.script("say up\nresult done").await;
        let log = user.follow(&id).await.rest().await;
        let (file, data) = (server.directory().join("piped"), server.directory().join("elsewhere"));
        let mut backup = tokio::process::Command::new(env!("CARGO_BIN_EXE_openrunner"));
        backup.args(["backup", "-"]).env_clear().env("OPENRUNNER_DATA_DIR", server.data()).stdout(std::fs::File::create(&file).unwrap());
        assert!(backup.status().await.unwrap().success());
        let left: Vec<_> = std::fs::read_dir(server.data()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(left.iter().all(|path| path.extension().is_none_or(|end| end != "part")), "{left:?}");
        let (code, said) = operator(&server.home(), &data, &["restore", file.to_str().unwrap()]).await;
        assert_eq!(code, 0, "{said}");
        let second = server.again().env("OPENRUNNER_DATA_DIR", data.display()).start().await;
        assert!(second.client("user").await.follow(&id).await.rest().await == log);
    });
}
