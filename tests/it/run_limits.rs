//! Control groups and limits of a run, and process tracking without control groups.
//!
//! The kernel's own control groups are tested where this account may create some, as root may on most machines. Memory and process
//! controllers are rarely available in a test; what is written for them is tested beside the code.
//!
//! Rules: K1.

use std::path::PathBuf;

use futures_util::FutureExt;
use futures_util::future::join_all;
use rustix::process::{Pid as Number, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::{Client, Frame, Server, Setup, assert_dense, carrying, is_alive, last, live, notice, of, outside, shim_of};

/// The group in which the server creates control groups. `None` if it cannot create any, which must not happen on the project's machines.
fn groups_of(server: &Server) -> Option<PathBuf> {
    let log = server.log();
    let parent = log.lines().find(|line| line.contains("each run gets its own control group")).and_then(|line| line.split_once("parent="));
    if parent.is_none() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "cannot create control groups:\n{log}");
        eprintln!("NOT TESTED: cannot create control groups");
    }
    parent.map(|(_, parent)| PathBuf::from(parent.trim()))
}

/// Follows a run to its end, and asserts that none of its processes is alive.
async fn follow_to_end(user: &Client, id: &str) -> Vec<Frame> {
    let frames = user.follow(id).await.rest().await;
    assert_dense(&frames);
    assert_eq!(carrying(id), [0; 0], "processes are left of {id}");
    frames
}

/// Starts a run of this script and returns the pids that it reports.
async fn processes(user: &Client, script: &str) -> (String, Vec<i32>) {
    let id = user.script(script).await;
    let said = user.follow(&id).await.next_text().await;
    let inside: Vec<i32> = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{script}: {said}"));
    let outside = outside(&id, &inside);
    (id, outside)
}

/// Runs every way in which a process could survive, concurrently, and asserts that none does.
async fn nothing_stays(server: &Server, is_isolated: bool) -> Vec<String> {
    let user = &server.client("user").await;
    let cancelled = |script: &'static str| async move {
        let (id, children) = processes(user, script).await;
        user.cancel(&id).await;
        let frames = follow_to_end(user, &id).await;
        assert_eq!((&last(&frames)["status"], &last(&frames)["cause"]), (&json!("cancelled"), &json!("cancelled")), "{script}");
        assert!(!children.into_iter().any(is_alive), "{script}");
        id
    };
    let completed = |script: &'static str, code: Option<&'static str>| async move {
        let id = user.script(script).await;
        let frames = follow_to_end(user, &id).await;
        assert_eq!((&last(&frames)["status"], &last(&frames)["cause"]), (&json!("completed"), &json!("ok")), "{script}");
        assert!(code.is_none_or(|code| notice(&frames, code).is_some()), "{script}");
        id
    };
    let killed = async {
        let (id, tools) = processes(user, "children 2 session clear-env\nhang").await;
        let agent = carrying(&id)[0];
        kill_process(Number::from_raw(agent).expect("it has a number"), Signal::KILL).expect("it is alive");
        let frames = follow_to_end(user, &id).await;
        let done = last(&frames);
        assert_eq!((&done["status"], &done["cause"], &done["signal"]), (&json!("failed"), &json!("killed"), &json!(9)));
        assert!(!tools.into_iter().any(is_alive));
        id
    };
    let deaf_and_still = async {
        let id = user.script_with("report ids\nstop-self\nhang", json!({ "idle_timeout_secs": 1 })).await;
        let frames = follow_to_end(user, &id).await;
        assert_eq!((&last(&frames)["status"], &last(&frames)["cause"]), (&json!("timed_out"), &json!("idle_timeout")));
        id
    };
    // Isolated agents cannot leave a process behind.
    let leaks = (!is_isolated).then_some("leaked_pipe");
    let cases = [
        cancelled("children 1 ignore-term\nhang").boxed_local(),
        cancelled("children 50\nhang").boxed_local(),
        cancelled("children 3 session orphan ignore-term\nhang").boxed_local(),
        cancelled("children 2 session orphan clear-env\nhang").boxed_local(),
        cancelled("children 1\nclose-stdout\nhang").boxed_local(),
        cancelled("children 1\nstop-self\nhang").boxed_local(),
        cancelled("children 1\nignore-term\nhang").boxed_local(),
        completed("children 1 hold-stdout session orphan\nresult done", leaks).boxed_local(),
        completed("result done\nhang", Some("exit_grace_expired")).boxed_local(),
        killed.boxed_local(),
        deaf_and_still.boxed_local(),
    ];
    join_all(cases).await
}

