//! The server exits or is killed, its agents continue, and the next server resumes their runs.
//!
//! Rules: K3, S10.

use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

use crate::support::{Client, Frame, Pid, Server, Setup, assert_dense, carrying, is_alive, last, live, of, shim_of};

/// Rounds of kills in the middle of a stream; `scripts/soak.sh` runs more.
const ROUNDS: &str = "OPENRUNNER_TEST_ROUNDS";

/// A random number below `bound`.
fn random(bound: u64) -> u64 {
    RandomState::new().hash_one(0) % bound
}

/// Appends everything after the last event of `seen`, up to the end of the stream.
async fn read_on(user: &Client, id: &str, seen: &mut Vec<Frame>) {
    let after = seen.last().and_then(|frame| frame.id).unwrap_or(0);
    seen.extend(user.follow_after(id, after).await.rest().await);
}

/// The numbers that the scripted agent counts.
fn counted(frames: &[Frame]) -> Vec<u64> {
    let tokens = of(frames, "token");
    tokens.iter().filter_map(|token| token["content"].as_str()?.trim().parse().ok()).collect()
}

async fn said_up(user: &Client, script: &str) -> String {
    let id = user.script(script).await;
    user.follow(&id).await.until_text("up").await;
    id
}

#[test]
fn agents_survive_kill_9_and_every_reader_gets_every_event_once() {
    let rounds = std::env::var(ROUNDS).ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(2);
    for _ in 0..rounds {
        live(async {
            let mut server = Server::start().await;
            let mut user = server.client("user").await;
            let id = user.script("pace 3000 1000\nresult done").await;
            let mut seen = Vec::new();
            let mut agents = Vec::new();
            for _ in 0..2 {
                let mut reader = user.follow_after(&id, seen.last().and_then(|frame: &Frame| frame.id).unwrap_or(0)).await;
                for _ in 0..=random(600) {
                    seen.extend(reader.next().await);
                }
                if agents.is_empty() {
                    agents = carrying(&id);
                }
                server.signal(Signal::KILL);
                // Events in flight count as delivered.
                seen.extend(reader.rest().await);
                server = server.killed_and_started_again().await;
                user = user.at(server.url());
                assert!(carrying(&id).is_empty() || carrying(&id) == agents, "the agent is the same process");
            }
            assert_eq!(agents.len(), 1);
            read_on(&user, &id, &mut seen).await;
            assert_dense(&seen);
            assert_eq!(counted(&seen), (1..=3000).collect::<Vec<_>>());
            assert_eq!((&last(&seen)["status"], &last(&seen)["result"]), (&json!("completed"), &json!("done")), "{}", last(&seen));
            assert!(user.follow(&id).await.rest().await == seen, "a replay is something else than what was live");
            assert_eq!(carrying(&id), [0; 0]);
        });
    }
}

#[test]
fn a_permission_asked_before_the_server_died_is_answered_after_it() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let id = user.asking("permission Bash\nresult fine").await;
        let asked = user.follow(&id).await.until("permission_request").await;
        let mut before = user.requests(&id).await;
        let agents = carrying(&id);
        let server = server.killed_and_started_again().await;
        let user = user.at(server.url());
        let mut after = user.requests(&id).await;
        // The time of a request is now that of its event, which was written slightly later.
        for request in before.iter_mut().chain(&mut after) {
            request["created_at"].take();
        }
        assert_eq!((after, carrying(&id)), (before, agents));
        assert_eq!(user.run(&id).await["status"], "waiting");
        user.decide(&id, last(&asked)["id"].as_str().unwrap(), "allow_once").await;
        let frames = user.follow(&id).await.rest().await;
        assert_dense(&frames);
        assert_eq!((of(&frames, "permission_request").len(), of(&frames, "permission_resolved")[0]["by"].clone()), (1, json!("user")));
        assert_eq!((&of(&frames, "tool_result")[0]["status"], &last(&frames)["status"]), (&json!("ok"), &json!("completed")));
    });
}

