//! Quotas over the API and the command line, and the retention of what no one asked to keep.
//!
//! Rules: C6.

use serde_json::{Value, json};

use crate::support::{Server, Setup, live};

/// A quota of the caller.
async fn quota(client: &crate::support::Client, name: &str) -> Value {
    let answer = client.get("/api/usage").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body["quotas"][name].clone()
}

#[test]
fn a_reached_quota_is_named_with_its_value_and_remedy_and_an_admin_can_raise_it() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_QUOTA_RUNS", 2).start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        let runs = [user.script("result one").await, user.script("result two").await];
        for run in &runs {
            user.end_of(run).await;
        }
        let metadata = json!({ "agent_type": "claude_code" });
        let refused = user.ask("result three", metadata.clone()).await;
        refused.problem(429, "quota_exceeded");
        let detail = refused.body["detail"].as_str().expect("a text");
        assert!(detail.contains("`runs`") && detail.contains("2 of 2") && detail.contains("delete runs"), "{detail}");
        assert_eq!(quota(&user, "runs").await, json!({ "used": 2, "allowed": 2, "is_own": false }));
        admin.script("result of another user").await;
        // Deleting a run makes room.
        assert_eq!(user.delete(&format!("/api/runs/{}", runs[0])).await.status, 204);
        user.end_of(&user.script("result three").await).await;
        user.ask("result four", metadata.clone()).await.problem(429, "quota_exceeded");
        let set = async |quotas: Value| {
            let request = admin.request(reqwest::Method::PATCH, "/api/users/user").json(&json!({ "quotas": quotas }));
            admin.send(request).await
        };
        assert_eq!(set(json!({ "runs": 3 })).await.status, 200);
        assert_eq!(quota(&user, "runs").await, json!({ "used": 2, "allowed": 3, "is_own": true }));
        user.script("result four").await;
        user.ask("result five", metadata).await.problem(429, "quota_exceeded");
        assert_eq!(set(json!({ "runs": "unlimited", "stored_bytes": 1 })).await.status, 200);
        let full = user.ask("result five", json!({ "agent_type": "claude_code" })).await;
        full.problem(507, "storage_quota_exceeded");
        let detail = full.body["detail"].as_str().expect("a text");
        assert!(detail.contains("`stored_bytes`") && detail.contains("of 1)"), "{detail}");
        assert_eq!(set(json!({ "runs": -1 })).await.status, 422);
        // Users see their own quotas only.
        let of_admin = user.get("/api/usage?owner=admin").await.body["quotas"]["owner"].clone();
        assert_eq!(of_admin, "user");
        assert_eq!(admin.get("/api/usage?owner=user").await.body["quotas"]["stored_bytes"]["allowed"], 1);
    });
}

#[test]
fn quotas_are_shown_and_set_on_the_command_line() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        user.end_of(&user.script("result one").await).await;
        let set = server.typed(&["user", "quota", "user", "--runs", "7", "--stored-mb", "5", "--json"]).json().await;
        assert_eq!(set["username"], "user");
        let shown = server.typed(&["user", "quota", "user"]).done().await.out;
        assert!(shown.contains("runs\t1\t7") && shown.contains("stored\t0 MiB\t5 MiB"), "{shown}");
        let own = json!({ "stored_bytes": 5 * 1024 * 1024, "runs": 7 });
        assert_eq!(set["quotas"], own);
        assert_eq!(server.client("admin").await.get("/api/users").await.body["items"][1]["quotas"], own);
        let args = ["user", "quota", "user", "--keys", "unlimited", "--stored-mb", "default"];
        assert_eq!(server.offline(&args).done().await.code, 0);
        let offline = server.offline(&["user", "show", "user"]).done().await.out;
        assert!(offline.contains("runs 7, keys unlimited") && !offline.contains("stored"), "{offline}");
        let online = server.typed(&["user", "ls"]).done().await.out;
        assert!(online.contains("runs 7, keys unlimited"), "{online}");
        let own = server.typed(&["usage", "--quotas", "--owner", "user", "--json"]).json().await;
        assert_eq!((&own["runs"]["used"], &own["runs"]["allowed"]), (&json!(1), &json!(7)));
    });
}

#[test]
fn the_content_of_a_fresh_workspace_counts_after_the_run() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let run = user.script("save prompt kept\nresult saved").await;
        let workspace = user.run(&run).await["working_dir"].as_str().expect("a directory").to_owned();
        std::fs::write(std::path::Path::new(&workspace).join("large"), vec![1; 2_000_000]).expect("the directory exists");
        user.end_of(&run).await;
        let gone = user.script("result gone").await;
        user.end_of(&gone).await;
        // A deletion wakes retention, which measures.
        assert_eq!(user.delete(&format!("/api/runs/{gone}")).await.status, 204);
        while quota(&user, "workspace_bytes").await["used"].as_u64() < Some(2_000_000) {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        assert_eq!(user.delete(&format!("/api/runs/{run}")).await.status, 204);
        assert_eq!(quota(&user, "workspace_bytes").await["used"], 0);
    });
}
