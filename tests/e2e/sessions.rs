//! Sessions that continue: in another run, after a restart of the server, after a cancelled run.

use serde_json::json;

use crate::stops::{SLEEPER, processes_of, sleeps};
use crate::support::{Agent, Bench, Server, for_each_agent_and_adapter, wait_for};

for_each_agent_and_adapter!(Bench::get();
    a_session_keeps_its_history_across_a_restart,
);

for_each_agent_and_adapter!(Server::configured();
    a_session_continues_after_a_cancelled_run,
);

/// The model reports how many prompts it was shown.
const HISTORY: &str = "what do you know [[mock:history]]";

fn a_session_keeps_its_history_across_a_restart(bench: &'static Bench, agent: Agent) {
    let name = format!("sessions_{agent}");
    let server = Server::start_configured(bench, &name, &[]);
    let (first, events) = server.run(agent, "hello [[mock:text]]", &json!({}));
    events.assert_end("completed", "ok");

    let second = server.create_after(&first, HISTORY, &json!({}));
    let events = server.follow(&second).finish();
    events.assert_completed("I have seen 2 marked prompts.");
    assert_eq!(events.all("message").len(), 1, "earlier messages are not repeated");
    assert_eq!(events.one("run_started")["session_id"], first.session);
    assert_eq!(events.notices("resumed").len(), 1);
    server.kill();

    let server = Server::start_configured(bench, &name, &[]);
    let third = server.create_after(&first, HISTORY, &json!({}));
    let events = server.follow(&third).finish();
    events.assert_completed("I have seen 3 marked prompts.");
    let session = server.get(&format!("/api/sessions/{}", first.session));
    let runs: Vec<_> = session["runs"].as_array().expect("its runs").iter().map(|run| &run["run_id"]).collect();
    assert_eq!(runs, [&third.id, &second.id, &first.id]);
}

fn a_session_continues_after_a_cancelled_run(server: &Server, agent: Agent) {
    let first = server.create(agent, SLEEPER, &json!({}));
    let follow = server.follow(&first);
    wait_for("the tool", || sleeps(&first).then_some(()));
    server.cancel(&first);
    follow.finish().assert_end("cancelled", "cancelled");
    assert_eq!(processes_of(&first), [""; 0]);

    let second = server.create_after(&first, HISTORY, &json!({}));
    server.follow(&second).finish().assert_completed("I have seen 2 marked prompts.");
}

/// Their conversations are found from any directory.
#[test]
fn claude_code_and_codex_continue_a_session_in_another_directory() {
    let Some(server) = Server::shared() else { return };
    for agent in [Agent::ClaudeCode, Agent::Codex] {
        let (first, events) = server.run(agent, "hello [[mock:text]]", &json!({}));
        events.assert_end("completed", "ok");
        std::fs::remove_dir_all(&first.directory).expect("the directory of the run");
        let directory = server.bench.new_directory();
        let moved = server.create_after(&first, HISTORY, &json!({ "cwd": directory }));
        let events = server.follow(&moved).finish();
        events.assert_completed("I have seen 2 marked prompts.");
        assert_eq!(events.one("run_started")["working_dir"], json!(directory));
        let edit = server.create_after(&moved, "make it [[mock:shell cmd=touch+made.txt]]", &json!({}));
        server.follow(&edit).finish().assert_end("completed", "ok");
        assert!(directory.join("made.txt").exists(), "{agent}: the agent works in the new directory");
    }
}

/// The message `/clear` makes Claude Code start another conversation within the run.
#[test]
fn a_session_continues_the_newest_conversation_of_the_agent() {
    let Some(server) = Server::shared() else { return };
    let run = server.create(Agent::ClaudeCode, "One [[mock:history id=a]] [[mock:slow n=6 delay=0.5]]", &json!({}));
    let mut follow = server.follow(&run);
    follow.until("token");
    for message in ["/clear", "Two [[mock:history id=b]]", "Three [[mock:history id=c]]"] {
        server.send_message(&run, "queue", message);
    }
    let events = follow.finish();
    events.assert_completed("I have seen 2 marked prompts.");
    assert!(events.notices("session_changed").len() == 1);
    let next = server.create_after(&run, "Four [[mock:history id=d]]", &json!({}));
    server.follow(&next).finish().assert_completed("I have seen 3 marked prompts.");
}
