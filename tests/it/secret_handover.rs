//! The next server knows the secrets that must be masked, or reads no further output.
//!
//! Rules: W7.

use std::path::Path;

use rustix::process::{Signal, kill_process};
use serde_json::json;

use crate::support::{Frame, Pid, Server, assert_dense, carrying, last, live, of, shim_of};

const SECRET: &str = "do-not-leak-4711";

/// A line with which the scripted agent writes a part of its answer.
fn piece(text: &str) -> String {
    let event = json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": text } });
    format!("raw {}\n", json!({ "type": "stream_event", "event": event, "parent_tool_use_id": null }))
}

fn wait(file: &Path) -> String {
    format!("wait {}\n", file.display())
}

fn tokens(frames: &[Frame]) -> String {
    of(frames, "token").iter().filter_map(|token| token["content"].as_str()).collect()
}

fn assert_hidden(frames: &[Frame]) {
    assert!(!frames.iter().any(|frame| frame.bytes.contains(SECRET)), "the secret is visible");
}

#[test]
fn a_secret_split_by_a_server_crash_is_masked() {
    live(async {
        let server = Server::start().await;
        let admin = server.client("admin").await;
        let go = server.directory().join("go");
        let (before, after) = (piece("it is do-not-"), piece("leak-4711, and do-no") + &piece("t-leak else"));
        let script = format!("{before}{}{after}result {SECRET}", wait(&go));
        let id = admin.script_with(&script, json!({ "env": { "DEPLOY_TOKEN": SECRET } })).await;
        let mut seen = admin.follow(&id).await.until("token").await;
        assert_eq!(tokens(&seen), "it is ");
        let server = server.killed_and_started_again().await;
        let admin = admin.at(server.url());
        std::fs::write(go, "").unwrap();
        seen.extend(admin.follow_after(&id, seen.last().and_then(|frame| frame.id).unwrap()).await.rest().await);
        assert_dense(&seen);
        assert_eq!(tokens(&seen), "it is [masked], and do-not-leak else");
        let done = last(&seen);
        assert_eq!((&done["status"], &done["result"]), (&json!("completed"), &json!("[masked]")));
        assert_hidden(&seen);
    });
}

#[test]
fn output_without_a_server_is_masked_later_and_the_shim_then_exits() {
    live(async {
        let mut server = Server::start().await;
        let admin = server.client("admin").await;
        let go = server.directory().join("go");
        let script = format!("say up\n{}say {SECRET}\nstderr {SECRET}\nresult {SECRET}\nexit 0", wait(&go));
        let id = admin.script_with(&script, json!({ "env": { "DEPLOY_TOKEN": SECRET } })).await;
        admin.follow(&id).await.until_text("up").await;
        let (agents, shim) = (carrying(&id), Pid::watch(shim_of(&id).as_raw_nonzero().get()));
        server.signal(Signal::KILL);
        assert_eq!(server.ended().await, -9);
        let agents: Vec<Pid> = agents.into_iter().map(Pid::watch).collect();
        std::fs::write(go, "").unwrap();
        for agent in agents {
            agent.gone().await;
        }
        let server = server.again().start().await;
        let frames = admin.at(server.url()).follow(&id).await.rest().await;
        assert_dense(&frames);
        let said: Vec<&str> = of(&frames, "message").iter().filter_map(|message| message["content"].as_str()).collect();
        assert_eq!(said, ["up", "[masked]"]);
        assert_eq!((&last(&frames)["status"], &last(&frames)["result"]), (&json!("completed"), &json!("[masked]")));
        assert_hidden(&frames);
        shim.gone().await;
    });
}

#[test]
fn without_the_secrets_no_further_output_is_read() {
    live(async {
        for ended in [false, true] {
            let mut server = Server::start().await;
            let admin = server.client("admin").await;
            let go = server.directory().join("go");
            let end = if ended { "result fine\nexit 0" } else { "children 1\nhang" };
            let script = format!("say up\n{}say {SECRET}\nstderr {SECRET}\n{end}", wait(&go));
            let id = admin.script_with(&script, json!({ "env": { "DEPLOY_TOKEN": SECRET } })).await;
            let seen = admin.follow(&id).await.until_text("up").await;
            let shim = shim_of(&id);
            let directory = server.data().join("runs").join(&id);
            server.signal(Signal::KILL);
            assert_eq!(server.ended().await, -9);
            std::fs::write(go, "").unwrap();
            let there = if ended { directory.join("exit.json") } else { directory.join("err") };
            while std::fs::read(&there).unwrap_or_default().is_empty() {
                tokio::task::yield_now().await;
            }
            let gone = Pid::watch(shim.as_raw_nonzero().get());
            kill_process(shim, Signal::KILL).unwrap();
            gone.gone().await;
            let output = std::fs::read_to_string(directory.join("out")).unwrap();
            assert!(output.contains(SECRET), "else this would show nothing");

            let server = server.again().start().await;
            let frames = admin.at(server.url()).follow(&id).await.rest().await;
            assert_dense(&frames);
            let done = last(&frames);
            assert_eq!((&done["status"], &done["cause"]), (&json!("interrupted"), &json!("node_lost")), "{done}");
            assert!(done["message"].as_str().unwrap().contains("masked"), "{done}");
            assert_eq!(frames.len(), seen.len() + 1, "nothing but the end comes after it");
            assert_hidden(&frames);
            assert_eq!(carrying(&id), [0; 0]);
        }
    });
}
