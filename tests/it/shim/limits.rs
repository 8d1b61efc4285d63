//! Size limits of a shim, and its memory.
//!
//! Rules: C1, R3, W5.

use std::fs;
use std::process::Command;

use openrunner::process::Exit;
use openrunner::process::shim::StoppedBy;

use super::test_server::{TestShim, pids, until};
use crate::support::is_alive;

#[test]
fn an_agent_that_exceeds_the_output_limit_is_killed() {
    let (mut kept, mut peer) = TestShim::running_with("yes", |order| order.max_out = 1_000_000);
    let ended = peer.until_end();
    assert_eq!((ended.stopped_by, ended.spooled.out), (Some(StoppedBy::OutputFull), 1_000_000));
    assert_eq!(kept.out().len(), 1_000_000);
    kept.record();
}

#[test]
fn stderr_beyond_the_limit_is_read_and_its_tail_is_reported() {
    let (mut kept, mut peer) = TestShim::running_with("yes | head -c 500000 >&2; echo the end >&2", |order| order.max_err = 10);
    let ended = peer.until_end();
    assert_eq!((ended.exit, ended.stopped_by), (Some(Exit::Code(0)), None));
    assert_eq!(fs::read_to_string(kept.directory.err()).unwrap(), "y\ny\ny\ny\ny\n");
    assert!(ended.stderr_tail.ends_with("y\nthe end\n"));
    assert!(ended.stderr_tail.len() <= 16 * 1024);
    kept.record();
}

#[test]
fn a_full_disk_kills_the_agent_with_that_cause() {
    // A file size limit stands in for the full disk; without the trap, its signal would kill the shim.
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 100; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_openrunner")]);
    let (mut kept, mut peer) = TestShim::at("run", shell);
    peer.start(kept.script("yes"));
    let ended = peer.until_end();
    assert_eq!(ended.stopped_by, Some(StoppedBy::Disk));
    assert_eq!(kept.out().len() as u64, ended.spooled.out);
    kept.record();
}

#[test]
fn an_exit_record_that_cannot_be_written_is_reported_to_the_next_server() {
    let (mut kept, mut peer) = TestShim::running("read line; exit 3");
    // A directory of the same name prevents the file from being moved there.
    fs::create_dir(kept.directory.exit()).unwrap();
    peer.input("finish", b"", true);
    drop(peer);
    let (mut peer, _) = kept.connect();
    assert_eq!(peer.until_end().exit, Some(Exit::Code(3)));
    assert!(kept.shim.wait().unwrap().success());
}

#[test]
fn the_exit_record_is_written_as_soon_as_possible() {
    let (mut kept, mut peer) = TestShim::running("echo $$; read line; exit 3");
    let agent = pids(&peer.until_lines(&kept, 1))[0];
    fs::create_dir(kept.directory.exit()).unwrap();
    peer.input("finish", b"", true);
    drop(peer);
    until(|| !is_alive(agent));
    fs::remove_dir(kept.directory.exit()).unwrap();
    assert_eq!(kept.record().exit, Some(Exit::Code(3)));
}

#[test]
fn the_memory_of_a_shim_does_not_grow_with_its_traffic() {
    let (kept, mut peer) = TestShim::running("read go; head -c 50000000 /dev/zero; head -c 10000000 >/dev/null; echo done; read line");
    let before = anonymous(kept.shim.id());
    peer.input("say", b"go\n", false);
    peer.until_out(50_000_000);
    peer.input("say", &vec![b'x'; 10_000_000], false);
    peer.until_out(50_000_005);
    let after = anonymous(kept.shim.id());
    peer.stop(0);
    assert!(after < before + 1024, "{before} KiB before, {after} KiB after");
}

/// Anonymous memory of the process in KiB, for pages of 4 KiB. Finer reports about a shim are readable by root only.
fn anonymous(pid: u32) -> u64 {
    let pages = fs::read_to_string(format!("/proc/{pid}/statm")).expect("Linux");
    let pages: Vec<u64> = pages.split_whitespace().map(|field| field.parse().expect("a number")).collect();
    (pages[1] - pages[2]) * 4
}
