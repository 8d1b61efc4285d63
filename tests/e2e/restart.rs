//! The server is killed and restarted while the real programs keep working.

use std::collections::BTreeSet;

use serde_json::json;

use crate::stops::{SLEEPER, ids_of, processes_of, sleeps};
use crate::support::{Agent, Bench, Server, for_each_agent, wait_for};

for_each_agent!(Bench::get();
    an_answer_continues_after_the_server_is_killed,
    an_open_request_can_be_answered_after_a_restart,
    a_running_tool_survives_the_server_and_ends_with_its_run,
);

/// Number of kills, if not two: set by `scripts/soak.sh`.
const KILLS: &str = "OPENRUNNER_TEST_KILLS";

fn an_answer_continues_after_the_server_is_killed(bench: &'static Bench, agent: Agent) {
    let kills = std::env::var(KILLS).map_or(2, |kills| kills.parse().expect("a number"));
    let name = format!("outlived_{agent}");
    let mut server = Server::start(bench, &name, &[]);
    let run = server.create(agent, &format!("count [[mock:slow n={} delay=0.5]]", 12 + 4 * kills), &json!({}));
    let mut follow = server.follow(&run);
    follow.until("token");
    // Not the programs that it starts, which end by themselves.
    let agents = || ids_of(&run).into_iter().filter(|(_, command)| command.contains(agent.chat_name())).map(|(id, _)| id).collect();
    let first: BTreeSet<u32> = agents();
    for kill in 0..kills {
        // At different positions: later kills first read more of the answer.
        (0..kill % 3).for_each(|_| drop(follow.until("token")));
        server.kill();
        let seen = follow.until_disconnected();
        server = Server::start(bench, &name, &[]);
        assert!(!first.is_disjoint(&agents()), "the agent is the same process");
        follow = server.follow(&run);
        for before in &seen {
            assert_eq!(follow.next().as_ref(), Some(before), "delivered events are replayed unchanged");
        }
        follow.until("token");
    }
    let events = follow.finish();
    events.assert_end("completed", "ok");
    assert_eq!(events.text("token"), events.done()["result"].as_str().expect("a result"), "each token arrives exactly once");
    assert_eq!(server.follow(&run).finish().iter().collect::<Vec<_>>(), events.iter().collect::<Vec<_>>());
    assert_eq!(processes_of(&run), [""; 0]);
}

fn an_open_request_can_be_answered_after_a_restart(bench: &'static Bench, agent: Agent) {
    let name = format!("waiting_{agent}");
    let server = Server::start(bench, &name, &[]);
    let run = server.create(agent, "create hello.py [[mock:tool path=hello.py]]", &json!({ "permission_mode": "ask" }));
    let mut follow = server.follow(&run);
    let request = follow.until("permission_request");
    server.kill();
    follow.until_disconnected();

    let server = Server::start(bench, &name, &[]);
    assert_eq!(server.requests(&run)[0]["id"], request["id"]);
    assert!(!run.directory.join("hello.py").exists(), "the agent waits for the answer");
    server.answer(&run, &request, &json!({ "decision": "allow_once" }));
    let events = server.follow(&run).finish();
    events.assert_completed("Done: hello.py is created.");
    assert_eq!(events.one("permission_resolved")["by"], "user");
    assert!(run.directory.join("hello.py").exists());
}

fn a_running_tool_survives_the_server_and_ends_with_its_run(bench: &'static Bench, agent: Agent) {
    let name = format!("killed_{agent}");
    let server = Server::start(bench, &name, &[]);
    let run = server.create(agent, SLEEPER, &json!({}));
    let mut follow = server.follow(&run);
    follow.until("tool_call");
    wait_for("the tool", || sleeps(&run).then_some(()));
    server.kill();
    follow.until_disconnected();

    let server = Server::start(bench, &name, &[]);
    assert!(sleeps(&run));
    assert_eq!(server.get(&format!("/api/runs/{}", run.id))["status"], "running");
    let follow = server.follow(&run);
    server.cancel(&run);
    follow.finish().assert_end("cancelled", "cancelled");
    assert_eq!(processes_of(&run), [""; 0]);
}
