//! Damaged rows of unfinished runs: the server starts, ends these runs, and continues the others.

use crate::support::{Setup, assert_dense, carrying, live, query};

#[test]
fn a_damaged_row_of_an_unfinished_run_does_not_prevent_the_start() {
    live(async {
        for damage in ["spec = '{'", "status = 'lost'", "checkpoint = '?'", "withheld = '?'", "widened = '?'"] {
            let server = Setup::new().env("OPENRUNNER_MAX_RUNS", 2).start().await;
            let user = server.client("user").await;
            let go = server.directory().join("go");
            let script = format!("say up\nwait {}\nresult done", go.display());
            let (damaged, sound) = (user.script(&script).await, user.script(&script).await);
            for run in [&damaged, &sound] {
                user.follow(run).await.until_text("up").await;
            }
            let queued = [user.script("result done").await, user.script("result done").await];
            let change = format!("UPDATE runs SET {damage} WHERE id IN ('{damaged}', '{}')", queued[0]);
            let server = server.killed_and_changed(&change).await.start().await;
            let user = user.at(server.url());
            std::fs::write(go, "").unwrap();
            for run in [&sound, &queued[1]] {
                assert_eq!(user.end_of(run).await["status"], "completed", "{damage}");
                assert_dense(&user.follow(run).await.rest().await);
            }
            // The damaged runs come to an end, too, and leave no processes.
            let unfinished = "SELECT count(*) FROM runs WHERE ended_at IS NULL";
            while query::<i64>(&server.database(), unfinished) > 0 || !carrying(&damaged).is_empty() {
                tokio::task::yield_now().await;
            }
        }
    });
}
