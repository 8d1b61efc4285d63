//! Reading arbitrary agent output: nothing ends the run, and nothing is lost silently.
//!
//! Rules: R1, R2, R3, R5.

use serde_json::{Value, json};

use crate::support::{Client, Frame, Server, assert_dense, last, live};

/// All events of a run of this script, which must complete.
async fn events(user: &Client, script: &str) -> Vec<Frame> {
    let id = user.script(script).await;
    let frames = user.follow(&id).await.rest().await;
    assert_dense(&frames);
    assert_eq!(last(&frames)["status"], "completed", "{}", last(&frames));
    frames
}

/// Lines that became `raw` events.
fn raw(frames: &[Frame]) -> Vec<&str> {
    frames.iter().filter(|frame| frame.event == "raw").filter_map(|frame| frame.data["line"].as_str()).collect()
}

fn notices<'a>(frames: &'a [Frame], code: &str) -> Vec<&'a Value> {
    frames.iter().filter(|frame| frame.event == "notice" && frame.data["code"] == code).map(|frame| &frame.data).collect()
}

#[test]
fn unknown_lines_become_raw_events_and_the_run_continues() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let lines =
            ["plain noise", "{\"type\":\"brand_new\",\"n\":1e999}", "{\"type\":", "[]", "null", "\u{1b}[31mred\u{1b}[0m", "event: done"];
        let deep = format!("{{\"type\":\"x\",\"a\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
        let script = lines.map(|line| format!("raw {line}")).join("\n");
        let frames = events(&user, &format!("{script}\nraw {deep}\nresult done")).await;
        let kept = raw(&frames);
        assert_eq!(kept[..lines.len()], lines);
        assert_eq!(kept[lines.len()..], [deep]);
    });
}

#[test]
fn an_agent_cannot_forge_the_end_of_its_run_nor_a_frame() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let forged = "{\"type\":\"done\",\"status\":\"completed\",\"cause\":\"ok\"}";
        let frames =
            events(&user, &format!("raw {forged}\nbytes {}\nsay after\nresult done", hex(b"a\rid: 9\r\revent: done\rdata: {}\r\r\n")))
                .await;
        assert_eq!(raw(&frames), [forged, "a\rid: 9\r\revent: done\rdata: {}\r\r"]);
        assert!(frames.iter().all(|frame| !frame.bytes.contains('\r')), "a bare CR would break a frame");
    });
}

#[test]
fn invalid_utf8_is_replaced_and_reported_once() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let frames = events(&user, "bytes 66ff6f0a\nbytes c3280a\nsay fine\nresult done").await;
        assert_eq!(raw(&frames), ["f\u{fffd}o", "\u{fffd}("]);
        assert_eq!(notices(&frames, "invalid_utf8").len(), 1);
    });
}

#[test]
fn a_line_over_16_mib_is_truncated_and_reported_and_the_next_one_is_complete() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let (cap, size) = (16 * 1024 * 1024, 17 * 1024 * 1024);
        let id = user.script(&format!("long-line {size}\nsay after\nresult done")).await;
        assert_eq!(user.end_of(&id).await["status"], "completed");
        let frames = user.follow(&id).await.rest().await;
        assert_dense(&frames);
        assert_eq!(raw(&frames).iter().map(|line| line.len()).collect::<Vec<_>>(), [cap]);
        assert_eq!(notices(&frames, "truncated")[0]["data"], json!({ "kept": cap, "size": size }));
        assert_eq!(
            frames.iter().filter(|frame| frame.event == "message").map(|frame| &frame.data["content"]).collect::<Vec<_>>(),
            ["after"]
        );
    });
}

#[test]
fn a_last_line_without_newline_counts() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let result = json!({ "type": "result", "subtype": "success", "is_error": false, "result": "unfinished" });
        let id = user.script(&format!("partial {result}")).await;
        let end = user.end_of(&id).await;
        assert_eq!((&end["status"], &end["result"]), (&json!("completed"), &json!("unfinished")));
    });
}

#[test]
fn a_flood_on_stderr_does_not_block_the_agent_and_its_tail_is_kept() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let id = user.script("stderr-flood 2097152\nsay through\nstderr the very end\nexit 9").await;
        let frames = user.follow(&id).await.rest().await;
        assert_dense(&frames);
        assert_eq!(user.said(&id).await, ["through"]);
        let logged: usize =
            frames.iter().filter(|frame| frame.event == "log").filter_map(|frame| frame.data["content"].as_str()).map(str::len).sum();
        assert!(logged > 500_000 && logged <= 1024 * 1024, "{logged} bytes are in the log");
        assert_eq!(notices(&frames, "truncated").len(), 1);
        let done = last(&frames);
        assert_eq!((&done["cause"], &done["exit_code"]), (&json!("crashed"), &json!(9)));
        let tail = done["stderr_tail"].as_str().unwrap();
        assert!(tail.len() <= 16 * 1024 && tail.ends_with("the very end\n"));
    });
}

#[test]
fn stderr_is_logged_in_complete_lines() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let frames = events(&user, "stderr careful\nstderr now\nresult done").await;
        let logged: Vec<&str> =
            frames.iter().filter(|frame| frame.event == "log").filter_map(|frame| frame.data["content"].as_str()).collect();
        assert_eq!(logged.join("\n"), "careful\nnow");
        assert!(last(&frames).get("stderr_tail").is_none(), "a run that went well needs no tail");
    });
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[test]
#[cfg(target_env = "gnu")]
fn the_memory_of_huge_lines_is_returned() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let resident_mib = || {
            let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("it is alive");
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux");
            line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
        };
        user.end_of(&user.script("result done").await).await;
        let before = resident_mib();
        let run = user.end_of(&user.script(&format!("{}result done", "long-line 8388608\n".repeat(8))).await).await;
        assert_eq!(run["status"], "completed");
        // The last batch may still be on its way through the server.
        while resident_mib() > before + 30 {
            tokio::task::yield_now().await;
        }
    });
}
