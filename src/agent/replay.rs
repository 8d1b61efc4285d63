//! Replays recordings of the real programs through their parsers, for the tests of all adapters.
//!
//! A recording is a set of files in `tests/transcripts/AGENT/`: either `NAME.stdout.jsonl`, the lines of a one-shot run, or
//! `NAME.dialog.jsonl`, both directions of a two-way run; beside it `NAME.exit` and `NAME.stderr.txt`. [`replay`] feeds it to a
//! parser as the driver would, checks on every line what a [`LineOutcome`] promises, and judges the end. Answers, further messages and
//! interrupts are those of the recording, at the place where the recording has them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Installed, Item, LineOutcome, Output, Parser, Task};
use crate::process::Exit;
use crate::types::{Answer, Cause, Decision, Failure, PermissionMode, RunSpec, RunStatus, StreamEvent, TurnEnd};

/// Longest string that a snapshot shows whole, in characters.
const SHOWN: usize = 200;

/// One run of a real program.
pub(crate) struct Recording {
    /// The scenario's name.
    pub(crate) name: String,
    /// Whether it is a dialog.
    pub(crate) two_way: bool,
    /// What was said, in order.
    pub(crate) entries: Vec<Entry>,
    /// How the process ended.
    pub(crate) exit: Exit,
    /// Its standard error.
    pub(crate) stderr: String,
}

/// One line of a recording.
pub(crate) enum Entry {
    /// What the recorder sent.
    Sent(Value),
    /// What the program wrote, without the newline.
    Line(String),
}

impl Recording {
    /// The program's own lines.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Line(line) => Some(line.as_str()),
            Entry::Sent(_) => None,
        })
    }
}

/// Every recording of `agent`, sorted by name.
pub(crate) fn recordings(agent: &str) -> Vec<Recording> {
    let dir = folder(agent);
    let files = std::fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let names: BTreeSet<String> =
        files.filter_map(|file| file.unwrap().file_name().into_string().unwrap().strip_suffix(".exit").map(str::to_owned)).collect();
    names.iter().map(|name| recording(agent, name)).collect()
}

/// The recording of that name.
pub(crate) fn recording(agent: &str, name: &str) -> Recording {
    let file = |suffix: &str| std::fs::read(folder(agent).join(format!("{name}.{suffix}"))).ok();
    let text = |suffix: &str| file(suffix).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let code: i32 = text("exit").and_then(|text| text.trim().parse().ok()).unwrap_or_else(|| panic!("{agent}/{name}.exit"));
    let dialog = text("dialog.jsonl");
    let two_way = dialog.is_some();
    let entries = match dialog {
        Some(dialog) => dialog.lines().filter(|line| !line.is_empty()).map(entry).collect(),
        None => text("stdout.jsonl").unwrap_or_default().lines().map(|line| Entry::Line(line.to_owned())).collect(),
    };
    Recording {
        name: name.to_owned(),
        two_way,
        entries,
        // The recorder writes -N for a process that died of signal N.
        exit: if code < 0 { Exit::Signal(-code) } else { Exit::Code(code) },
        stderr: text("stderr.txt").unwrap_or_default(),
    }
}

fn folder(agent: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts").join(agent)
}

/// One line of a dialog file. The program's JSON is taken as it stands, so that duplicate keys and large numbers survive.
fn entry(line: &str) -> Entry {
    #[derive(Deserialize)]
    struct Said<'a> {
        dir: &'a str,
        #[serde(borrow)]
        msg: Option<&'a RawValue>,
        raw: Option<String>,
    }
    let said: Said<'_> = serde_json::from_str(line).expect("a dialog file holds one object a line");
    match (said.dir, said.msg, said.raw) {
        ("in", Some(msg), _) => Entry::Sent(serde_json::from_str(msg.get()).unwrap()),
        ("in", None, raw) => Entry::Sent(Value::String(raw.unwrap_or_default())),
        (_, Some(msg), _) => Entry::Line(msg.get().to_owned()),
        (_, None, raw) => Entry::Line(raw.unwrap_or_default()),
    }
}

/// A task as a client would give it.
pub(crate) fn task(agent: &str) -> Task {
    Task {
        spec: RunSpec {
            agent_type: agent.to_owned(),
            prompt: "Create hello.py".to_owned(),
            working_dir: PathBuf::from("/workspace/project"),
            model: None,
            extra_args: Vec::new(),
            permission_mode: PermissionMode::Auto,
            permission_rules: vec![],
            env: vec![],
            mcp_servers: vec![],
            timeout: Duration::from_mins(5),
            idle_timeout: None,
            labels: std::collections::BTreeMap::new(),
            trace_parent: None,
        },
        resume: None,
        mcp_servers: vec![],
    }
}