#[test]
fn no_process_of_a_run_survives_with_control_groups() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_MAX_RUNS", 16).start().await;
        let Some(groups) = groups_of(&server) else { return };
        let runs = nothing_stays(&server, server.isolates()).await;
        assert!(!runs.iter().any(|id| groups.join(id).exists()), "a control group stays");
    });
}

#[test]
fn no_process_of_a_run_survives_without_control_groups() {
    live(async {
        for isolation in ["none", "guard"] {
            let setup = Setup::new().env("OPENRUNNER_MAX_RUNS", 16).env("OPENRUNNER_CGROUP", "off");
            let server = setup.env("OPENRUNNER_ISOLATION", isolation).start().await;
            assert!(!server.log().contains("its own control group"));
            nothing_stays(&server, server.isolates()).await;
        }
    });
}

#[test]
fn no_process_of_a_wrapper_script_survives() {
    live(async {
        // Without `exec` and ignoring TERM: it waits for the agent, and the agent would outlive it.
        let server = Setup::new().agent_script("trap '' TERM\n\"$AGENT\" \"$@\"\nexit $?").start().await;
        let user = server.client("user").await;
        let (id, children) = processes(&user, "children 2 session orphan\nhang").await;
        user.cancel(&id).await;
        assert_eq!(last(&follow_to_end(&user, &id).await)["status"], "cancelled");
        assert!(!children.into_iter().any(is_alive));
        let id = user.script("stderr no paper\nexit 3").await;
        let frames = follow_to_end(&user, &id).await;
        assert_eq!((&last(&frames)["cause"], &last(&frames)["exit_code"]), (&json!("crashed"), &json!(3)));
    });
}

#[test]
fn the_agent_is_in_the_control_group_of_its_run_and_the_shim_is_not() {
    live(async {
        let server = Server::start().await;
        let Some(groups) = groups_of(&server) else { return };
        let user = server.client("user").await;
        let id = user.script("report cgroup\nhang").await;
        let group: Value = serde_json::from_str(&user.follow(&id).await.next_text().await).unwrap();
        assert!(group.as_str().unwrap().ends_with(&id), "{group}");
        let members = std::fs::read_to_string(groups.join(&id).join("cgroup.procs")).unwrap();
        let shim = shim_of(&id).as_raw_nonzero().to_string();
        assert!(!members.is_empty() && !members.lines().any(|member| member == shim), "{members}");
        user.cancel(&id).await;
        follow_to_end(&user, &id).await;
        assert!(!groups.join(&id).exists());
    });
}

#[test]
fn every_process_of_an_isolated_run_is_in_its_control_group() {
    live(async {
        for isolation in ["none", "guard", "sandbox"] {
            let server = Setup::new().env("OPENRUNNER_ISOLATION", isolation).start().await;
            let Some(groups) = groups_of(&server) else { return };
            let user = server.client("user").await;
            let (id, _) = processes(&user, "children 2 session orphan\nhang").await;
            let members = std::fs::read_to_string(groups.join(&id).join("cgroup.procs")).unwrap();
            let members: Vec<i32> = members.lines().map(|member| member.parse().unwrap()).collect();
            let run = carrying(&id);
            assert!(run.len() >= 3 && run.iter().all(|pid| members.contains(pid)), "{isolation}: {run:?} {members:?}");
            user.cancel(&id).await;
            follow_to_end(&user, &id).await;
            assert!(!groups.join(&id).exists(), "{isolation}");
        }
    });
}