#[test]
fn a_question_asked_before_the_server_died_is_answered_after_it() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let id = user.script("question Which?|red|blue\nresult fine").await;
        let asked = user.follow(&id).await.until("question").await;
        let server = server.killed_and_started_again().await;
        let user = user.at(server.url());
        let answer = user.answer(&id, last(&asked)["id"].as_str().unwrap(), json!({ "answers": [["blue"]] })).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let frames = user.follow(&id).await.rest().await;
        assert_dense(&frames);
        assert!(of(&frames, "tool_result")[0]["content"].as_str().unwrap().contains("blue"));
        assert_eq!(last(&frames)["status"], "completed");
    });
}

#[test]
fn an_unanswered_request_expires_across_a_restart() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_PERMISSION_TIMEOUT_SECS", 2).start().await;
        let user = server.client("user").await;
        let id = user.asking("permission Bash\nresult fine").await;
        user.follow(&id).await.until("permission_request").await;
        let server = server.killed_and_started_again().await;
        let frames = user.at(server.url()).follow(&id).await.rest().await;
        assert_dense(&frames);
        assert_eq!((&of(&frames, "permission_resolved")[0]["by"], &last(&frames)["status"]), (&json!("timeout"), &json!("completed")));
    });
}

#[test]
fn queued_messages_survive_a_restart_and_delivered_ones_are_not_repeated() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let (begin, go) = (server.directory().join("begin"), server.directory().join("go"));
        let id = said_up(&user, &format!("say up\nwait {}\nresult one", begin.display())).await;
        let second = format!("say second\nwait {}\nresult two", go.display());
        for text in [second.as_str(), "say third\nresult three"] {
            assert_eq!(user.say(&id, "queue", text).await.status, 202);
        }
        std::fs::write(begin, "").unwrap();
        user.follow(&id).await.until_text("second").await;
        let server = server.killed_and_started_again().await;
        let user = user.at(server.url());
        std::fs::write(go, "").unwrap();
        let frames = user.follow(&id).await.rest().await;
        assert_dense(&frames);
        let said: Vec<&str> = of(&frames, "message").iter().filter_map(|message| message["content"].as_str()).collect();
        assert_eq!(said, ["up", "second", "third"]);
        assert_eq!((&last(&frames)["status"], &last(&frames)["result"]), (&json!("completed"), &json!("three")));
    });
}

#[test]
fn an_unfinished_cancel_is_completed_by_the_next_server() {
    live(async {
        let mut server = Setup::new().env("OPENRUNNER_STOP_GRACE_SECS", 600).start().await;
        let user = server.client("user").await;
        let id = said_up(&user, "ignore-term\nignore-interrupts\nsay up\nhang").await;
        user.cancel(&id).await;
        assert_eq!(user.run(&id).await["status"], "stopping");
        // The journal has the entry once the agent has received the answer.
        let calls = server.data().join("runs").join(&id).join("calls");
        while !std::fs::read_to_string(&calls).unwrap().contains("stop") {
            tokio::task::yield_now().await;
        }
        server.signal(Signal::KILL);
        assert_eq!(server.ended().await, -9);
        let server = server.again().env("OPENRUNNER_STOP_GRACE_SECS", 1).start().await;
        let user = user.at(server.url());
        let frames = user.follow(&id).await.rest().await;
        assert_dense(&frames);
        assert_eq!((&last(&frames)["status"], &last(&frames)["signal"]), (&json!("cancelled"), &json!(9)), "{frames:?}");
        assert_eq!(carrying(&id), [0; 0]);
    });
}

