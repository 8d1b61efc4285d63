//! The end of agents, without leftovers.
//!
//! Rules: K1, K2, K3, R6.

use std::fs;

use openrunner::process::Exit;
use openrunner::process::shim::{ProcessRecord, Report, ShimCommand, StoppedBy};
use rustix::process::{Pid, Signal, kill_process};

use super::test_server::{TestShim, all_gone, pids, until};
use crate::support::carrying;

fn kill(pid: i32) {
    kill_process(Pid::from_raw(pid).expect("a number"), Signal::KILL).expect("it is there");
}

#[test]
fn a_process_that_ignores_term_is_killed_after_the_grace_period() {
    let (mut kept, mut peer) = TestShim::running("exec \"$0\" --child ignore-term");
    peer.until_lines(&kept, 1);
    peer.stop(300);
    let ended = peer.until_end();
    assert_eq!((ended.exit, ended.stopped_by), (Some(Exit::Signal(9)), Some(StoppedBy::Command)));
    kept.record();
}

#[test]
fn an_agent_that_handles_term_gets_the_grace_period() {
    let (mut kept, mut peer) = TestShim::running("trap 'echo bye; exit 7' TERM; echo ready; while :; do read line || :; done");
    peer.until_lines(&kept, 1);
    peer.stop(60_000);
    assert_eq!(peer.until_end().exit, Some(Exit::Code(7)));
    assert_eq!(kept.out(), "ready\nbye\n");
    kept.record();
}

#[test]
fn fifty_children_in_their_own_sessions_are_killed_with_the_agent() {
    let (mut kept, mut peer) = TestShim::running("for i in $(seq 50); do \"$0\" --child session & done; wait");
    let children = pids(&peer.until_lines(&kept, 50));
    peer.stop(60_000);
    peer.until_end();
    assert!(all_gone(&children));
    kept.record();
}

#[test]
fn daemons_without_environment_session_and_parent_are_found() {
    let (mut kept, mut peer) = TestShim::running("for i in 1 2 3; do env -i \"$0\" --child session orphan; done; read line");
    let daemons = pids(&peer.until_lines(&kept, 3));
    assert!(daemons.iter().all(|daemon| !carrying(&kept.marker).contains(daemon)), "nothing on them tells whose they are");
    peer.stop(60_000);
    peer.until_end();
    assert!(all_gone(&daemons));
    kept.record();
}

#[test]
fn processes_that_an_agent_leaves_running_are_killed() {
    let (mut kept, mut peer) = TestShim::running("env -i \"$0\" --child ignore-term session orphan | { read pid; echo $pid; }");
    let daemon = pids(&peer.until_lines(&kept, 1));
    let ended = peer.until_end();
    assert_eq!((ended.exit, ended.stopped_by), (Some(Exit::Code(0)), None));
    assert!(all_gone(&daemon));
    kept.record();
}

#[test]
fn a_process_that_holds_the_output_open_after_the_exit_is_killed() {
    let (mut kept, mut peer) = TestShim::running("\"$0\" --child session ignore-term & echo $!; exit 5");
    let ended = peer.until_end();
    assert_eq!((ended.exit, ended.leaked_pipe, ended.stopped_by), (Some(Exit::Code(5)), true, None));
    assert!(ended.spooled.out_ended);
    kept.record();
}

#[test]
fn a_stopped_process_is_killed_like_any_other() {
    let (mut kept, mut peer) = TestShim::running("echo $$; kill -STOP $$; sleep 1000");
    let agent = peer.until_lines(&kept, 1);
    until(|| fs::read_to_string(format!("/proc/{}/stat", agent[0])).unwrap().contains(") T "));
    peer.stop(60_000);
    assert_eq!(peer.until_end().exit, Some(Exit::Signal(15)));
    kept.record();
}

#[test]
fn an_agent_that_closes_its_output_and_keeps_running_is_waited_for() {
    let (mut kept, mut peer) = TestShim::running("exec >&- 2>&-; read line; exit 4");
    peer.until(|report| matches!(report, Report::Spooled(spooled) if spooled.out_ended && spooled.err_ended).then_some(()));
    peer.input("say", b"on\n", false);
    assert_eq!(peer.until_end().exit, Some(Exit::Code(4)));
    kept.record();
}

