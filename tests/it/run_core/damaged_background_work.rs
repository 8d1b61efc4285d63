//! Damaged rows of webhooks and removals do not stop the others.

use serde_json::json;

use crate::support::{Receiver, Setup, live};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[test]
fn damaged_webhooks_and_removals_do_not_stop_the_others() {
    live(async {
        let receiver = Receiver::start(&[(500, None), (500, None)]).await;
        let setup = Setup::new().env("OPENRUNNER_WEBHOOK_ALLOW", "127.0.0.1").env("OPENRUNNER_WEBHOOK_RETRY_SECS", "2,1,1,1");
        let server = setup.start().await;
        let user = server.client("user").await;
        let webhook = json!({ "url": receiver.url, "secret": SECRET, "events": ["done"] });
        let mut runs = Vec::new();
        for _ in 0..2 {
            let run = user.script_with("result done", json!({ "webhook": webhook })).await;
            user.end_of(&run).await;
            runs.push(run);
        }
        receiver.received(2).await;
        let old = user.script("result done").await;
        user.end_of(&old).await;
        let change = format!(
            "UPDATE webhooks SET events = '[' WHERE run_id = '{}';
             INSERT INTO pending_removals (run_id, workspace) VALUES ('no run', 1);
             UPDATE runs SET ended_at = 1 WHERE id = '{old}'",
            runs[0]
        );
        let server = server.killed_and_changed(&change).await.env("OPENRUNNER_KEEP_DAYS", 30).start().await;
        let user = user.at(server.url());
        let deliveries = receiver.until(|all| all.iter().any(|one| one.answered == 204)).await;
        assert_eq!(deliveries.last().expect("a request").json()["data"]["run_id"], json!(runs[1]));
        // The directory of an expired run is removed although an entry before it is damaged.
        let directory = server.data().join("workspaces").join(&old);
        while directory.exists() {
            tokio::task::yield_now().await;
        }
        user.get(&format!("/api/runs/{old}")).await.problem(404, "not_found");
    });
}