#[test]
fn an_agent_that_exited_without_a_server_keeps_its_outcome() {
    live(async {
        for (end, status, cause, exit_code) in [("result done", "completed", "ok", 0), ("exit 3", "failed", "crashed", 3)] {
            let mut server = Server::start().await;
            let user = server.client("user").await;
            let go = server.directory().join("go");
            let id = said_up(&user, &format!("say up\nwait {}\nsay more\nstderr out of paper\n{end}", go.display())).await;
            let agents: Vec<Pid> = carrying(&id).into_iter().map(Pid::watch).collect();
            server.signal(Signal::KILL);
            assert_eq!(server.ended().await, -9);
            std::fs::write(go, "").unwrap();
            if end.starts_with("exit") {
                for agent in agents {
                    agent.gone().await;
                }
            }
            let server = server.again().start().await;
            let user = user.at(server.url());
            let frames = user.follow(&id).await.rest().await;
            assert_dense(&frames);
            assert_eq!(of(&frames, "message").len(), 2);
            let done = last(&frames);
            assert_eq!((&done["status"], &done["cause"], &done["exit_code"]), (&json!(status), &json!(cause), &json!(exit_code)), "{done}");
            assert_eq!(carrying(&id), [0; 0]);
        }
    });
}

#[test]
fn an_agent_whose_shim_is_killed_dies_and_its_run_is_node_lost() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let id = user.script("children 2 session orphan ignore-term\nhang").await;
        let mut reader = user.follow(&id).await;
        let mut frames = reader.until("message").await;
        assert_eq!(carrying(&id).len(), 3);
        kill_process(shim_of(&id), Signal::KILL).unwrap();
        frames.extend(reader.rest().await);
        assert_dense(&frames);
        let done = last(&frames);
        assert_eq!((&done["status"], &done["cause"]), (&json!("interrupted"), &json!("node_lost")));
        assert!(done["message"].as_str().unwrap().contains("killed"), "{done}");
        assert_eq!(carrying(&id), [0; 0]);
    });
}

#[test]
fn leftovers_of_a_shim_that_died_unnoticed_are_killed_and_foreign_processes_are_not() {
    live(async {
        let mut server = Server::start().await;
        let user = server.client("user").await;
        let id = user.script("children 2 session orphan ignore-term\nhang").await;
        user.follow(&id).await.next_text().await;
        server.signal(Signal::KILL);
        assert_eq!(server.ended().await, -9);
        kill_process(shim_of(&id), Signal::KILL).unwrap();
        // The pids of the shim and of the agent now belong to another process.
        let mut foreign = Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap();
        let record = server.data().join("runs").join(&id).join("process.json");
        let mut process: Value = serde_json::from_slice(&std::fs::read(&record).unwrap()).unwrap();
        (process["shim"]["pid"], process["agent"]["pid"]) = (json!(foreign.id()), json!(foreign.id()));
        std::fs::write(record, process.to_string()).unwrap();

        let server = server.again().start().await;
        let run = user.at(server.url()).end_of(&id).await;
        assert_eq!((&run["status"], &run["cause"]), (&json!("interrupted"), &json!("node_lost")));
        assert_eq!(carrying(&id), [0; 0]);
        assert!(is_alive(foreign.id().cast_signed()));
        foreign.kill().unwrap();
        foreign.wait().unwrap();
    });
}

#[test]
fn a_time_limit_applies_without_a_server() {
    live(async {
        let mut server = Server::start().await;
        let user = server.client("user").await;
        let id = user.script_with("ignore-term\nsay up\nhang", json!({ "timeout_secs": 2 })).await;
        user.follow(&id).await.until_text("up").await;
        let agents: Vec<Pid> = carrying(&id).into_iter().map(Pid::watch).collect();
        server.signal(Signal::KILL);
        assert_eq!(server.ended().await, -9);
        for agent in agents {
            agent.gone().await;
        }
        let server = server.again().start().await;
        let run = user.at(server.url()).end_of(&id).await;
        assert_eq!((&run["status"], &run["cause"]), (&json!("timed_out"), &json!("timeout")));
    });
}

