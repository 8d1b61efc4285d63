//! Recordings of protocol version 1. An upgraded server finds shims of the previous release that own its runs, so their reports must be
//! parsed as long as such shims may exist, and they must be able to parse the server's commands.

use std::fs;
use std::path::PathBuf;

use openrunner::process::Exit;
use openrunner::process::shim::{ExitRecord, Greeting, Identity, InputCommand, ProcessRecord, Report, Spooled};
use serde_json::json;

use super::test_server::TestShim;

fn recorded(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/shim").join(name);
    fs::read_to_string(path).expect("a recording")
}

const AGENT: Identity = Identity { pid: 8103, started: 1_436_499 };

fn end() -> ExitRecord {
    let spooled = Spooled { out: 12, err: 5, out_ended: true, err_ended: true };
    ExitRecord { exit: Some(Exit::Code(3)), spooled, stderr_tail: "oops\n".into(), ..ExitRecord::default() }
}

fn input(at: u64, call: Option<serde_json::Value>, close: bool, size: u64) -> InputCommand {
    InputCommand { at, call, close, size }
}

#[test]
fn reports_of_a_version_1_shim_are_parsed() {
    let line = Spooled { out: 12, ..Spooled::default() };
    let nothing = Greeting {
        protocol: 1,
        agent: None,
        exit: None,
        left_ms: None,
        stopping: None,
        spooled: Spooled::default(),
        handover: String::new(),
        reports_before_ack: 1,
        lends: false,
    };
    let again = Greeting { agent: Some(AGENT), left_ms: Some(599_996), spooled: line, ..nothing.clone() };
    let expected = [
        Report::Hello(nothing),
        Report::Started { agent: AGENT },
        Report::Spooled(line),
        Report::Hello(again),
        Report::Spooled(line),
        Report::Spooled(Spooled { err: 5, ..line }),
        Report::Exited { exit: Exit::Code(3) },
        Report::Ended(Box::new(end())),
    ];
    let reports: Vec<Report> = recorded("v1.reports.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(reports, expected);
}

#[test]
fn the_files_of_a_version_1_shim_are_parsed() {
    let process: ProcessRecord = serde_json::from_str(&recorded("v1.process.json")).unwrap();
    assert_eq!(
        process,
        ProcessRecord { protocol: 1, shim: Identity { pid: 8102, started: 1_436_498 }, agent: AGENT, group: None, boot: None }
    );
    assert_eq!(serde_json::from_str::<ExitRecord>(&recorded("v1.exit.json")).unwrap(), end());
    let journal: Vec<InputCommand> = recorded("v1.calls.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(journal, [input(0, Some(json!({ "say": { "text": "hello" } })), false, 6), input(12, None, true, 4)]);
}

#[test]
fn commands_of_a_version_1_server_are_parsed() {
    let (mut kept, mut peer) = TestShim::new();
    peer.say_bytes(recorded("v1.orders.txt").as_bytes());
    assert_eq!(ExitRecord { boot: None, ..peer.until_end() }, end());
    assert_eq!(kept.out(), "heard hello\n");
    assert_eq!(fs::read_to_string(kept.directory.journal()).unwrap(), recorded("v1.calls.jsonl"));
    kept.record();
}
