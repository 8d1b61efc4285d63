//! Cancelling kills the whole process tree, and `done` states the cause.
//!
//! Rules: K1, R4, R5, R6.

use std::time::{Duration, Instant};

use rustix::process::{Pid as Number, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::{Client, Frame, Pid, Server, Setup, assert_dense, carrying, is_alive, last, live, outside};

/// Follows a run to its end and asserts that none of its processes is alive.
async fn follow_to_end(user: &Client, id: &str) -> Vec<Frame> {
    let frames = user.follow(id).await.rest().await;
    assert_dense(&frames);
    assert_eq!(carrying(id), [0; 0], "processes are left of {id}");
    frames
}

/// The `done` event of a run of this script.
async fn done_of(user: &Client, script: &str) -> Value {
    let id = user.script(script).await;
    last(&follow_to_end(user, &id).await).clone()
}

/// Starts a run that reports the pids of its children before it hangs. Returns the run and the pids.
async fn with_children(user: &Client, script: &str) -> (String, Vec<i32>) {
    let id = user.script(script).await;
    let children: Vec<i32> = serde_json::from_str(&user.follow(&id).await.next_text().await).expect("a list of ids");
    let children = outside(&id, &children);
    assert!(children.iter().all(|pid| is_alive(*pid)));
    (id, children)
}

fn has_notice(frames: &[Frame], code: &str) -> bool {
    frames.iter().any(|frame| frame.event == "notice" && frame.data["code"] == code)
}

#[test]
fn an_agent_that_ignores_term_is_killed_after_the_grace_period() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let id = user.script("ignore-term\nsay deaf\nhang").await;
        user.follow(&id).await.until_text("deaf").await;
        assert_eq!(carrying(&id).len(), 1);
        user.cancel(&id).await;
        let frames = follow_to_end(&user, &id).await;
        assert_eq!((&last(&frames)["status"], &last(&frames)["signal"]), (&json!("cancelled"), &json!(9)));
    });
}

#[test]
fn an_agent_is_interrupted_before_it_is_signalled() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let heard = |frames: &[Frame]| frames.iter().any(|frame| frame.data["content"] == "[Request interrupted by user]");
        // One ends its turn by its own protocol; the other ignores that and exits on TERM.
        for (script, hears) in [("say up\nwait-for-interrupt", true), ("ignore-interrupts\nsay up\nwait-for-interrupt", false)] {
            let id = user.script(script).await;
            user.follow(&id).await.until_text("up").await;
            user.cancel(&id).await;
            let frames = follow_to_end(&user, &id).await;
            let done = last(&frames);
            assert_eq!((&done["status"], &done["cause"]), (&json!("cancelled"), &json!("cancelled")));
            assert_eq!(heard(&frames), hears, "{script}");
            assert!(hears || done["signal"] == 15, "{done}");
        }
        let id = user.create("say up\nwait-for-interrupt", json!({ "agent_type": "claude_code", "timeout_secs": 2 })).await;
        let frames = follow_to_end(&user, &id).await;
        assert_eq!((&last(&frames)["cause"], heard(&frames)), (&json!("timeout"), true));
    });
}

#[test]
fn a_cancel_reaches_twenty_children() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let (id, children) = with_children(&user, "children 20\nhang").await;
        assert_eq!(carrying(&id).len(), 21);
        user.cancel(&id).await;
        let frames = follow_to_end(&user, &id).await;
        assert_eq!((&last(&frames)["status"], &last(&frames)["signal"]), (&json!("cancelled"), &json!(15)));
        assert!(!children.into_iter().any(is_alive));
    });
}

#[test]
fn a_cancel_reaches_stubborn_daemons_in_their_own_sessions() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let (id, daemons) = with_children(&user, "children 3 session orphan ignore-term\nhang").await;
        user.cancel(&id).await;
        follow_to_end(&user, &id).await;
        assert!(!daemons.into_iter().any(is_alive));
    });
}

#[test]
fn a_child_without_environment_is_killed_after_its_parent_died() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let (id, children) = with_children(&user, "children 2 session clear-env ignore-term\nhang").await;
        user.cancel(&id).await;
        follow_to_end(&user, &id).await;
        assert!(!children.into_iter().any(is_alive));
    });
}

#[test]
fn processes_that_an_agent_leaves_behind_are_killed_with_its_run() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let go = server.directory().join("go");
        let (id, children) = with_children(&user, &format!("children 2 session orphan\nwait {}\nresult done", go.display())).await;
        std::fs::write(go, "").unwrap();
        let frames = follow_to_end(&user, &id).await;
        assert_eq!(last(&frames)["status"], "completed");
        assert!(!children.into_iter().any(is_alive));
    });
}

#[test]
fn a_suspended_agent_can_be_cancelled() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let id = user.script("report ids\nstop-self\nhang").await;
        user.follow(&id).await.until("message").await;
        user.cancel(&id).await;
        let frames = follow_to_end(&user, &id).await;
        assert_eq!((&last(&frames)["status"], &last(&frames)["signal"]), (&json!("cancelled"), &json!(15)));
    });
}

