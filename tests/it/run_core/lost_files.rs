//! Lost and truncated files of an agent's shim, and a broken connection to it. Whether an agent had started is decided by one durable
//! fact, so no prompt runs twice.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::net::sockopt::socket_peercred;
use rustix::net::{Shutdown, getpeername, shutdown};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, Signal, kill_process, pidfd_getfd, pidfd_open};
use serde_json::{Value, json};

use crate::support::{Server, Setup, assert_dense, carrying, last, live, shim_of};

/// The directory of a run's process.
fn process_dir(server: &Server, id: &str) -> PathBuf {
    server.data().join("runs").join(id)
}

/// Kills the server and the shim of a run.
async fn kill_both(server: &mut Server, id: &str) {
    server.signal(Signal::KILL);
    assert_eq!(server.ended().await, -9);
    kill_process(shim_of(id), Signal::KILL).expect("it is alive");
    while !carrying(id).is_empty() {
        tokio::task::yield_now().await;
    }
}

/// Asserts that this is the end of a run whose agent was lost together with its shim.
fn assert_node_lost(run: &Value, what: &str) {
    assert_eq!((&run["status"], &run["cause"]), (&json!("interrupted"), &json!("node_lost")), "{what}: {run}");
}

/// Truncates a file to a fraction of its length.
fn truncate(path: &Path, numerator: u64, denominator: u64) {
    let file = fs::OpenOptions::new().write(true).open(path).expect("a file");
    let length = file.metadata().expect("its length").len();
    file.set_len(length * numerator / denominator).expect("the test owns it");
}

#[test]
fn a_run_whose_output_file_was_truncated_is_interrupted_with_what_is_stored() {
    live(async {
        for (numerator, denominator) in [(1, 2), (0, 1), (9, 10)] {
            let mut server = Server::start().await;
            let user = server.client("user").await;
            let id = user.script("say one\nflood 2000\nsay two\nhang").await;
            let seen = user.follow(&id).await.until_text("two").await;
            kill_both(&mut server, &id).await;
            truncate(&process_dir(&server, &id).join("out"), numerator, denominator);
            let server = server.again().start().await;
            let user = user.at(server.url());
            assert_node_lost(&user.end_of(&id).await, "truncated output");
            let frames = user.follow(&id).await.rest().await;
            assert_dense(&frames);
            assert!(frames.starts_with(&seen), "every event that was delivered is there");
        }
    });
}

#[test]
fn a_run_whose_process_files_are_lost_is_interrupted_and_not_started_again() {
    live(async {
        for lost in ["process.json", "task.json", "out", "calls", ""] {
            let mut server = Server::start().await;
            let user = server.client("user").await;
            let id = user.script("say up\nhang").await;
            user.follow(&id).await.until_text("up").await;
            kill_both(&mut server, &id).await;
            remove(&process_dir(&server, &id).join(lost));
            let server = server.again().start().await;
            let user = user.at(server.url());
            assert_node_lost(&user.end_of(&id).await, lost);
            let frames = user.follow(&id).await.rest().await;
            assert_dense(&frames);
            assert_eq!(frames.iter().filter(|frame| frame.data["content"] == "up" && frame.event == "message").count(), 1);
            assert_eq!(carrying(&id), [0; 0]);
        }
    });
}

/// Removes a file or directory.
fn remove(path: &Path) {
    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.expect("it exists");
}

/// An agent that counts its starts in a file and never becomes ready.
fn silent_agent(setup: Setup) -> (Setup, PathBuf) {
    let starts = setup.directory().join("starts");
    let probes = "case \"$1\" in --version|auth) exec \"$AGENT\" \"$@\";; esac";
    let script = format!("{probes}\necho started >> '{}'\nexec sleep 100", starts.display());
    (setup.agent_script(&script), starts)
}

#[test]
fn an_agent_that_may_have_started_is_never_started_again() {
    live(async {
        for lost in ["process.json", "task.json", ""] {
            let (setup, starts) = silent_agent(Setup::new());
            let mut server = setup.start().await;
            let user = server.client("user").await;
            let id = user.script("result never").await;
            while !starts.exists() {
                tokio::task::yield_now().await;
            }
            assert_eq!(user.run(&id).await["status"], "starting");
            kill_both(&mut server, &id).await;
            remove(&process_dir(&server, &id).join(lost));
            let server = server.again().start().await;
            let user = user.at(server.url());
            assert_node_lost(&user.end_of(&id).await, lost);
            assert_eq!(fs::read_to_string(starts).expect("a file").lines().count(), 1, "{lost}: the agent was started again");
        }
    });
}

#[test]
fn a_living_agent_without_its_state_file_is_not_started_again() {
    live(async {
        let (setup, starts) = silent_agent(Setup::new());
        let mut server = setup.start().await;
        let user = server.client("user").await;
        let id = user.script("result never").await;
        while !starts.exists() {
            tokio::task::yield_now().await;
        }
        server.signal(Signal::KILL);
        assert_eq!(server.ended().await, -9);
        remove(&process_dir(&server, &id).join("task.json"));
        let server = server.again().start().await;
        let user = user.at(server.url());
        let count = || fs::read_to_string(&starts).expect("a file").lines().count();
        while user.run(&id).await["ended_at"].is_null() && count() == 1 {
            tokio::task::yield_now().await;
        }
        assert_eq!(count(), 1, "the agent was started again");
        assert_node_lost(&user.run(&id).await, "task.json");
        assert_eq!(carrying(&id), [0; 0], "its agent was killed");
    });
}

/// Shuts down the connection between the server and the shim of a run, as if one of the two had lost it. Returns how many there were.
fn break_connections(server: &Server, id: &str) -> usize {
    let shim = shim_of(id);
    let process = pidfd_open(shim, PidfdFlags::empty()).expect("the shim is alive");
    let descriptors = fs::read_dir(format!("/proc/{}/fd", shim.as_raw_nonzero())).expect("Linux");
    let numbers = descriptors.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let sockets = numbers.filter_map(|number| pidfd_getfd(&process, number, PidfdGetfdFlags::empty()).ok());
    // The peer of a connected socket is the process that connected it.
    let is_connection = |socket: &OwnedFd| {
        let peer = socket_peercred(socket).ok().map(|peer| peer.pid.as_raw_nonzero().get());
        peer == Some(server.pid().cast_signed()) && getpeername(socket).is_ok()
    };
    sockets.filter(is_connection).map(|socket| shutdown(&socket, Shutdown::Both).expect("a connection")).count()
}

#[test]
fn a_broken_connection_to_a_living_shim_is_established_again() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let go = server.directory().join("go");
        let id = user.asking(&format!("say up\nwait {}\npermission Bash\nsay more\nresult done", go.display())).await;
        let mut reader = user.follow(&id).await;
        let mut frames = reader.until_text("up").await;
        let agents = carrying(&id);
        assert_eq!(break_connections(&server, &id), 1);
        fs::write(go, "").unwrap();
        frames.extend(reader.until("permission_request").await);
        assert_eq!(carrying(&id), agents, "the agent is the same process");
        assert_eq!(break_connections(&server, &id), 1);
        user.decide(&id, last(&frames)["id"].as_str().expect("an id"), "allow_once").await;
        frames.extend(reader.rest().await);
        assert_dense(&frames);
        assert_eq!((&last(&frames)["status"], &last(&frames)["result"]), (&json!("completed"), &json!("done")), "{}", last(&frames));
        assert!(user.follow(&id).await.rest().await == frames);
    });
}