/// An installed program as a probe would have found it.
pub(crate) fn installed(file_name: &str, version: &str, variant: &'static str) -> Installed {
    Installed {
        path: Path::new("/opt/agents/bin").join(file_name),
        version: Some(version.to_owned()),
        variant: variant.into(),
        home: PathBuf::from("/home/someone"),
    }
}

/// What came of a recording.
pub(crate) struct Replayed {
    /// Everything that the parser did, in order.
    pub(crate) steps: Vec<Step>,
    /// One for each line.
    pub(crate) fates: Vec<LineOutcome>,
    /// How the run would end.
    pub(crate) verdict: Verdict,
}

/// One thing that the parser did.
pub(crate) enum Step {
    /// It understood something.
    Item(Item),
    /// It sent a line to the program.
    Send(String),
    /// It asked for the program's stdin to be closed.
    CloseStdin,
    /// Not of its own: another turn was begun with this message.
    Said(String),
}

/// How the run would end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) status: RunStatus,
    pub(crate) cause: Cause,
    /// The final text, or what went wrong.
    pub(crate) message: String,
}

/// Something that the driver asks of a parser between its lines.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// A request, by the id under which the parser announced it, is answered.
    Answer(String, Answer),
    /// A message for a turn of its own.
    Say(String),
    /// A message for the turn that goes on.
    Steer(String),
    /// The turn is to stop.
    Interrupt,
}

impl From<(String, Decision)> for Act {
    fn from((request, decision): (String, Decision)) -> Self {
        Self::Answer(request, Answer::Permission { decision, message: None })
    }
}

/// Answers permission requests in one word.
pub(crate) trait Decide {
    /// Answers `request` without a message.
    fn decide(&mut self, request: &str, decision: Decision, out: &mut Output);
}

impl<P: Parser + ?Sized> Decide for P {
    fn decide(&mut self, request: &str, decision: Decision, out: &mut Output) {
        self.answer(request, &Answer::Permission { decision, message: None }, out);
    }
}

/// Feeds `recording` to `parser` as the driver would. `act` reads a line that the recorder sent, and tells which of the driver's
/// acts comes to the same. The first message is the task's prompt, which the parser has by itself; one that the recorder sent
/// during a turn waits for that turn's end, as the driver lets it wait.
pub(crate) fn replay<A: Into<Act>>(recording: &Recording, mut parser: Box<dyn Parser>, act: impl Fn(&Value) -> Option<A>) -> Replayed {
    let mut replayed = Replayed { steps: Vec::new(), fates: Vec::new(), verdict: Verdict::of(None, None, recording.exit) };
    let mut out = Output::default();
    let (mut prompted, mut unsaid) = (false, VecDeque::new());
    parser.open(&mut out);
    replayed.take(&mut out);
    for entry in &recording.entries {
        match entry {
            Entry::Line(line) => {
                let fate = parser.line(line, &mut out);
                assert_fate(fate, line, &out);
                replayed.fates.push(fate);
            }
            Entry::Sent(sent) => match act(sent).map(Into::into) {
                Some(Act::Answer(request, answer)) => parser.answer(&request, &answer, &mut out),
                Some(Act::Say(text)) if std::mem::replace(&mut prompted, true) => unsaid.push_back(text),
                Some(Act::Steer(text)) => {
                    parser.steer(&text, &mut out);
                }
                Some(Act::Interrupt) if prompted => {
                    parser.interrupt(&mut out);
                }
                Some(Act::Say(_) | Act::Interrupt) | None => {}
            },
        }
        replayed.take(&mut out);
        if replayed.is_between_turns()
            && let Some(text) = unsaid.pop_front()
            && parser.say(&text, &mut out)
        {
            replayed.steps.push(Step::Said(text));
            replayed.take(&mut out);
        }
    }
    parser.end_of_output(&mut out);
    parser.exited(recording.exit, &mut out);
    replayed.take(&mut out);
    let end = replayed.steps.iter().rev().find_map(|step| match step {
        Step::Item(Item::TurnEnded(end)) => Some(end.clone()),
        _ => None,
    });
    replayed.verdict = Verdict::of(end, parser.diagnose(recording.exit, &recording.stderr), recording.exit);
    replayed
}

