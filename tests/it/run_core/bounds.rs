//! The memory of the server is bounded, regardless of what an agent writes.
//!
//! Rules: R7.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Frame, Server, assert_dense, last, live, of};

const MIB: u64 = 1024 * 1024;

/// The number of requests that one run may have open (`MAX_OPEN_REQUESTS` in `src/types/bounds.rs`).
const MAX_OPEN_REQUESTS: usize = 256;

/// The resident memory of the server without its files, in bytes.
fn memory_of(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

/// Asserts that the server's memory has grown by less than `max` bytes since `before`, or shrinks to that.
async fn assert_growth_below(server: &Server, before: u64, max: u64) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let growth = memory_of(server).saturating_sub(before);
        if growth < max {
            return;
        }
        assert!(Instant::now() < deadline, "the memory has grown by {} MiB", growth / MIB);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The notices about a limit with this name.
fn limits_reached<'a>(frames: &'a [Frame], limit: &str) -> Vec<&'a serde_json::Value> {
    let notices = of(frames, "notice").into_iter();
    notices.filter(|notice| notice["code"] == "limit_reached" && notice["data"]["limit"] == limit).collect()
}

#[test]
fn a_flood_of_permission_requests_is_denied_beyond_a_bound_and_takes_no_memory() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        user.end_of(&user.script("flood 20000\nresult warm").await).await;
        let before = memory_of(&server);
        let id = user.asking("permission-flood 15000\nsay asked\nwait-for-interrupt").await;
        let mut reader = user.follow(&id).await;
        let mut frames = reader.until_text("asked").await;
        assert_eq!(user.requests(&id).await.len(), MAX_OPEN_REQUESTS);
        assert_growth_below(&server, before, 12 * MIB).await;
        user.cancel(&id).await;
        frames.extend(reader.rest().await);
        assert_dense(&frames);
        let notices = limits_reached(&frames, "open_requests");
        assert_eq!(notices.len(), 1, "the limit is reported once");
        assert_eq!(notices[0]["data"]["max"], json!(MAX_OPEN_REQUESTS));
        let resolved = of(&frames, "permission_resolved").len();
        assert_eq!(resolved, of(&frames, "permission_request").len(), "each request is resolved");
        assert_eq!(last(&frames)["status"], "cancelled");
    });
}

#[test]
fn answered_requests_and_unfinished_tool_calls_take_no_memory() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        user.end_of(&user.script("flood 20000\nresult warm").await).await;
        for script in
            ["permission-flood 15000\nawait-answers\nsay done\nwait-for-interrupt", "call-flood 20000\nsay done\nwait-for-interrupt"]
        {
            let before = memory_of(&server);
            let id = user.script(script).await;
            user.follow(&id).await.until_text("done").await;
            assert_growth_below(&server, before, 12 * MIB).await;
            user.cancel(&id).await;
            assert_eq!(user.end_of(&id).await["status"], "cancelled");
        }
    });
}

#[test]
fn denied_requests_take_no_memory_however_many_there_are() {
    /// More than the server remembers of anything. Their texts are enough for its allocator to have what it needs.
    const FIRST: u32 = 1500;
    /// If their ids stayed in memory, they would take 16 MB.
    const MORE: u32 = 1000;
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let go = server.directory().join("go");
        // The ids of the calls are long, so that each call that is remembered shows.
        let flood = |count: u32| format!("permission-flood {count} 16000");
        let script = format!("{}\nsay first\nwait {}\n{}\nwait-for-interrupt", flood(FIRST), go.display(), flood(MORE));
        let id = user.script_with(&script, json!({ "permission_mode": "read_only" })).await;
        user.follow(&id).await.until_text("first").await;
        let last_seq = async || user.run(&id).await["last_seq"].as_u64().expect("a number");
        let (before, memory) = (last_seq().await, memory_of(&server));
        std::fs::write(&go, "").expect("writable");
        // Each call is written, asks, and is denied.
        while last_seq().await < before + 3 * u64::from(MORE) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_growth_below(&server, memory, 6 * MIB).await;
        user.cancel(&id).await;
        assert_eq!(user.end_of(&id).await["status"], "cancelled");
    });
}

#[test]
fn memory_used_by_huge_lines_is_returned() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        user.end_of(&user.script("flood 20000\nresult warm").await).await;
        let before = memory_of(&server);
        let lines = "long-line 8388608\n".repeat(8);
        let id = user.script(&format!("{lines}say done\nwait-for-interrupt")).await;
        user.follow(&id).await.until_text("done").await;
        assert_growth_below(&server, before, 40 * MIB).await;
        user.cancel(&id).await;
        user.end_of(&id).await;
        assert_growth_below(&server, before, 40 * MIB).await;
    });
}
