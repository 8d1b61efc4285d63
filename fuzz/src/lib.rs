//! What the fuzz targets of parsers share: the output of an agent, split into lines and passed to its parser as the driver does.
//!
//! The first byte of the input selects one of the agent's protocols. Lines that start with one of [`ACTIONS`] are not output of the agent but
//! actions of a user. All obligations of a parser are checked: what each [`LineOutcome`] promises, that only complete lines are sent to the
//! agent, that events serialize to one line of JSON, and that the same input gives the same output again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use openrunner::agent::{Installed, Item, LineOutcome, Output, Parser, Program, Task};
use openrunner::process::{Exit, LineSplitter};
use openrunner::types::{Answer, Decision, PermissionMode, ProjectConfig, RunSpec, SpendLimits, StreamEvent};

/// First bytes of user actions: allow, deny, answer a question, send a message, steer, interrupt.
const ACTIONS: [u8; 6] = [1, 2, 3, 4, 5, 6];

/// Maximum line length in bytes: small enough for fast fuzzing, large enough to exercise truncation.
const LINE_CAP: usize = 64 * 1024;

/// A task as a client would create it.
pub fn task() -> Task {
    let spec = RunSpec {
        agent_type: "fuzzed".to_owned(),
        prompt: "Create hello.py".to_owned(),
        working_dir: PathBuf::from("/workspace/project"),
        attachments: Vec::new(),
        output_schema: None,
        instructions: None,
        model: None,
        extra_args: Vec::new(),
        permission_mode: PermissionMode::Auto,
        permission_rules: Vec::new(),
        env: Vec::new(),
        mcp_servers: Vec::new(),
        timeout: Duration::from_mins(5),
        idle_timeout: None,
        max_wait: None,
        spend_limits: SpendLimits::default(),
        isolation: None,
        project_config: ProjectConfig::Ignore,
        labels: BTreeMap::new(),
        egress: None,
        profile: None,
        trace_parent: None,
        workspace: None,
        response: None,
    };
    Task {
        spec,
        resume: None,
        continues: false,
        mcp_servers: Vec::new(),
        endpoint: None,
        attachments: Vec::new(),
        input_dir: PathBuf::from("/tmp/openrunner-input"),
    }
}

/// An installed program as the server would find it.
pub fn installed(variant: &'static str) -> Installed {
    Installed {
        path: "/opt/agent".into(),
        version: Some("1.0.0".to_owned()),
        variant: variant.into(),
        home: "/home/user".into(),
        has_other_home: false,
    }
}

/// Passes all bytes except the first to the parser that the first byte selects, twice, and compares the output.
pub fn drive<'a>(data: &[u8], select: impl Fn(u8) -> (&'a dyn Program, &'static str)) {
    let Some((selector, output)) = data.split_first() else { return };
    let (program, variant) = select(*selector);
    let new_parser = || program.parser(&task(), &installed(variant));
    assert!(parse(new_parser(), output) == parse(new_parser(), output), "the same lines gave different output");
}

/// Runs a parser on these bytes and returns all of its output as text.
fn parse(mut parser: Box<dyn Parser>, bytes: &[u8]) -> String {
    let (mut all, mut requests) = (String::new(), Vec::new());
    let mut collect = |out: Output, requests: &mut Vec<String>| {
        for item in &out.items {
            if let Item::Event(event) = item {
                check_event(event);
                if let StreamEvent::PermissionRequest { id, .. } | StreamEvent::Question { id, .. } = event {
                    requests.push(id.clone());
                }
            }
        }
        // A program of text reads its whole input.
        assert!(out.send.is_empty() || out.close_stdin || out.send.ends_with(b"\n"), "an incomplete line is sent: {out:?}");
        all.push_str(&format!("{out:?}\n"));
    };
    let mut out = Output::default();
    parser.open(&mut out);
    collect(std::mem::take(&mut out), &mut requests);
    let mut splitter = LineSplitter::with_cap(LINE_CAP);
    let mut lines = Vec::new();
    splitter.push(bytes, |line| lines.push((line.bytes.to_vec(), line.text().0.into_owned())));
    splitter.finish(|line| lines.push((line.bytes.to_vec(), line.text().0.into_owned())));
    for (bytes, text) in lines {
        match bytes.split_first() {
            Some((action, rest)) if ACTIONS.contains(action) => perform(*action, rest, &requests, parser.as_mut(), &mut out),
            _ => {
                let outcome = parser.handle_line(&text, &mut out);
                check_outcome(outcome, &text, &out);
            }
        }
        collect(std::mem::take(&mut out), &mut requests);
    }
    parser.handle_end_of_output(&mut out);
    parser.handle_exit(Exit::Code(0), &mut out);
    collect(out, &mut requests);
    let _ = parser.diagnose(Exit::Code(1), &String::from_utf8_lossy(bytes));
    all
}

fn perform(action: u8, rest: &[u8], requests: &[String], parser: &mut dyn Parser, out: &mut Output) {
    let text = String::from_utf8_lossy(rest);
    // The request with this index, or an unknown id.
    let request = rest.first().and_then(|index| requests.get(usize::from(*index))).map_or(text.as_ref(), String::as_str);
    let permission = |decision| Answer::Permission { decision, message: Some(text.as_ref().to_owned()), option_id: None };
    match action {
        1 => parser.answer(request, &permission(Decision::AllowAlways), out),
        2 => parser.answer(request, &permission(Decision::Deny), out),
        3 => parser.answer(request, &Answer::Question { answers: vec![vec![text.as_ref().to_owned()]] }, out),
        4 => drop(parser.begin_turn(&(&*text).into(), out)),
        5 => drop(parser.steer(&(&*text).into(), out)),
        _ => drop(parser.interrupt(out)),
    }
}

fn check_outcome(outcome: LineOutcome, line: &str, out: &Output) {
    match outcome {
        LineOutcome::Emitted => assert!(!out.is_empty(), "no output: {line}"),
        LineOutcome::Buffered | LineOutcome::Ignored => assert!(out.is_empty(), "{outcome:?} with output {out:?}: {line}"),
        LineOutcome::Raw => {
            let is_raw_line = |item: &&Item| matches!(item, Item::Event(StreamEvent::Raw { line: raw }) if raw == line);
            assert_eq!(out.items.iter().filter(is_raw_line).count(), 1, "expected one raw event: {line}");
        }
    }
}

fn check_event(event: &StreamEvent) {
    let json = serde_json::to_string(event).expect("events can be serialized");
    assert!(!json.bytes().any(|byte| byte < 0x20), "an event is one line: {json}");
    let read: StreamEvent = serde_json::from_str(&json).expect("serialized events can be deserialized");
    assert_eq!(read.name(), event.name());
}
