//! The environment of an agent at its start, and the process directory.
//!
//! Rules: S7, S8.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use openrunner::process::shim::{Identity, PROTOCOL, ProcessRecord, Report, ShimCommand};
use openrunner::process::{Exit, launch};

use super::test_server::TestShim;

#[test]
fn the_output_of_the_agent_and_its_exit_are_stored() {
    let (mut kept, mut peer) = TestShim::running("printf 'one\\ntwo'; printf 'bad\\n' >&2; exit 3");
    let ended = peer.until_end();
    assert_eq!(kept.out(), "one\ntwo");
    assert_eq!(fs::read_to_string(kept.directory.err()).unwrap(), "bad\n");
    assert_eq!(ended.exit, Some(Exit::Code(3)));
    assert_eq!((ended.spooled.out, ended.spooled.err), (7, 4));
    assert!(ended.spooled.out_ended && ended.spooled.err_ended);
    assert_eq!((&*ended.stderr_tail, ended.stopped_by, ended.leaked_pipe, ended.left_behind), ("bad\n", None, false, 0));
    assert_eq!(kept.record(), ended, "what is written is what is said");
    assert!(!kept.directory.socket().exists(), "nothing listens any more");
}

#[test]
fn the_agent_gets_its_environment_directory_and_umask_and_three_descriptors() {
    let inherited = tempfile::tempfile().unwrap();
    let _without_the_flag = rustix::io::dup(&inherited).unwrap();
    let (kept, mut peer) =
        TestShim::running("pwd; umask; env -u PWD -u SHLVL -u _ -u OLDPWD | sort; ls /proc/$$/fd; exec cat /proc/$$/stat");
    peer.until_end();
    let out = kept.out();
    let marker = format!("ORN_RUN={}", kept.marker);
    let work = kept.work.path().canonicalize().unwrap();
    let expected = [work.to_str().unwrap(), "0022", &*marker, "PATH=/usr/bin:/bin", "0", "1", "2"];
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[..expected.len()], expected);
    let stat: Vec<&str> = lines[expected.len()].split(' ').collect();
    assert_eq!((stat[0], stat[0]), (stat[4], stat[5]), "it leads a process group and a session");
}

#[test]
fn the_shim_closes_inherited_descriptors() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", &format!("exec 7>'{}'; exec \"$0\" \"$@\"", pipe.display()), env!("CARGO_BIN_EXE_openrunner")]);
    let (mut kept, mut peer) = TestShim::at("run", shell);
    assert_eq!(fs::read(pipe).unwrap(), b"", "it ends when the other end is closed");
    peer.start(kept.script("read line"));
    assert!(kept.shim.try_wait().unwrap().is_none());
    peer.stop(0);
}

#[test]
fn the_process_directory_identifies_the_processes_and_is_private() {
    let (kept, mut peer) = TestShim::running("read line");
    let record: ProcessRecord = serde_json::from_slice(&fs::read(kept.directory.identity()).unwrap()).unwrap();
    assert_eq!(record.protocol, PROTOCOL);
    assert_eq!(Some(record.shim), Identity::of(kept.shim.id().cast_signed()));
    assert_eq!(Some(record.agent), Identity::of(record.agent.pid));
    for file in fs::read_dir(kept.directory.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.file_name());
    }
    peer.stop(0);
}

#[test]
fn the_shim_leads_its_own_session() {
    let (kept, mut peer) = TestShim::running("read line");
    let stat = fs::read_to_string(format!("/proc/{}/stat", kept.shim.id())).unwrap();
    let session = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(3).unwrap();
    assert_eq!(session, kept.shim.id().to_string());
    peer.stop(0);
}

#[test]
fn a_process_directory_may_be_deeper_than_a_socket_path() {
    let (kept, mut peer) = TestShim::at(&"directory/".repeat(30), Command::new(env!("CARGO_BIN_EXE_openrunner")));
    peer.start(kept.script("true"));
    assert_eq!(peer.until_end().exit, Some(Exit::Code(0)));
}

#[test]
fn a_missing_program_is_reported_as_an_exit() {
    let (mut kept, mut peer) = TestShim::running_with("", |order| order.program = "/nowhere/agent".into());
    let ended = peer.until_end();
    assert_eq!(ended.exit, Some(Exit::Code(launch::NOT_STARTED)));
    assert!(ended.stderr_tail.starts_with(launch::ERROR_PREFIX), "{}", ended.stderr_tail);
    kept.record();
}

#[test]
fn an_agent_is_not_started_twice_in_one_directory() {
    let (kept, mut peer) = TestShim::new();
    fs::write(kept.directory.out(), "of another agent").unwrap();
    peer.send(&ShimCommand::Hello { protocol: PROTOCOL });
    peer.send(&ShimCommand::Start(Box::new(kept.script("echo mine"))));
    peer.until(|report| matches!(report, Report::NotStarted { .. }).then_some(()));
    peer.until_closed();
    assert_eq!(kept.out(), "of another agent");
}

#[test]
fn a_shim_without_a_start_command_exits_with_its_server() {
    let (mut kept, peer) = TestShim::new();
    drop(peer);
    assert_eq!(kept.shim.wait().unwrap().code(), Some(1));
    assert_eq!(fs::read_dir(kept.directory.path()).unwrap().count(), 0);
}

#[test]
fn a_journal_entry_is_on_disk_before_the_agent_sees_a_byte() {
    let (kept, mut peer) = TestShim::running("read line; cat \"$line\"");
    let journal = kept.directory.journal();
    peer.input("say", format!("{}\n", journal.display()).as_bytes(), false);
    peer.until_end();
    assert_eq!(kept.out(), fs::read_to_string(journal).unwrap());
    assert_eq!(kept.journal()[0].call, Some("say".into()));
}

#[test]
fn stdin_ends_after_the_last_bytes() {
    let (kept, mut peer) = TestShim::running("cat");
    let large = vec![b'x'; 1_000_000];
    peer.input("say", &large, false);
    peer.input("finish", b"end", true);
    assert_eq!(peer.until_end().exit, Some(Exit::Code(0)));
    assert_eq!(fs::metadata(kept.directory.out()).unwrap().size(), 1_000_003);
    assert_eq!(kept.journal().iter().map(|call| call.size).collect::<Vec<_>>(), [1_000_000, 3]);
}
