//! Connections between servers and shims break, and files between them are damaged.
//!
//! Rules: K3.

use std::fs::File;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use rustix::process::{Signal, kill_process};
use serde_json::json;

use crate::support::{Frame, Server, assert_dense, carrying, last, live, of, shim_of};

/// Puts a proxy in front of the shim with this process directory. It breaks each of its first connections after some bytes, at any place
/// in a message.
fn unreliable(directory: &Path, connections: usize) {
    let (socket, real) = (directory.join("socket"), directory.join("socket.real"));
    std::fs::rename(&socket, &real).expect("test setup");
    let listener = UnixListener::bind(socket).expect("test setup");
    std::thread::spawn(move || {
        for (number, server) in listener.incoming().enumerate() {
            let (Ok(server), Ok(shim)) = (server, UnixStream::connect(&real)) else { break };
            let limit = if number < connections { 700 + 111 * number } else { usize::MAX };
            let back = (server.try_clone().expect("test setup"), shim.try_clone().expect("test setup"));
            std::thread::spawn(move || pass(&back.0, &back.1, usize::MAX));
            std::thread::spawn(move || pass(&shim, &server, limit));
        }
    });
}

/// Passes up to `limit` bytes on, then breaks both connections.
fn pass(mut from: &UnixStream, mut to: &UnixStream, mut limit: usize) {
    let mut buffer = [0; 256];
    while limit > 0 {
        let room = buffer.len().min(limit);
        let Ok(count) = from.read(&mut buffer[..room]) else { break };
        if count == 0 || to.write_all(&buffer[..count]).is_err() {
            break;
        }
        limit -= count;
    }
    for stream in [from, to] {
        let _ = stream.shutdown(Shutdown::Both);
    }
}

#[test]
fn a_run_survives_broken_connections_to_its_shim_without_losing_or_repeating_anything() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let script = "say up\npace 1000 1000\npermission Bash\nquestion Which?|red|blue\npace 1000 1000\nresult done";
        let id = user.asking(script).await;
        let mut reader = user.follow(&id).await;
        let mut seen: Vec<Frame> = reader.until_text("up").await;
        let agents = carrying(&id);
        unreliable(&server.data().join("runs").join(&id), 30);
        let server = server.killed_and_started_again().await;
        let user = user.at(server.url());
        let mut reader = user.follow_after(&id, seen.last().unwrap().id.unwrap()).await;
        seen.extend(reader.until("permission_request").await);
        user.decide(&id, last(&seen)["id"].as_str().unwrap(), "allow_once").await;
        seen.extend(reader.until("question").await);
        let answer = user.answer(&id, last(&seen)["id"].as_str().unwrap(), json!({ "answers": [["blue"]] })).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(carrying(&id), agents, "the agent is the same process");
        seen.extend(reader.rest().await);
        assert_dense(&seen);
        assert_eq!((&last(&seen)["status"], &last(&seen)["result"]), (&json!("completed"), &json!("done")), "{}", last(&seen));
        let counted =
            |frames: &[Frame]| of(frames, "token").iter().filter_map(|token| token["content"].as_str()?.trim().parse().ok()).collect();
        let numbers: Vec<u64> = counted(&seen);
        assert_eq!(numbers, (1..=1000).chain(1..=1000).collect::<Vec<_>>());
        assert_eq!(of(&seen, "tool_result")[0]["status"], "ok");
        assert!(of(&seen, "tool_result").iter().any(|result| result["content"].as_str().is_some_and(|text| text.contains("blue"))));
        assert!(server.log().matches("reconnected to a shim").count() > 5, "{}", server.log());
    });
}

#[test]
fn a_run_whose_shim_died_with_a_part_of_its_output_is_interrupted_with_what_was_stored() {
    live(async {
        let mut server = Server::start().await;
        let user = server.client("user").await;
        let id = user.script("say one\nsay two\nhang").await;
        let mut frames = user.follow(&id).await.until_text("two").await;
        server.signal(Signal::KILL);
        assert_eq!(server.ended().await, -9);
        kill_process(shim_of(&id), Signal::KILL).unwrap();
        let output = File::options().write(true).open(server.data().join("runs").join(&id).join("out")).unwrap();
        output.set_len(output.metadata().unwrap().len() / 2).unwrap();
        let server = server.again().start().await;
        let user = user.at(server.url());
        let stored = frames.len();
        frames.extend(user.follow_after(&id, frames.last().unwrap().id.unwrap()).await.rest().await);
        assert_dense(&frames);
        let done = last(&frames);
        assert_eq!((frames.len(), &done["status"], &done["cause"]), (stored + 1, &json!("interrupted"), &json!("node_lost")), "{done}");
        assert!(done["message"].as_str().unwrap().contains("incomplete"), "{done}");
        assert_eq!(carrying(&id), [0; 0]);
    });
}

#[test]
fn lost_and_damaged_process_files_end_their_runs_and_no_other() {
    live(async {
        let mut server = Server::start().await;
        let user = server.client("user").await;
        let go = server.directory().join("go");
        let script = format!("say up\nwait {}\nsay more\nresult done", go.display());
        let mut runs = Vec::new();
        for _ in 0..4 {
            let id = user.script(&script).await;
            user.follow(&id).await.until_text("up").await;
            runs.push(id);
        }
        server.signal(Signal::KILL);
        assert_eq!(server.ended().await, -9);
        let file = |run: &str, name: &str| server.data().join("runs").join(run).join(name);
        std::fs::remove_file(file(&runs[0], "task.json")).unwrap();
        std::fs::write(file(&runs[1], "calls"), "no journal\nat all\n").unwrap();
        std::fs::remove_dir_all(server.data().join("runs").join(&runs[2])).unwrap();
        std::fs::write(server.data().join("runs").join(&runs[2]), "not a directory").unwrap();
        let server = server.again().start().await;
        let user = user.at(server.url());
        std::fs::write(go, "").unwrap();
        let expected = [("interrupted", "node_lost"), ("failed", "storage"), ("failed", "storage"), ("completed", "ok")];
        for (id, (status, cause)) in runs.iter().zip(expected) {
            let run = user.end_of(id).await;
            assert_eq!((&run["status"], &run["cause"]), (&json!(status), &json!(cause)), "{run}");
            let frames = user.follow(id).await.rest().await;
            assert_dense(&frames);
            let messages = if status == "completed" { 2 } else { 1 };
            assert_eq!(of(&frames, "message").len(), messages, "the prompt is carried out once: {frames:?}");
            assert_eq!(carrying(id), [0; 0]);
        }
    });
}
