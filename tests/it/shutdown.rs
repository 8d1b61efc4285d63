//! Shutdown of the server.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::support::{Server, Setup, assert_dense, carrying, last, live};

#[test]
fn sigterm_stops_every_run_with_on_shutdown_stop_and_readers_see_the_end() {
    live(async {
        let mut server = Setup::new().env("OPENRUNNER_MAX_RUNS", 1).env("OPENRUNNER_ON_SHUTDOWN", "stop").start().await;
        let user = server.client("user").await;
        let running = user.script("children 2 session\nsay up\nhang").await;
        let mut reader = user.follow(&running).await;
        let mut frames = reader.until_text("up").await;
        let queued = user.script("result never").await;
        let waiting = user.follow(&queued).await;
        let began = Instant::now();
        server.signal(Signal::TERM);
        frames.extend(reader.rest().await);
        assert_dense(&frames);
        assert_eq!((&last(&frames)["status"], &last(&frames)["cause"]), (&json!("interrupted"), &json!("shutdown")));
        let waited = waiting.rest().await;
        assert_eq!((&last(&waited)["status"], &last(&waited)["cause"]), (&json!("interrupted"), &json!("shutdown")));
        assert_eq!(server.ended().await, 0, "{}", server.log());
        assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
        assert_eq!(carrying(&running), [0; 0]);

        let server = server.again().start().await;
        let user = server.client("user").await;
        assert_eq!(user.follow(&running).await.rest().await, frames);
        assert_eq!(user.run(&queued).await["cause"], "shutdown");
    });
}

#[test]
fn a_stubborn_agent_does_not_delay_the_shutdown() {
    live(async {
        let setup = Setup::new().env("OPENRUNNER_STOP_GRACE_SECS", 600).env("OPENRUNNER_SHUTDOWN_SECS", 6);
        let mut server = setup.start().await;
        let user = server.client("user").await;
        let id = user.script("ignore-term\nsay up\nhang").await;
        user.follow(&id).await.until_text("up").await;
        // The grace period of the cancel is long, that of the shutdown is not.
        user.cancel(&id).await;
        let began = Instant::now();
        server.signal(Signal::INT);
        assert_eq!(server.ended().await, 0, "{}", server.log());
        assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
        assert_eq!(carrying(&id), [0; 0]);
        let server = server.again().start().await;
        assert_eq!(server.client("user").await.run(&id).await["status"], "cancelled");
    });
}

#[test]
fn a_second_signal_exits_immediately() {
    live(async {
        let setup = Setup::new().env("OPENRUNNER_ON_SHUTDOWN", "stop").env("OPENRUNNER_STOP_GRACE_SECS", 600);
        let mut server = setup.env("OPENRUNNER_SHUTDOWN_SECS", 600).start().await;
        let user = server.client("user").await;
        let id = user.script("ignore-term\nsay up\nhang").await;
        user.follow(&id).await.until_text("up").await;
        server.signal(Signal::TERM);
        server.logs("shutting down").await;
        server.signal(Signal::TERM);
        assert_eq!(server.ended().await, 130);
        // The next server completes the cancel, with its own grace period.
        let server = server.again().env("OPENRUNNER_STOP_GRACE_SECS", 1).start().await;
        let user = server.client("user").await;
        user.cancel(&id).await;
        let end = user.end_of(&id).await;
        assert!(["cancelled", "interrupted"].contains(&end["status"].as_str().unwrap()), "{end}");
        assert_eq!(carrying(&id), [0; 0]);
    });
}

#[test]
fn an_idle_server_stops_without_waiting_for_clients() {
    live(async {
        let mut server = Server::start().await;
        // Its connection stays open and idle.
        let user = server.client("user").await;
        server.signal(Signal::TERM);
        let began = Instant::now();
        assert_eq!(server.ended().await, 0);
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        drop(user);
    });
}

#[test]
fn a_second_server_on_the_same_data_directory_refuses_to_start() {
    live(async {
        let server = Server::start().await;
        let (status, log) = server.again().fails_to_start().await;
        assert_eq!(status.code(), Some(1));
        assert!(log.contains("another openrunner server uses the data directory") && log.contains("OPENRUNNER_DATA_DIR"), "{log}");
        assert_eq!(server.guest().get("/health").await.status, 200);
    });
}
