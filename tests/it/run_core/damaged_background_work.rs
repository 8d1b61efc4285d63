//! Damaged rows of webhooks and removals do not stop the others.

use serde_json::json;

use crate::support::{Receiver, Setup, live, query};

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
        // The damaged entry is gone, too: it names no directory.
        assert_eq!(query::<i64>(&server.database(), "SELECT count(*) FROM pending_removals WHERE run_id = 'no run'"), 0);
        user.get(&format!("/api/runs/{old}")).await.problem(404, "not_found");
    });
}

#[test]
fn the_webhook_of_a_damaged_run_delivers_what_can_be_read_or_ends_with_a_reason() {
    live(async {
        // Each damage, and whether the end of the run can be delivered.
        let damages = [
            ("UPDATE runs SET spec = '{' WHERE id = ?", true),
            ("UPDATE event_chunks SET body = x'00' WHERE run_id = ?", true),
            ("UPDATE event_chunks SET body = x'00' WHERE run_id = ?; UPDATE runs SET done = '{' WHERE id = ?", false),
            ("UPDATE runs SET last_seq = 0 WHERE id = ?", false),
        ];
        let receiver = Receiver::start(&[(500, None); 4]).await;
        let setup = Setup::new().env("OPENRUNNER_WEBHOOK_ALLOW", "127.0.0.1").env("OPENRUNNER_WEBHOOK_RETRY_SECS", "600,1,1,1");
        let server = setup.start().await;
        let user = server.client("user").await;
        let webhook = json!({ "url": receiver.url, "secret": SECRET, "events": ["done"] });
        // The first server retries none of them, the second one all at once.
        let (mut runs, mut changes) = (Vec::new(), vec!["UPDATE webhooks SET next_attempt_at = 0".to_owned()]);
        for (damage, _) in damages {
            let run = user.script_with("result done", json!({ "webhook": webhook })).await;
            user.end_of(&run).await;
            changes.push(damage.replace('?', &format!("'{run}'")));
            runs.push(run);
        }
        receiver.received(4).await;
        let server = server.killed_and_changed(&changes.join(";")).await.start().await;
        let active = "SELECT count(*) FROM webhooks WHERE status = 'active'";
        while query::<i64>(&server.database(), active) > 0 {
            tokio::task::yield_now().await;
        }
        let delivered = receiver.taken().await.into_iter().filter(|request| request.answered == 204);
        let mut delivered: Vec<String> =
            delivered.map(|request| request.json()["data"]["run_id"].as_str().expect("an id").to_owned()).collect();
        delivered.sort_unstable();
        let mut expected: Vec<String> =
            runs.iter().zip(damages).filter(|(_, (_, is_readable))| *is_readable).map(|(run, _)| run.clone()).collect();
        expected.sort_unstable();
        assert_eq!(delivered, expected);
        for (run, (damage, is_readable)) in runs.iter().zip(damages) {
            let sql = format!(
                "SELECT deliveries.status || ': ' || coalesce(error, '') FROM webhook_deliveries AS deliveries
                 JOIN webhooks ON webhooks.id = webhook_id WHERE run_id = '{run}' ORDER BY deliveries.id DESC LIMIT 1"
            );
            let outcome = query::<String>(&server.database(), &sql);
            assert_eq!(outcome.starts_with("failed: the "), !is_readable, "{damage}: {outcome}");
        }
    });
}
