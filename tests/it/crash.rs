//! The server dies as in a power cut. What anybody has seen is still there, and nothing of its runs goes on.

use rustix::process::Signal;
use serde_json::json;

use crate::support::{Pid, Server, assert_dense, carrying, last, live};

#[test]
fn w1_after_kill_9_every_event_that_was_seen_is_there_under_its_number_byte_by_byte() {
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
            // One is far ahead of another when the server dies, in the middle of the flood.
            for _ in 0..number * 2000 {
                frames.push(reader.next().await.unwrap());
            }
            seen.push(frames);
        }
        assert_eq!(user.run(&id).await["status"], "running");
        let agents: Vec<Pid> = carrying(&id).into_iter().map(Pid::watch).collect();
        assert_eq!(agents.len(), 1);

        let server = server.killed_and_started_again().await;
        for agent in agents {
            agent.gone().await;
        }
        let user = server.client("user").await;
        let all = user.follow(&id).await.rest().await;
        assert_dense(&all);
        for (mut frames, mut reader) in seen.into_iter().zip(readers) {
            // What was still on its way counts as well.
            while let Some(frame) = reader.next().await {
                frames.push(frame);
            }
            assert!(frames.len() < all.len() && frames[..] == all[..frames.len()], "a reader saw what is not there");
        }
        let end = last(&all);
        assert_eq!((&end["status"], &end["cause"]), (&json!("interrupted"), &json!("node_lost")));
        let run = user.run(&id).await;
        assert_eq!((&run["status"], &run["cause"], &run["last_seq"]), (&json!("interrupted"), &json!("node_lost"), &json!(all.len())));
        assert_eq!((user.run(&done).await, user.follow(&done).await.rest().await), ended);
    });
}

#[test]
fn k3_an_agent_dies_with_its_server_before_any_other_server_starts() {
    live(async {
        let mut server = Server::start().await;
        let user = server.client("user").await;
        let id = user.script("ignore-term\nsay up\nhang").await;
        user.follow(&id).await.until_said("up").await;
        let agents: Vec<Pid> = carrying(&id).into_iter().map(Pid::watch).collect();
        assert_eq!(agents.len(), 1);
        server.signal(Signal::KILL);
        assert_eq!(server.ended().await, -9);
        for agent in agents {
            agent.gone().await;
        }
    });
}

#[test]
fn k3_what_an_agent_had_started_is_ended_by_the_next_server() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let id = user.script("children 2 session orphan stubborn\nhang").await;
        user.follow(&id).await.until_says().await;
        let daemons: Vec<Pid> = carrying(&id).into_iter().map(Pid::watch).collect();
        assert_eq!(daemons.len(), 3);
        let server = server.killed_and_started_again().await;
        assert_eq!(carrying(&id), [0; 0]);
        assert_eq!(server.client("user").await.run(&id).await["status"], "interrupted");
    });
}

#[test]
fn k3_a_queued_run_of_a_dead_server_is_interrupted_too() {
    live(async {
        let server = crate::support::Setup::new().env("OPENRUNNER_MAX_RUNS", 1).start().await;
        let user = server.client("user").await;
        let first = user.script("say up\nhang").await;
        user.follow(&first).await.until_said("up").await;
        let second = user.script("result never").await;
        let server = server.killed_and_started_again().await;
        let user = server.client("user").await;
        let frames = user.follow(&second).await.rest().await;
        assert_dense(&frames);
        assert_eq!(frames.iter().map(|frame| frame.event.as_str()).collect::<Vec<_>>(), ["run_queued", "done"]);
        assert_eq!(user.run(&first).await["cause"], "node_lost");
    });
}

#[test]
fn i3_tokens_outlive_the_server_that_gave_them() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let server = server.killed_and_started_again().await;
        assert_eq!(user.at(server.url()).get("/api/auth/me").await.body["username"], "user");
    });
}
