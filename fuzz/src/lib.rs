//! What all fuzz targets of parsers share: bytes of an agent, cut into lines and fed to its parser as the driver would.
//!
//! The first byte of an input chooses among the protocols of one agent. Lines that begin with one of [`ACTS`] are no output of the
//! agent: they stand for what a person does in between. Everything that a parser owes is checked: what each [`Fate`] promises, that
//! nothing but whole lines goes to the agent, that events are lines of JSON, and that the same lines give the same output again.

use std::path::PathBuf;
use std::time::Duration;

use openrunner::agent::{Fate, Installed, Item, Output, Parser, Program, Task};
use openrunner::process::{Exit, LineSplitter};
use openrunner::types::{Answer, Decision, PermissionMode, RunSpec, StreamEvent};

/// First bytes of lines that are acts: answer yes, answer no, answer a question, say, steer, interrupt.
const ACTS: [u8; 6] = [1, 2, 3, 4, 5, 6];

/// Longest line: enough to see cuts, and short enough to try many.
const LINE_CAP: usize = 64 * 1024;

/// A task as a client would give it.
pub fn task() -> Task {
    let spec = RunSpec {
        agent_type: "fuzzed".to_owned(),
        prompt: "Create hello.py".to_owned(),
        working_dir: PathBuf::from("/workspace/project"),
        model: None,
        extra_args: Vec::new(),
        permission_mode: PermissionMode::Auto,
        permission_rules: Vec::new(),
        env: Vec::new(),
        mcp_servers: Vec::new(),
        timeout: Duration::from_secs(300),
        idle_timeout: None,
        labels: Default::default(),
        trace_parent: None,
    };
    Task { spec, resume: None, mcp_servers: Vec::new() }
}

/// A program as it would be found.
pub fn installed(variant: &'static str) -> Installed {
    Installed { path: "/opt/agent".into(), version: Some("1.0.0".to_owned()), variant, home: "/home/somebody".into() }
}

/// Feeds the bytes, but the first, to a parser of the program that the first one chooses.
pub fn drive<'a>(data: &[u8], choose: impl Fn(u8) -> (&'a dyn Program, &'static str)) {
    let Some((choice, output)) = data.split_first() else { return };
    let (program, variant) = choose(*choice);
    let fresh = || program.parser(&task(), &installed(variant));
    assert!(told(fresh(), output) == told(fresh(), output), "the same lines gave another output");
}

/// Everything that a parser makes of these bytes, as text.
fn told(mut parser: Box<dyn Parser>, bytes: &[u8]) -> String {
    let (mut all, mut requests) = (String::new(), Vec::new());
    let mut take = |out: Output, requests: &mut Vec<String>| {
        for item in &out.items {
            if let Item::Event(event) = item {
                check(event);
                if let StreamEvent::PermissionRequest { id, .. } | StreamEvent::Question { id, .. } = event {
                    requests.push(id.clone());
                }
            }
        }
        assert!(out.send.is_empty() || out.send.ends_with(b"\n"), "half a line is sent: {out:?}");
        all.push_str(&format!("{out:?}\n"));
    };
    let mut out = Output::default();
    parser.open(&mut out);
    take(std::mem::take(&mut out), &mut requests);
    let mut splitter = LineSplitter::with_cap(LINE_CAP);
    let mut lines = Vec::new();
    splitter.push(bytes, |line| lines.push((line.bytes.to_vec(), line.text().0.into_owned())));
    splitter.finish(|line| lines.push((line.bytes.to_vec(), line.text().0.into_owned())));
    for (bytes, text) in lines {
        match bytes.split_first() {
            Some((act, rest)) if ACTS.contains(act) => perform(*act, rest, &requests, parser.as_mut(), &mut out),
            _ => {
                let fate = parser.line(&text, &mut out);
                keeps(fate, &text, &out);
            }
        }
        take(std::mem::take(&mut out), &mut requests);
    }
    parser.end_of_output(&mut out);
    parser.exited(Exit::Code(0), &mut out);
    take(out, &mut requests);
    let _ = parser.diagnose(Exit::Code(1), &String::from_utf8_lossy(bytes));
    all
}

fn perform(act: u8, rest: &[u8], requests: &[String], parser: &mut dyn Parser, out: &mut Output) {
    let text = String::from_utf8_lossy(rest);
    // By number where there is one, else an id that nobody has told.
    let request = rest.first().and_then(|number| requests.get(usize::from(*number))).map_or(text.as_ref(), String::as_str);
    let decided = |decision| Answer::Permission { decision, message: Some(text.as_ref().to_owned()) };
    match act {
        1 => parser.answer(request, &decided(Decision::AllowAlways), out),
        2 => parser.answer(request, &decided(Decision::Deny), out),
        3 => parser.answer(request, &Answer::Question { answers: vec![vec![text.as_ref().to_owned()]] }, out),
        4 => drop(parser.say(&text, out)),
        5 => drop(parser.steer(&text, out)),
        _ => drop(parser.interrupt(out)),
    }
}

fn keeps(fate: Fate, line: &str, out: &Output) {
    match fate {
        Fate::Told => assert!(!out.is_empty(), "told nothing: {line}"),
        Fate::Kept | Fate::Noise => assert!(out.is_empty(), "{fate:?}, but gave {out:?}: {line}"),
        Fate::Raw => {
            let is_it = |item: &&Item| matches!(item, Item::Event(StreamEvent::Raw { line: kept }) if kept == line);
            assert_eq!(out.items.iter().filter(is_it).count(), 1, "not exactly one raw event: {line}");
        }
    }
}

fn check(event: &StreamEvent) {
    let json = serde_json::to_string(event).expect("an event can be written");
    assert!(!json.bytes().any(|byte| byte < 0x20), "an event is one line: {json}");
    let read: StreamEvent = serde_json::from_str(&json).expect("what is written can be read");
    assert_eq!(read.name(), event.name());
}