#[test]
fn sigterm_detaches_agents_and_queued_runs_for_the_next_server() {
    live(async {
        let mut server = Setup::new().env("OPENRUNNER_MAX_RUNS", 1).start().await;
        let user = server.client("user").await;
        let go = server.directory().join("go");
        let id = user.script(&format!("say up\nwait {}\nresult done", go.display())).await;
        let mut reader = user.follow(&id).await;
        let mut frames = reader.until_text("up").await;
        let agents = carrying(&id);
        let queued = [user.script("result one").await, user.script("result two").await];
        server.signal(Signal::TERM);
        // The stream ends before the run does.
        frames.extend(reader.rest().await);
        assert_ne!(frames.last().unwrap().event, "done");
        assert_eq!(server.ended().await, 0, "{}", server.log());
        assert_eq!(carrying(&id), agents);

        let server = server.again().start().await;
        let user = user.at(server.url());
        assert_eq!(
            (user.run(&id).await["status"].clone(), user.run(&queued[0]).await["status"].clone()),
            (json!("running"), json!("queued"))
        );
        assert_eq!(carrying(&id), agents);
        std::fs::write(go, "").unwrap();
        read_on(&user, &id, &mut frames).await;
        assert_dense(&frames);
        assert_eq!(last(&frames)["status"], "completed");
        let mut started = Vec::new();
        for id in &queued {
            let run = user.end_of(id).await;
            assert_eq!(run["status"], "completed", "{run}");
            started.push(run["started_at"].as_str().unwrap().to_owned());
        }
        assert!(started.is_sorted(), "they keep their order");
    });
}

#[test]
fn sigint_always_stops_the_runs() {
    live(async {
        let mut server = Setup::new().env("OPENRUNNER_ON_SHUTDOWN", "detach").start().await;
        let user = server.client("user").await;
        let id = said_up(&user, "children 1\nsay up\nhang").await;
        let mut frames = user.follow(&id).await;
        server.signal(Signal::INT);
        let mut end = None;
        while let Some(frame) = frames.next().await {
            end = Some(frame);
        }
        assert_eq!(end.unwrap().data["cause"], "shutdown");
        assert_eq!(server.ended().await, 0, "{}", server.log());
        assert_eq!(carrying(&id), [0; 0]);
    });
}

#[test]
fn a_queued_run_with_lost_secrets_is_not_started() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_MAX_RUNS", 1).env("OPENRUNNER_RUN_ENV", "MY_KEY").start().await;
        let user = server.client("user").await;
        let go = server.directory().join("go");
        let first = said_up(&user, &format!("say up\nwait {}\nresult done", go.display())).await;
        let private = user.script_with("result never", json!({ "env": { "MY_KEY": "secret" } })).await;
        let server = server.killed_and_started_again().await;
        let user = user.at(server.url());
        let run = user.end_of(&private).await;
        assert_eq!((&run["status"], &run["cause"]), (&json!("interrupted"), &json!("node_lost")));
        assert!(run["message"].as_str().unwrap().contains("env"), "{run}");
        std::fs::write(go, "").unwrap();
        assert_eq!(user.end_of(&first).await["status"], "completed");
    });
}

#[test]
fn a_process_directory_is_private_and_removed_with_the_run() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let go = server.directory().join("go");
        let id = said_up(&user, &format!("say up\nwait {}\nresult done", go.display())).await;
        let directory = server.data().join("runs").join(&id);
        assert_eq!(mode(&directory), 0o700);
        for file in ["out", "err", "calls", "process.json", "task.json", "socket"] {
            assert_eq!(mode(&directory.join(file)), 0o600, "{file}");
        }
        std::fs::write(go, "").unwrap();
        user.end_of(&id).await;
        assert_eq!(user.delete(&format!("/api/runs/{id}")).await.status, 204);
        assert!(!directory.exists());
    });
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().unwrap_or_else(|error| panic!("{}: {error}", path.display())).permissions().mode() & 0o777
}