/// Checks what a [`LineOutcome`] promises about the output of its line.
#[track_caller]
pub(crate) fn assert_fate(fate: LineOutcome, line: &str, out: &Output) {
    match fate {
        LineOutcome::Emitted => assert!(!out.is_empty(), "told nothing: {line}"),
        LineOutcome::Buffered | LineOutcome::Ignored => assert!(out.is_empty(), "{fate:?}, but gave {out:?}: {line}"),
        LineOutcome::Raw => {
            let raw = out.items.iter().filter(|item| matches!(item, Item::Event(StreamEvent::Raw { line: kept }) if kept == line));
            assert_eq!(raw.count(), 1, "not exactly one raw event: {line}");
        }
    }
}

impl Verdict {
    /// The same judgement as the driver's: success needs both the agent's word and exit code 0.
    fn of(end: Option<TurnEnd>, diagnosis: Option<Failure>, exit: Exit) -> Self {
        let failed = |Failure { cause, message }| Self { status: RunStatus::Failed, cause, message };
        let plain = || match exit {
            Exit::Signal(_) => Failure::new(Cause::Killed, exit.to_string()),
            Exit::Code(0) => Failure::new(Cause::Protocol, "ended without a result"),
            Exit::Code(_) => Failure::new(Cause::Crashed, exit.to_string()),
        };
        match end {
            Some(Ok(message)) if exit.is_success() => Self { status: RunStatus::Completed, cause: Cause::Ok, message },
            Some(Err(failure)) => failed(failure),
            Some(Ok(_)) | None => failed(diagnosis.unwrap_or_else(plain)),
        }
    }
}

impl Replayed {
    fn take(&mut self, out: &mut Output) {
        let Output { items, send, close_stdin } = std::mem::take(out);
        self.steps.extend(items.into_iter().map(Step::Item));
        self.steps.extend(String::from_utf8(send).unwrap().lines().map(|line| Step::Send(line.to_owned())));
        self.steps.extend(close_stdin.then_some(Step::CloseStdin));
    }

    /// Whether the last turn is over and no other was begun.
    fn is_between_turns(&self) -> bool {
        let turn = self.steps.iter().rev().find(|step| matches!(step, Step::Said(_) | Step::Item(Item::TurnEnded(_))));
        matches!(turn, Some(Step::Item(_)))
    }

    /// The events, without what the parser sent or said to the driver.
    pub(crate) fn events(&self) -> impl Iterator<Item = &StreamEvent> {
        self.steps.iter().filter_map(|step| match step {
            Step::Item(Item::Event(event)) => Some(event),
            _ => None,
        })
    }

    /// Everything as text for a snapshot: the verdict, the fates, then one line for each step.
    pub(crate) fn snapshot(&self) -> String {
        let Verdict { status, cause, message } = &self.verdict;
        let count = |fate| self.fates.iter().filter(|each| **each == fate).count();
        let mut text = format!("{} {}: {}\n", status.as_str(), cause.as_str(), shown_text(message));
        let (told, kept, noise, raw) =
            (count(LineOutcome::Emitted), count(LineOutcome::Buffered), count(LineOutcome::Ignored), count(LineOutcome::Raw));
        let _ = writeln!(text, "lines {}: told {told}, kept {kept}, noise {noise}, raw {raw}\n", self.fates.len());
        for step in &self.steps {
            let line = match step {
                Step::Item(Item::Event(event)) => shown_event(event),
                Step::Item(Item::Started(started)) => format!("= {started:?}"),
                Step::Item(Item::TurnEnded(Ok(message))) => format!("= turn ended well: {}", shown_text(message)),
                Step::Item(Item::TurnEnded(Err(Failure { cause, message }))) => {
                    format!("= turn failed, {}: {}", cause.as_str(), shown_text(message))
                }
                Step::Send(line) => format!("> {}", shown_json(line)),
                Step::CloseStdin => "> (end of stdin)".to_owned(),
                Step::Said(text) => format!("= another turn: {}", shown_text(text)),
            };
            let _ = writeln!(text, "{line}");
        }
        text
    }
}

/// The event's name, then its fields.
fn shown_event(event: &StreamEvent) -> String {
    let mut value = serde_json::to_value(event).unwrap();
    if let Some(fields) = value.as_object_mut() {
        fields.remove("type");
    }
    shorten(&mut value);
    format!("{} {value}", event.name())
}

fn shown_json(line: &str) -> String {
    match serde_json::from_str::<Value>(line) {
        Ok(mut value) => {
            shorten(&mut value);
            value.to_string()
        }
        Err(_) => shown_text(line),
    }
}

