//! The server is killed. Every delivered event is still stored, and its runs continue.
//!
//! Rules: I3, K3, W1.

use serde_json::json;

use crate::support::{Server, assert_dense, carrying, last, live};

#[test]
fn after_kill_9_every_delivered_event_is_replayed_byte_by_byte() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let done = user.script("say before\nresult done").await;
        let ended = (user.end_of(&done).await, user.follow(&done).await.rest().await);
        let id = user.script("say up\nflood 100000000").await;
        let mut readers = Vec::new();
        for _ in 0..3 {
            readers.push(user.follow(&id).await);
        }
        let mut seen = Vec::new();
        for (reader, number) in readers.iter_mut().zip(1..) {
            let mut frames = Vec::new();
            // The readers are at different positions when the server dies in the middle of the flood.
            for _ in 0..number * 2000 {
                frames.push(reader.next().await.unwrap());
            }
            seen.push(frames);
        }
        assert_eq!(user.run(&id).await["status"], "running");
        let agents = carrying(&id);
        assert_eq!(agents.len(), 1);

        let server = server.killed_and_started_again().await;
        assert_eq!(carrying(&id), agents);
        // Reading the log takes longer than the server keeps an idle connection.
        let user = server.client("user").await.without_pool();
        user.cancel(&id).await;
        let all = user.follow(&id).await.rest().await;
        assert_dense(&all);
        for (mut frames, mut reader) in seen.into_iter().zip(readers) {
            // Events in flight count as delivered.
            while let Some(frame) = reader.next().await {
                frames.push(frame);
            }
            assert!(frames.len() < all.len() && frames[..] == all[..frames.len()], "a reader saw what is not there");
        }
        let end = last(&all);
        assert_eq!((&end["status"], &end["cause"]), (&json!("cancelled"), &json!("cancelled")));
        let run = user.run(&id).await;
        assert_eq!((&run["status"], &run["last_seq"]), (&json!("cancelled"), &json!(all.len())));
        assert_eq!((user.run(&done).await, user.follow(&done).await.rest().await), ended);
    });
}

#[test]
fn queued_runs_of_a_dead_server_are_started_by_the_next_one() {
    live(async {
        let server = crate::support::Setup::new().env("OPENRUNNER_MAX_RUNS", 1).start().await;
        let user = server.client("user").await;
        let go = server.directory().join("go");
        let first = user.script(&format!("say up\nwait {}\nresult one", go.display())).await;
        user.follow(&first).await.until_text("up").await;
        let second = user.script("result two").await;
        assert_eq!(user.say(&second, "queue", "result three").await.status, 202);
        let server = server.killed_and_started_again().await;
        let user = server.client("user").await;
        assert_eq!(user.run(&second).await["status"], "queued");
        std::fs::write(go, "").unwrap();
        let frames = user.follow(&second).await.rest().await;
        assert_dense(&frames);
        assert_eq!((&last(&frames)["status"], &last(&frames)["result"]), (&json!("completed"), &json!("three")));
        assert_eq!(user.end_of(&first).await["result"], "one");
    });
}

#[test]
fn tokens_survive_a_server_crash() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let server = server.killed_and_started_again().await;
        assert_eq!(user.at(server.url()).get("/api/auth/me").await.body["username"], "user");
    });
}
