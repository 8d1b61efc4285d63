//! Output that a shim lends to its server.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;

use openrunner::process::Exit;
use openrunner::process::shim::{LENDS, ShimCommand, StoppedBy};

use super::test_server::{TestServer, TestShim, until};

/// Moves what is in the pipe to the end of the file.
fn move_output(shim: &TestShim, pipe: &OwnedFd, count: usize) {
    let mut bytes = vec![0; count];
    File::from(pipe.try_clone().expect("a descriptor")).read_exact(&mut bytes).expect("output");
    let mut file = fs::OpenOptions::new().append(true).open(shim.directory.out()).expect("the file");
    file.write_all(&bytes).expect("space");
}

/// A shim whose agent repeats each line of its input, and whose output is lent.
fn lending() -> Option<(TestShim, TestServer, OwnedFd)> {
    if !LENDS {
        return None;
    }
    let (shim, mut server) = TestShim::running("while read line; do echo $line; echo $line >> written; done");
    let (out, pipe) = server.borrow();
    assert_eq!(out, 0);
    Some((shim, server, pipe))
}

/// Waits until the agent has written this many lines.
fn until_written(shim: &TestShim, lines: usize) {
    until(|| fs::read_to_string(shim.work.path().join("written")).is_ok_and(|text| text.lines().count() >= lines));
}

#[test]
fn a_shim_leaves_lent_output_alone_until_it_is_returned() {
    let Some((mut shim, mut server, pipe)) = lending() else { return };
    server.input("say", b"one\n", false);
    until_written(&shim, 1);
    // The shim has handled this command after the output was written.
    server.input("say", b"two\n", false);
    until_written(&shim, 2);
    assert_eq!(shim.out(), "", "the shim does not read it");
    move_output(&shim, &pipe, 4);
    drop(pipe);
    server.send(&ShimCommand::Return {});
    server.until_out(8);
    assert_eq!(shim.out(), "one\ntwo\n");
    server.input("say", b"three\n", true);
    let record = server.until_end();
    assert_eq!((record.exit, record.spooled.out), (Some(Exit::Code(0)), 14));
    assert_eq!(shim.out(), "one\ntwo\nthree\n");
    shim.record();
}

#[test]
fn a_shim_continues_when_the_server_that_has_borrowed_its_output_is_gone() {
    let Some((mut shim, mut server, pipe)) = lending() else { return };
    server.input("say", b"one\ntwo\n", false);
    until_written(&shim, 2);
    move_output(&shim, &pipe, 4);
    drop((pipe, server));
    until(|| shim.out() == "one\ntwo\n");
    let (mut next, greeting) = shim.connect();
    assert_eq!(greeting.spooled.out, 8);
    let (out, pipe) = next.borrow();
    assert_eq!(out, 8, "it is lent to the next server as well");
    next.input("say", b"three\n", false);
    until_written(&shim, 3);
    move_output(&shim, &pipe, 6);
    drop(pipe);
    next.send(&ShimCommand::Return {});
    next.input("end", b"", true);
    assert_eq!(next.until_end().spooled.out, 14);
    assert_eq!(shim.out(), "one\ntwo\nthree\n");
    shim.record();
}

#[test]
fn a_new_server_ends_what_was_lent_to_the_previous_one() {
    let Some((shim, mut server, _pipe)) = lending() else { return };
    server.input("say", b"one\n", false);
    let (mut next, _) = shim.connect();
    next.until_out(4);
    assert_eq!(shim.out(), "one\n");
    next.stop(0);
    assert_eq!(next.until_end().stopped_by, Some(StoppedBy::Command));
}

#[test]
fn output_that_is_never_returned_is_complete_at_the_end() {
    let Some((mut shim, mut server, _pipe)) = lending() else { return };
    server.input("say", b"one\n", true);
    let record = server.until_end();
    assert_eq!((record.exit, record.spooled.out, record.leaked_pipe), (Some(Exit::Code(0)), 4, false));
    assert_eq!(shim.out(), "one\n");
    shim.record();
}

#[test]
fn an_agent_that_is_being_stopped_lends_nothing() {
    if !LENDS {
        return;
    }
    let (shim, mut server) = TestShim::running("trap 'echo stopping; exit 3' TERM; echo ready; while :; do sleep 0.01; done");
    server.until_out(6);
    server.send(&ShimCommand::Stop { grace_ms: 60_000 });
    server.send(&ShimCommand::Lend {});
    assert_eq!(server.until_end().exit, Some(Exit::Code(3)), "no report of another kind comes between");
    assert_eq!(shim.out(), "ready\nstopping\n");
}
