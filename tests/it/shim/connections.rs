//! Servers that disconnect and reconnect, and other connections to the socket.

use std::fs;
use std::os::unix::fs::MetadataExt;

use openrunner::process::Exit;
use openrunner::process::shim::{InputCommand, PROTOCOL, REPORTS_BEFORE_ACK, Report, ShimCommand, StoppedBy, UNACKED_BYTES};

use super::test_server::{TestShim, until};

#[test]
fn an_agent_continues_without_a_server_and_a_later_one_reattaches() {
    let (mut kept, mut first) = TestShim::running("read one; echo $one; read two; echo $two; touch done; read three");
    first.input("say", b"1\n2\n", false);
    drop(first);
    until(|| kept.work.path().join("done").exists());
    let (mut second, greeting) = kept.connect();
    assert_eq!((greeting.protocol, greeting.exit, greeting.stopping, greeting.left_ms), (PROTOCOL, None, None, None));
    assert!(greeting.agent.is_some());
    second.until_out(4);
    assert_eq!(kept.out(), "1\n2\n");
    second.input("say", b"3\n", true);
    assert_eq!(second.until_end().exit, Some(Exit::Code(0)));
    kept.record();
}

#[test]
fn the_newest_server_replaces_the_previous_one() {
    let (kept, mut first) = TestShim::running("read line");
    let (mut second, before) = kept.connect();
    first.until_closed();
    let (mut third, after) = kept.connect();
    second.until_closed();
    assert_eq!(before.agent, after.agent);
    third.stop(0);
    assert_eq!(third.until_end().stopped_by, Some(StoppedBy::Command));
}

#[test]
fn an_incomplete_command_of_a_dying_server_is_ignored() {
    let (kept, mut first) = TestShim::running("read line; echo $line");
    first.send(&ShimCommand::Input(InputCommand { at: 0, call: Some("torn".into()), close: false, size: 10 }));
    first.say_bytes(b"torn\n");
    drop(first);
    let (mut second, _) = kept.connect();
    second.say_bytes(b"{\"stop\":{\"gra");
    drop(second);
    let (mut third, greeting) = kept.connect();
    assert_eq!(greeting.stopping, None);
    third.input("whole", b"whole\n", false);
    assert_eq!(third.until_end().exit, Some(Exit::Code(0)));
    assert_eq!(kept.out(), "whole\n");
    assert_eq!(kept.journal().iter().map(|call| call.call.clone()).collect::<Vec<_>>(), [Some("whole".into())]);
}

#[test]
fn garbage_on_the_socket_affects_neither_the_agent_nor_the_server() {
    let (kept, mut server) = TestShim::running("read line; echo $line");
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\0\xff\n", b"{\"stop\":{\"grace_ms\":0}}\n", b"{\"hello\":{}}\n", b""] {
        let mut stranger = kept.connect_silently();
        stranger.say_bytes(garbage);
        if garbage.is_empty() {
            drop(stranger);
        } else {
            stranger.until_closed();
        }
    }
    server.input("say", b"hello\n", false);
    assert_eq!(server.until_end().exit, Some(Exit::Code(0)));
    assert_eq!(kept.out(), "hello\n");
}

#[test]
fn a_server_that_violates_the_protocol_is_disconnected_and_the_agent_continues() {
    let (kept, mut server) = TestShim::running("read line; echo $line");
    server.say_bytes(b"nonsense\n");
    server.until_closed();
    let (mut next, _) = kept.connect();
    next.say_bytes(b"{\"order_of_a_later_version\":{\"really\":true}}\n");
    next.input("say", b"hello\n", false);
    assert_eq!(next.until_end().exit, Some(Exit::Code(0)));
}

#[test]
fn short_output_is_reported_a_few_times_without_an_acknowledgement() {
    let (kept, mut peer) = TestShim::running("while read a; do echo $a; done");
    let out_of = |report| match report {
        Some(Report::Spooled(spooled)) => spooled.out,
        other => panic!("{other:?}"),
    };
    for round in 1..=u64::from(REPORTS_BEFORE_ACK) {
        peer.input("say", b"a\n", false);
        assert_eq!(out_of(peer.report()), round * 2);
    }
    peer.input("say", b"a\n", false);
    let written = u64::from(REPORTS_BEFORE_ACK) * 2 + 2;
    until(|| kept.out().len() as u64 == written);
    peer.send(&ShimCommand::Ack { out: written - 2, err: 0 });
    assert_eq!(out_of(peer.report()), written, "one of them waited to be told until something was taken");
    peer.stop(0);
}

#[test]
fn long_output_is_reported_once_without_an_acknowledgement() {
    let (kept, mut peer) = TestShim::running("read a; head -c 20000 /dev/zero; read a; echo 2; touch two; read b");
    peer.input("say", b"a\n", false);
    let mut told = 0;
    while told < UNACKED_BYTES {
        match peer.report() {
            Some(Report::Spooled(spooled)) => told = spooled.out,
            other => panic!("{other:?}"),
        }
    }
    peer.input("say", b"a\n", false);
    until(|| kept.work.path().join("two").exists());
    until(|| kept.out().len() == 20_002);
    // The end is reported without a request, and there are no superfluous reports between it and the first ones.
    peer.input("say", b"b\n", false);
    let next = peer.report();
    assert!(
        matches!(&next, Some(Report::Spooled(spooled)) if spooled.out_ended || spooled.err_ended)
            || matches!(next, Some(Report::Exited { .. })),
        "{next:?}"
    );
}

#[test]
fn a_slow_server_throttles_the_agent_and_no_server_does_not() {
    const WINDOW: u64 = 1024 * 1024;
    const CHUNK: u64 = 64 * 1024;
    let (kept, mut slow) = TestShim::running("head -c 5000000 /dev/zero; touch done; read line");
    // Complete lines are counted, since the last one may be incomplete.
    let journal = || fs::read_to_string(kept.directory.journal()).unwrap().lines().count();
    let size = || fs::metadata(kept.directory.out()).unwrap().size();
    until(|| size() > WINDOW);
    // Each of these takes the event loop around once, which would read output if it polled for it.
    for round in 1..=50 {
        slow.input("look", b"", false);
        until(|| journal() == round);
    }
    assert!(size() <= WINDOW + CHUNK, "{}", size());
    slow.send(&ShimCommand::Ack { out: WINDOW, err: 0 });
    until(|| size() > 2 * WINDOW);
    assert!(size() <= 2 * WINDOW + CHUNK, "{}", size());
    drop(slow);
    until(|| kept.work.path().join("done").exists());
    let (mut next, greeting) = kept.connect();
    assert_eq!(greeting.spooled.out, 5_000_000);
    next.stop(0);
}
