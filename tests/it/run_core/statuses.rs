//! Every status is stored when it changes: lists, the run itself and the next server agree on it.

use super::listed;
use crate::support::{Setup, last, live};

#[test]
fn a_run_is_listed_under_the_status_that_it_is_displayed_with() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_STOP_GRACE_SECS", 600).env("OPENRUNNER_MAX_RUNS", 3).start().await;
        let user = server.client("user").await;
        let stopping = user.script("ignore-term\nignore-interrupts\nsay up\nhang").await;
        user.follow(&stopping).await.until_text("up").await;
        let waiting = user.asking("permission Bash\nresult done").await;
        user.follow(&waiting).await.until("permission_request").await;
        let running = user.script("say up\nhang").await;
        user.follow(&running).await.until_text("up").await;
        let queued = user.script("result done").await;
        assert_eq!(user.cancel(&stopping).await.body["status"], "stopping");
        for (status, id) in [("stopping", &stopping), ("waiting", &waiting), ("running", &running), ("queued", &queued)] {
            assert_eq!(user.run(id).await["status"], status);
            assert_eq!(listed(&user, &format!("/api/runs?status={status}"), "run_id").await, std::slice::from_ref(id), "{status}");
        }

        // Also the next server knows it.
        let server = server.killed_and_started_again().await;
        let user = user.at(server.url());
        assert_eq!(user.run(&stopping).await["status"], "stopping");
        assert_eq!(listed(&user, "/api/runs?status=stopping", "run_id").await, [stopping]);
        assert_eq!(user.cancel(&queued).await.body["status"], "cancelled");
        assert_eq!(last(&user.follow(&queued).await.rest().await)["status"], "cancelled");
    });
}