#[test]
fn leftovers_of_a_killed_shim_are_found_by_their_control_group() {
    live(async {
        // The processes of an isolated agent end with its shim.
        let server = Setup::new().env("OPENRUNNER_ISOLATION", "none").start().await;
        let Some(groups) = groups_of(&server) else { return };
        let user = server.client("user").await;
        let (id, daemons) = processes(&user, "children 2 session orphan clear-env\nhang").await;
        kill_process(shim_of(&id), Signal::KILL).unwrap();
        let frames = follow_to_end(&user, &id).await;
        assert_eq!((&last(&frames)["status"], &last(&frames)["cause"]), (&json!("interrupted"), &json!("node_lost")));
        assert!(!daemons.into_iter().any(is_alive), "they have neither marker nor parent nor session of the run");
        assert!(!groups.join(&id).exists());
    });
}

#[test]
fn run_started_reports_the_limits_of_the_run() {
    live(async {
        let setup = Setup::new().env("OPENRUNNER_CGROUP", "off").env("OPENRUNNER_RUN_MEMORY_MB", 2048);
        let server = setup.env("OPENRUNNER_RUN_CPU_WEIGHT", 50).start().await;
        assert!(server.log().contains("cannot enforce these limits"), "{}", server.log());
        let user = server.client("user").await;
        let id = user.script("report limits\nresult done").await;
        let frames = follow_to_end(&user, &id).await;
        let bytes = 2048_u64 * 1024 * 1024;
        assert_eq!(of(&frames, "run_started")[0]["limits"], json!({ "by": "rlimit", "memory_bytes": bytes }));
        let limits: Value = serde_json::from_str(&user.said(&id).await[0]).unwrap();
        assert_eq!(limits, json!({ "data": bytes, "core": 0 }));

        let server = Server::start().await;
        let user = server.client("user").await;
        let id = user.script("report limits\nresult done").await;
        assert!(of(&follow_to_end(&user, &id).await, "run_started")[0].get("limits").is_none());
        let limits: Value = serde_json::from_str(&user.said(&id).await[0]).unwrap();
        assert_eq!(limits["core"], 0, "a dump of its memory would hold the agent's secrets");
    });
}

#[test]
fn a_directory_that_is_no_control_group_stops_the_start() {
    live(async {
        let setup = Setup::new();
        let directory = setup.directory().display().to_string();
        let (status, log) = setup.env("OPENRUNNER_CGROUP", &directory).fails_to_start().await;
        assert!(!status.success());
        assert!(log.contains("OPENRUNNER_CGROUP") && log.contains(&directory) && log.contains("not a cgroups v2 group"), "{log}");
    });
}

#[test]
fn the_startup_timeout_applies_until_the_first_output() {
    live(async {
        let script = "case \"$1\" in --version|auth) exec \"$AGENT\" \"$@\";; esac\nexec sleep 100";
        let server = Setup::new().agent_script(script).env("OPENRUNNER_STARTUP_TIMEOUT_SECS", 1).start().await;
        let user = server.client("user").await;
        let id = user.script("say nothing").await;
        let frames = follow_to_end(&user, &id).await;
        let done = last(&frames);
        assert_eq!((&done["status"], &done["cause"]), (&json!("timed_out"), &json!("startup_timeout")));
        assert!(done["message"].as_str().unwrap().contains("OPENRUNNER_STARTUP_TIMEOUT_SECS"), "{done}");
        let server = Setup::new().env("OPENRUNNER_STARTUP_TIMEOUT_SECS", 1).start().await;
        let user = server.client("user").await;
        // Silent for longer than the limit, but not from the start.
        let id = user.script_with("say up\nhang", json!({ "timeout_secs": 3 })).await;
        assert_eq!(last(&follow_to_end(&user, &id).await)["cause"], "timeout");
    });
}