fn shorten(value: &mut Value) {
    match value {
        Value::String(text) => *text = shown_text(text),
        Value::Array(values) => values.iter_mut().for_each(shorten),
        Value::Object(fields) => fields.values_mut().for_each(shorten),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn shown_text(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((cut, _)) => format!("{}… ({} bytes)", &text[..cut], text.len()),
        None => text.to_owned(),
    }
}

/// Feeds a parser what no program would write: any text, and the recorded lines in any order, cut, doubled and damaged.
/// Every line must keep what its fate promises, and nothing may panic. Answers are given to requests that exist and to others.
pub(crate) fn survives_anything(recordings: &[Recording], parser: impl Fn() -> Box<dyn Parser>) {
    let mut runner = TestRunner::new(Config { cases: 256, failure_persistence: None, ..Config::default() });
    let ends = (any::<i32>(), any::<String>());
    runner
        .run(&(prop::collection::vec(odd_line(recordings), 0..40), ends), |(lines, (code, stderr))| {
            let mut parser = parser();
            let mut out = Output::default();
            parser.open(&mut out);
            for line in &lines {
                out = Output::default();
                let fate = parser.line(line, &mut out);
                assert_fate(fate, line, &out);
                let requests: Vec<String> = out.items.iter().filter_map(requested).collect();
                for (request, decision) in requests.iter().zip([Decision::AllowAlways, Decision::Deny].into_iter().cycle()) {
                    parser.decide(request, decision, &mut out);
                    parser.decide(request, decision, &mut out);
                }
                parser.decide(line, Decision::AllowOnce, &mut out);
            }
            parser.end_of_output(&mut out);
            parser.exited(Exit::Code(code), &mut out);
            let _ = parser.diagnose(Exit::Code(code), &stderr);
            Ok(())
        })
        .unwrap();
}

/// Mixes recorded lines, also odd ones, with answers, messages and interrupts in any order. Beside what [`survives_anything`]
/// checks: a request is resolved once, by its answer or by an event, and none is open when a turn has ended.
pub(crate) fn resolves_every_request_once(recordings: &[Recording], parser: impl Fn() -> Box<dyn Parser>) {
    let asking: Vec<String> = recordings
        .iter()
        .flat_map(Recording::lines)
        .filter(|line| {
            [
                "can_use_tool",
                "requestApproval",
                "requestUserInput",
                "control_cancel_request",
                "serverRequest/resolved",
                "request_permission",
            ]
            .iter()
            .any(|word| line.contains(word))
        })
        .map(str::to_owned)
        .collect();
    // Whole recordings in their order, so that turns really begin, with something odd or something asked in between.
    let whole: Vec<Vec<String>> = recordings.iter().map(|recording| recording.lines().map(str::to_owned).collect()).collect();
    let move_of_another = prop_oneof![
        4 => Just(Move::Next),
        1 => odd_line(recordings).prop_map(Move::Line),
        1 => proptest::sample::select(asking).prop_map(Move::Line),
        1 => (any::<prop::sample::Index>(), any::<bool>()).prop_map(|(which, allow)| Move::Answer(which, allow)),
        1 => Just(Move::Interrupt),
        1 => Just(Move::Say),
        1 => Just(Move::Steer),
    ];
    let moves = prop::collection::vec(move_of_another, 0..80);
    let mut runner = TestRunner::new(Config { cases: 256, failure_persistence: None, ..Config::default() });
    runner
        .run(&(proptest::sample::select(whole), moves), |(lines, moves)| {
            let mut lines = lines.iter();
            let mut parser = parser();
            let mut book = Requests::default();
            let mut out = Output::default();
            parser.open(&mut out);
            for each in moves {
                out = Output::default();
                let line = match &each {
                    Move::Next => lines.next(),
                    Move::Line(line) => Some(line),
                    Move::Answer(which, allow) => {
                        book.answer(&mut *parser, *which, *allow, &mut out);
                        None
                    }
                    Move::Interrupt => {
                        parser.interrupt(&mut out);
                        None
                    }
                    Move::Say => {
                        // The driver speaks only between turns.
                        if book.between_turns && parser.say("and then?", &mut out) {
                            book.between_turns = false;
                        }
                        None
                    }
                    Move::Steer => {
                        let steered = parser.steer("this way", &mut out);
                        assert!(steered || out.is_empty(), "refused to steer, but did {out:?}");
                        None
                    }
                };
                if let Some(line) = line {
                    let fate = parser.line(line, &mut out);
                    assert_fate(fate, line, &out);
                }
                book.check(&out);
            }
            Ok(())
        })
        .unwrap();
}

/// One step of a dialog that was made up.
#[derive(Clone, Debug)]
enum Move {
    /// The recording's next line.
    Next,
    Line(String),
    Answer(prop::sample::Index, bool),
    Interrupt,
    Say,
    Steer,
}

/// Which requests are open, as the driver sees it.
#[derive(Debug, Default)]
struct Requests {
    /// With the number of questions, for one that is a question.
    open: BTreeMap<String, Option<usize>>,
    between_turns: bool,
}

impl Requests {
    fn answer(&mut self, parser: &mut dyn Parser, which: prop::sample::Index, allow: bool, out: &mut Output) {
        if self.open.is_empty() {
            return parser.decide("unheard of", Decision::AllowOnce, out);
        }
        let id = self.open.keys().nth(which.index(self.open.len())).cloned().unwrap_or_default();
        let answer = match self.open.remove(&id).flatten() {
            Some(questions) => Answer::Question { answers: vec![if allow { vec!["yes".to_owned()] } else { vec![] }; questions] },
            None => Answer::Permission { decision: if allow { Decision::AllowOnce } else { Decision::Deny }, message: Some("no".into()) },
        };
        parser.answer(&id, &answer, out);
        assert!(!out.send.is_empty(), "{id} was answered, and the program was not told");
        let mut again = Output::default();
        parser.answer(&id, &answer, &mut again);
        assert!(again.is_empty(), "{id} was answered twice: {again:?}");
    }

    fn check(&mut self, out: &Output) {
        for item in &out.items {
            match item {
                Item::Event(StreamEvent::PermissionRequest { id, .. }) => {
                    assert!(self.open.insert(id.clone(), None).is_none(), "{id} is open already");
                }
                Item::Event(StreamEvent::Question { id, questions }) => {
                    assert!(self.open.insert(id.clone(), Some(questions.len())).is_none(), "{id} is open already");
                }
                Item::Event(StreamEvent::PermissionResolved { id, .. } | StreamEvent::QuestionResolved { id, .. }) => {
                    assert!(self.open.remove(id).is_some(), "{id} is not open");
                }
                Item::TurnEnded(_) => {
                    assert!(self.open.is_empty(), "still open after the turn: {:?}", self.open);
                    self.between_turns = true;
                }
                Item::Event(_) | Item::Started(_) => {}
            }
        }
    }
}

/// Any text, and recorded lines whole, cut, and with values that they should not have.
fn odd_line(recordings: &[Recording]) -> impl Strategy<Value = String> + use<> {
    let known: Vec<String> = recordings.iter().flat_map(Recording::lines).filter(|line| line.len() < 20_000).map(str::to_owned).collect();
    let damaged = (proptest::sample::select(known.clone()), any::<prop::sample::Index>(), any::<char>()).prop_map(|(line, at, new)| {
        let at = at.index(line.len() + 1);
        let at = (0..=at).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
        format!("{}{new}{}", &line[..at], line[at..].chars().skip(1).collect::<String>())
    });
    let swapped = (proptest::sample::select(known.clone()), any::<prop::sample::Index>(), odd_value()).prop_map(|(line, at, new)| {
        let Ok(mut value) = serde_json::from_str::<Value>(&line) else { return line };
        let count = count_values(&value);
        replace_value(&mut value, &mut Some(at.index(count)), &new);
        value.to_string()
    });
    prop_oneof![
        2 => proptest::sample::select(known),
        2 => swapped,
        1 => damaged,
        1 => any::<Vec<u8>>().prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
    ]
}

fn requested(item: &Item) -> Option<String> {
    match item {
        Item::Event(StreamEvent::PermissionRequest { id, .. }) => Some(id.clone()),
        _ => None,
    }
}

/// Values that a field does not expect.
fn odd_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(serde_json::json!([])),
        Just(serde_json::json!({})),
        Just(serde_json::json!([[[{ "type": [] }]]])),
        any::<bool>().prop_map(Value::Bool),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::String),
    ]
}

fn count_values(value: &Value) -> usize {
    1 + match value {
        Value::Array(values) => values.iter().map(count_values).sum(),
        Value::Object(fields) => fields.values().map(count_values).sum(),
        _ => 0,
    }
}

/// Puts `new` in the place of the value number `at`, counted from the outside; `at` is `None` once that is done.
fn replace_value(value: &mut Value, at: &mut Option<usize>, new: &Value) {
    match at {
        None => return,
        Some(0) => {
            *value = new.clone();
            *at = None;
            return;
        }
        Some(left) => *left -= 1,
    }
    match value {
        Value::Array(values) => values.iter_mut().for_each(|each| replace_value(each, at, new)),
        Value::Object(fields) => fields.values_mut().for_each(|each| replace_value(each, at, new)),
        _ => {}
    }
}