#[test]
fn a_grandchild_that_holds_the_output_open_does_not_block_the_run() {
    live(async {
        // Isolated agents cannot leave a process behind.
        let server = Setup::new().env("OPENRUNNER_ISOLATION", "none").start().await;
        let user = server.client("user").await;
        let began = Instant::now();
        let id = user.script("children 1 hold-stdout session orphan\nresult done").await;
        let frames = follow_to_end(&user, &id).await;
        assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
        assert!(has_notice(&frames, "leaked_pipe"));
        assert_eq!((&last(&frames)["status"], &last(&frames)["exit_code"]), (&json!("completed"), &json!(0)));
    });
}

#[test]
fn an_agent_that_stays_after_its_result_is_stopped_and_the_run_completes() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let id = user.script("result done\nhang").await;
        let frames = follow_to_end(&user, &id).await;
        assert!(has_notice(&frames, "exit_grace_expired"));
        let done = last(&frames);
        assert_eq!((&done["status"], &done["cause"], &done["result"]), (&json!("completed"), &json!("ok"), &json!("done")));
    });
}

#[test]
fn the_end_of_the_output_is_not_the_end_of_the_agent() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let go = server.directory().join("go");
        let id = user.script(&format!("report ids\nclose-stdout\nwait {}\nexit 5", go.display())).await;
        let ids: Value = serde_json::from_str(&user.follow(&id).await.next_text().await).unwrap();
        let agent = Pid::watch(outside(&id, &[i32::try_from(ids["pid"].as_i64().unwrap()).unwrap()])[0]);
        assert_eq!(user.run(&id).await["status"], "running");
        std::fs::write(go, "").unwrap();
        agent.gone().await;
        let frames = follow_to_end(&user, &id).await;
        assert_eq!((&last(&frames)["cause"], &last(&frames)["exit_code"]), (&json!("crashed"), &json!(5)));
    });
}

#[test]
fn a_killed_agent_is_distinguished_from_a_crashed_one() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let id = user.script("report ids\nhang").await;
        let ids: Value = serde_json::from_str(&user.follow(&id).await.next_text().await).unwrap();
        let pid = Number::from_raw(outside(&id, &[i32::try_from(ids["pid"].as_i64().unwrap()).unwrap()])[0]).unwrap();
        kill_process(pid, Signal::KILL).unwrap();
        let frames = follow_to_end(&user, &id).await;
        let done = last(&frames);
        assert_eq!((&done["status"], &done["cause"], &done["signal"]), (&json!("failed"), &json!("killed"), &json!(9)));
        assert!(done.get("exit_code").is_none());

        let done = done_of(&user, "stderr out of paper\nexit 3").await;
        assert_eq!((&done["status"], &done["cause"], &done["exit_code"]), (&json!("failed"), &json!("crashed"), &json!(3)));
        assert_eq!(done["stderr_tail"], "out of paper\n");
        assert!(done.get("signal").is_none());

        let done = done_of(&user, "signal-self 6").await;
        assert_eq!((&done["cause"], &done["signal"]), (&json!("killed"), &json!(6)));
    });
}

#[test]
fn success_requires_a_good_result_and_a_good_exit() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        for (script, status, cause) in [
            ("result yes", "completed", "ok"),
            ("say yes\nexit 0", "failed", "protocol"),
            ("result yes\nexit 1", "failed", "crashed"),
            ("error no", "failed", "agent_error"),
            ("error Not logged in · Please run /login", "failed", "not_logged_in"),
        ] {
            let done = done_of(&user, script).await;
            assert_eq!((&done["status"], &done["cause"]), (&json!(status), &json!(cause)), "{script}: {done}");
        }
    });
}

#[test]
fn a_run_over_its_time_limit_times_out() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        // It is never silent, so only the time limit can end it.
        let id = user.create("children 1\nflood 100000000", json!({ "agent_type": "claude_code", "timeout_secs": 1 })).await;
        let end = user.end_of(&id).await;
        assert_eq!((&end["status"], &end["cause"]), (&json!("timed_out"), &json!("timeout")));
        assert_eq!(carrying(&id), [0; 0]);
    });
}

#[test]
fn an_agent_that_is_silent_too_long_times_out() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let id = user.create("say up\nhang", json!({ "agent_type": "claude_code", "idle_timeout_secs": 1 })).await;
        let frames = follow_to_end(&user, &id).await;
        assert_eq!((&last(&frames)["status"], &last(&frames)["cause"]), (&json!("timed_out"), &json!("idle_timeout")));
        for (field, value) in [("timeout_secs", 0), ("idle_timeout_secs", 0), ("timeout_secs", 604_801)] {
            let mut metadata = json!({ "agent_type": "claude_code" });
            metadata[field] = value.into();
            assert_eq!(user.ask("result x", metadata).await.problem(422, "invalid_field"), format!("metadata.{field}"));
        }
    });
}
