//! One user cannot take what all users share: the queue, the memory of the server, its disk and its readers.
//!
//! Rules: C7.

use std::fs;

use futures_util::StreamExt;
use futures_util::stream;
use serde_json::json;

use crate::support::{Server, Setup, live};

/// Length of a large prompt, in bytes.
const PROMPT: usize = 500 * 1024;

/// The memory of the server that belongs to no file, in bytes.
fn memory(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("Linux");
    line.trim_end_matches("kB").trim().parse::<u64>().expect("a number of kibibytes") * 1024
}

#[test]
fn a_user_with_many_waiting_runs_is_refused_before_others() {
    live(async {
        let server = Setup::new()
            .env("OPENRUNNER_MAX_RUNS", 1)
            .env("OPENRUNNER_MAX_QUEUE", 20)
            .env("OPENRUNNER_MAX_QUEUE_PER_USER", 4)
            .start()
            .await;
        let (greedy, other) = (server.client("user").await, server.client("admin").await);
        let busy = greedy.script("say up\nhang").await;
        greedy.follow(&busy).await.until_text("up").await;
        for _ in 0..4 {
            greedy.script("result queued").await;
        }
        let refused = greedy.ask("result refused", json!({ "agent_type": "claude_code" })).await;
        refused.problem(429, "queue_full");
        let detail = refused.body["detail"].as_str().expect("a text");
        assert!(detail.contains("4 of your runs") && detail.contains("OPENRUNNER_MAX_QUEUE_PER_USER"), "{detail}");
        assert!(refused.header("retry-after").parse::<u32>().is_ok_and(|secs| secs > 0));
        let accepted = other.script("result other").await;
        greedy.cancel(&busy).await;
        assert_eq!(other.end_of(&accepted).await["result"], "other");
    });
}

#[test]
fn prompts_of_queued_runs_are_not_held_in_memory() {
    const RUNS: u64 = 100;
    live(async {
        let server = Setup::new().env("OPENRUNNER_MAX_RUNS", 1).start().await;
        let user = server.client("user").await;
        let busy = user.script("say up\nhang").await;
        user.follow(&busy).await.until_text("up").await;
        let script = format!("result done\n#{}", "x".repeat(PROMPT));
        let queue = async |runs: u64| {
            let creating = stream::iter(0..runs).map(|_| user.script(&script)).buffer_unordered(2);
            creating.collect::<Vec<_>>().await
        };
        // Buffers grow to their usual size.
        let warm_up = queue(20).await;
        let before = memory(&server);
        queue(RUNS).await;
        let growth = memory(&server).saturating_sub(before);
        assert!(growth < RUNS * PROMPT as u64 / 2, "{RUNS} queued runs of {PROMPT} bytes took {growth} bytes");
        // The agent gets the prompt nevertheless.
        user.cancel(&busy).await;
        assert_eq!(user.end_of(&warm_up[0]).await["result"], "done");
    });
}