#[test]
fn the_tools_of_an_agent_killed_from_outside_are_killed() {
    let (mut kept, mut peer) = TestShim::running("echo $$; \"$0\" --child session >&2 & wait");
    let agent = pids(&peer.until_lines(&kept, 1))[0];
    until(|| fs::read_to_string(kept.directory.err()).unwrap().ends_with('\n'));
    kill(agent);
    let ended = peer.until_end();
    assert_eq!((ended.exit, ended.stopped_by, ended.leaked_pipe), (Some(Exit::Signal(9)), None, true));
    assert!(all_gone(&pids(&[ended.stderr_tail.trim().to_owned()])));
    kept.record();
}

#[test]
fn a_second_stop_can_shorten_the_grace_period() {
    let (mut kept, mut peer) = TestShim::running("exec \"$0\" --child ignore-term");
    peer.until_lines(&kept, 1);
    peer.stop(3_600_000);
    peer.stop(0);
    assert_eq!(peer.until_end().exit, Some(Exit::Signal(9)));
    kept.record();
}

#[test]
fn the_time_limit_applies_without_a_server() {
    let (mut kept, peer) = TestShim::running_with("exec sleep 1000", |order| order.left_ms = Some(200));
    drop(peer);
    let record = kept.record();
    assert_eq!((record.exit, record.stopped_by), (Some(Exit::Signal(15)), Some(StoppedBy::Limit)));
}

#[test]
fn a_time_limit_can_be_removed_and_set_again() {
    let (mut kept, mut peer) = TestShim::running_with("exec sleep 1000", |order| order.left_ms = Some(3_600_000));
    let (_, greeting) = kept.connect();
    assert!(greeting.left_ms.is_some_and(|left| left <= 3_600_000));
    peer.until_closed();
    let (mut second, _) = kept.connect();
    second.send(&ShimCommand::SetTimeLimit { left_ms: None });
    let (mut third, greeting) = kept.connect();
    second.until_closed();
    assert_eq!(greeting.left_ms, None);
    third.send(&ShimCommand::SetTimeLimit { left_ms: Some(0) });
    assert_eq!(third.until_end().stopped_by, Some(StoppedBy::Limit));
    kept.record();
}

#[test]
fn if_the_shim_is_killed_its_agent_dies() {
    let (mut kept, mut peer) = TestShim::running("echo $$; exec sleep 1000");
    let agent = pids(&peer.until_lines(&kept, 1))[0];
    let handle = rustix::process::pidfd_open(Pid::from_raw(agent).unwrap(), rustix::process::PidfdFlags::empty()).unwrap();
    kept.shim.kill().unwrap();
    kept.shim.wait().unwrap();
    let limit = rustix::event::Timespec { tv_sec: 30, tv_nsec: 0 };
    let ended = rustix::event::poll(&mut [rustix::event::PollFd::new(&handle, rustix::event::PollFlags::IN)], Some(&limit));
    assert_eq!(ended, Ok(1), "the agent is still alive");
    assert!(!kept.directory.exit().exists());
    assert!(std::os::unix::net::UnixStream::connect(kept.directory.socket()).is_err(), "nothing listens");
}

#[test]
fn an_orphan_that_exits_is_reaped() {
    let script = "\"$0\" --child orphan | { read pid; kill -9 $pid; while kill -0 $pid 2>&-; do sleep 0.05; done; }; echo gone";
    let (mut kept, mut peer) = TestShim::running(script);
    assert_eq!(peer.until_end().exit, Some(Exit::Code(0)));
    assert_eq!(kept.out(), "gone\n");
    kept.record();
}

#[test]
fn an_exit_record_promises_durability_only_if_no_server_stores_the_end() {
    let (mut attended, mut server) = TestShim::running("exit 3");
    assert!(!server.until_end().durable);
    assert!(!attended.record().durable);
    let (mut unattended, mut server) = TestShim::running("read go; echo said; exit 3");
    server.input("go", b"\n", true);
    drop(server);
    let record = unattended.record();
    assert_eq!((record.durable, record.exit, record.spooled.out), (true, Some(Exit::Code(3)), 5));
    assert_eq!(
        record.boot,
        serde_json::from_slice::<ProcessRecord>(&std::fs::read(unattended.directory.identity()).unwrap()).unwrap().boot
    );
}
