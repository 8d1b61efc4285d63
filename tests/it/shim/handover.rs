//! What a shim remembers for a later server, and until when.

use std::fs;

use openrunner::process::shim::{PROTOCOL, ShimCommand};

use super::peer::{Kept, Peer, until};

const MEMO: &str = "known \"only\" here";

fn remembering(script: &str) -> (Kept, Peer) {
    Kept::running_with(script, |order| order.handover.push_str(MEMO))
}

#[test]
fn w7_a_memo_is_given_back_to_each_server_and_written_nowhere() {
    let (mut kept, peer) = remembering("read a; echo $a");
    drop(peer);
    let (mut peer, greeting) = kept.connect();
    assert_eq!(greeting.handover, MEMO);
    peer.input("say", b"hello\n", true);
    peer.until_end();
    for file in fs::read_dir(kept.folder.path()).unwrap() {
        let path = file.unwrap().path();
        assert!(!fs::read(&path).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains("only")), "{}", path.display());
    }
    peer.send(&ShimCommand::Release {});
    kept.record();
}

#[test]
fn w7_a_shim_with_a_memo_waits_after_the_end_for_a_server_that_releases_it() {
    let (mut kept, mut peer) = remembering("echo done");
    let end = peer.until_end();
    // The server dies when it has heard of the end, and the one after it in the middle of writing it down.
    drop(peer);
    for _ in 0..2 {
        let (mut peer, greeting) = kept.connect();
        assert_eq!((greeting.handover.as_str(), greeting.exit), (MEMO, end.exit));
        assert_eq!(peer.until_end(), end);
    }
    let mut last = kept.knock();
    last.send(&ShimCommand::Hello { protocol: PROTOCOL });
    last.send(&ShimCommand::Release {});
    assert_eq!(kept.record(), end);
    assert!(!kept.folder.socket().exists());
}

#[test]
fn a_release_before_the_end_means_nothing() {
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
fn a_shim_without_a_memo_goes_when_the_end_is_written_down() {
    let (mut kept, peer) = Kept::running("echo done");
    drop(peer);
    until(|| kept.folder.exit().exists());
    kept.record();
}
