//! The handover of a shim, and how long it is kept.
//!
//! Rules: W7.

use std::fs;

use openrunner::process::shim::{PROTOCOL, ShimCommand};

use super::test_server::{TestServer, TestShim, until};

const MEMO: &str = "known \"only\" here";

fn remembering(script: &str) -> (TestShim, TestServer) {
    TestShim::running_with(script, |order| order.handover.push_str(MEMO))
}

#[test]
fn a_handover_is_returned_to_each_server_and_never_written_to_disk() {
    let (mut kept, peer) = remembering("read a; echo $a");
    drop(peer);
    let (mut peer, greeting) = kept.connect();
    assert_eq!(greeting.handover, MEMO);
    peer.input("say", b"hello\n", true);
    peer.until_end();
    for file in fs::read_dir(kept.directory.path()).unwrap() {
        let path = file.unwrap().path();
        assert!(!fs::read(&path).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains("only")), "{}", path.display());
    }
    peer.send(&ShimCommand::Release {});
    kept.record();
}

#[test]
fn a_shim_with_a_handover_waits_to_be_released() {
    let (mut kept, mut peer) = remembering("echo done");
    let end = peer.until_end();
    // One server dies after it was informed of the end, the next one while it writes it down.
    drop(peer);
    for _ in 0..2 {
        let (mut peer, greeting) = kept.connect();
        assert_eq!((greeting.handover.as_str(), greeting.exit), (MEMO, end.exit));
        assert_eq!(peer.until_end(), end);
    }
    let mut last = kept.connect_silently();
    last.send(&ShimCommand::Hello { protocol: PROTOCOL });
    last.send(&ShimCommand::Release {});
    assert_eq!(kept.record(), end);
    assert!(!kept.directory.socket().exists());
}

#[test]
fn a_release_before_the_end_is_ignored() {
    let (mut kept, mut peer) = remembering("read a");
    peer.send(&ShimCommand::Release {});
    peer.input("finish", b"x\n", true);
    peer.until_end();
    drop(peer);
    let (mut peer, greeting) = kept.connect();
    assert_eq!(greeting.handover, MEMO);
    peer.send(&ShimCommand::Release {});
    kept.record();
}

#[test]
fn a_shim_without_a_handover_exits_after_the_exit_record() {
    let (mut kept, peer) = TestShim::running("echo done");
    drop(peer);
    until(|| kept.directory.exit().exists());
    kept.record();
}
