//! Feeds a recording to a parser as the driver would, and renders the result for a snapshot.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;

use super::{Entry, Recording};
use crate::agent::common::LineReader;
use crate::agent::{Item, LineOutcome, Output, Parser};
use crate::process::Exit;
use crate::types::{Answer, Cause, Decision, Failure, NoticeCode, RunStatus, StreamEvent, TurnEnd};

/// Maximum length of a string in a snapshot, in characters.
const MAX_STRING: usize = 200;

/// A silence that a program breaks only if it has more to write. Longer ones mean that it waits for something.
const SHORT_SILENCE: Duration = Duration::from_secs(1);

/// The result of replaying a recording.
pub(crate) struct Replayed {
    /// Everything that the parser did, in order.
    pub(crate) steps: Vec<Step>,
    /// One per line.
    pub(crate) outcomes: Vec<LineOutcome>,
    /// The end of the run.
    pub(crate) verdict: Verdict,
}

/// One thing that the parser did.
#[expect(clippy::large_enum_variant, reason = "few exist at a time, and only in tests")]
pub(crate) enum Step {
    /// Emitted an item.
    Item(Item),
    /// Sent a line to the program.
    Send(String),
    /// Requested that the program's stdin be closed.
    CloseStdin,
    /// Started another turn with this message, as the driver requested.
    Message(String),
}

/// The end of the run as the driver would record it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) status: RunStatus,
    pub(crate) cause: Cause,
    /// The final text, or the failure.
    pub(crate) message: String,
}

/// A driver's call to a parser between two lines.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// Answers the request with the id under which the parser announced it.
    Answer(String, Answer),
    /// Starts a turn with this message.
    Message(String),
    /// Adds this message to the current turn.
    Steer(String),
    /// Interrupts the current turn.
    Interrupt,
}

impl From<(String, Decision)> for Action {
    fn from((request, decision): (String, Decision)) -> Self {
        Self::Answer(request, Answer::Permission { decision, message: None, option_id: None })
    }
}

/// Answers permission requests without a message.
pub(crate) trait Decide {
    /// Answers `request` with `decision`.
    fn decide(&mut self, request: &str, decision: Decision, out: &mut Output);
}

impl<P: Parser + ?Sized> Decide for P {
    fn decide(&mut self, request: &str, decision: Decision, out: &mut Output) {
        self.answer(request, &Answer::Permission { decision, message: None, option_id: None }, out);
    }
}

/// Feeds `recording` to `parser` as the driver would.
///
/// `action` maps a line that the recorder sent to the equivalent driver action. The first message is skipped: it is the task's prompt,
/// which the parser already has. A message that the recorder sent during a turn is queued until that turn ends, as in the driver.
pub(crate) fn replay<A: Into<Action>>(
    recording: &Recording,
    mut parser: Box<dyn Parser>,
    action: impl Fn(&Value) -> Option<A>,
) -> Replayed {
    let mut replayed = Replayed { steps: Vec::new(), outcomes: Vec::new(), verdict: Verdict::new(None, None, recording.exit) };
    let mut out = Output::default();
    let mut reader = LineReader::default();
    let (mut prompted, mut queued) = (false, VecDeque::new());
    parser.open(&mut out);
    replayed.take(&mut out);
    for entry in &recording.entries {
        match entry {
            Entry::Line(line) => {
                let outcome = reader.handle_line(line, &mut *parser, &mut out);
                assert_outcome(outcome, line, &out);
                replayed.outcomes.push(outcome);
            }
            Entry::Sent(sent) => match action(sent).map(Into::into) {
                Some(Action::Answer(request, answer)) => parser.answer(&request, &answer, &mut out),
                Some(Action::Message(text)) if std::mem::replace(&mut prompted, true) => queued.push_back(text),
                Some(Action::Steer(text)) => {
                    parser.steer(&text.as_str().into(), &mut out);
                }
                Some(Action::Interrupt) if prompted => {
                    parser.interrupt(&mut out);
                }
                Some(Action::Message(_) | Action::Interrupt) | None => {}
            },
        }
        reader.resolve(0, &mut out);
        replayed.take(&mut out);
        if !queued.is_empty() && !replayed.is_between_turns() && parser.max_silence().is_some_and(|limit| limit < SHORT_SILENCE) {
            // The recorder waited until the program had written everything.
            parser.handle_silence(&mut out);
            replayed.take(&mut out);
        }
        if replayed.is_between_turns()
            && let Some(text) = queued.pop_front()
            && parser.begin_turn(&text.as_str().into(), &mut out)
        {
            replayed.steps.push(Step::Message(text));
            replayed.take(&mut out);
        }
    }
    reader.finish(&mut *parser, &mut out);
    parser.handle_exit(recording.exit, &mut out);
    replayed.take(&mut out);
    let end = replayed.steps.iter().rev().find_map(|step| match step {
        Step::Item(Item::TurnEnded(end)) => Some(end.clone()),
        _ => None,
    });
    replayed.verdict = Verdict::new(end, parser.diagnose(recording.exit, &recording.stderr), recording.exit);
    replayed
}

/// Checks that `out` is what `outcome` promises for `line`.
#[track_caller]
pub(crate) fn assert_outcome(outcome: LineOutcome, line: &str, out: &Output) {
    match outcome {
        LineOutcome::Emitted => assert!(!out.is_empty(), "emitted nothing: {line}"),
        LineOutcome::Buffered | LineOutcome::Ignored => assert!(out.is_empty(), "{outcome:?}, but emitted {out:?}: {line}"),
        LineOutcome::Raw => {
            let raw = out.items.iter().filter(|item| matches!(item, Item::Event(StreamEvent::Raw { line: kept }) if kept == line));
            assert_eq!(raw.count(), 1, "not exactly one raw event: {line}");
        }
    }
}

impl Verdict {
    /// Decides as the driver does: success requires both a successful turn and exit code 0.
    fn new(end: Option<TurnEnd>, diagnosis: Option<Failure>, exit: Exit) -> Self {
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

    /// Whether the last turn has ended and no other has started.
    fn is_between_turns(&self) -> bool {
        let turn = self.steps.iter().rev().find(|step| matches!(step, Step::Message(_) | Step::Item(Item::TurnEnded(_))));
        matches!(turn, Some(Step::Item(_)))
    }

    /// The events only.
    pub(crate) fn events(&self) -> impl Iterator<Item = &StreamEvent> {
        self.steps.iter().filter_map(|step| match step {
            Step::Item(Item::Event(event)) => Some(event),
            _ => None,
        })
    }

    /// Text for a snapshot: the verdict, the outcome counts, then one line per step.
    pub(crate) fn snapshot(&self) -> String {
        let Verdict { status, cause, message } = &self.verdict;
        let count = |outcome| self.outcomes.iter().filter(|each| **each == outcome).count();
        let mut text = format!("{} {}: {}\n", status.as_str(), cause.as_str(), truncate(message));
        let (emitted, buffered, ignored, raw) =
            (count(LineOutcome::Emitted), count(LineOutcome::Buffered), count(LineOutcome::Ignored), count(LineOutcome::Raw));
        let _ = writeln!(text, "lines {}: emitted {emitted}, buffered {buffered}, ignored {ignored}, raw {raw}\n", self.outcomes.len());
        for step in &self.steps {
            let line = match step {
                Step::Item(Item::Event(event)) => format_event(event),
                Step::Item(Item::Started(started)) => format!("= {started:?}"),
                Step::Item(Item::SessionChanged(session)) => format!("= session changed: {session}"),
                Step::Item(Item::TurnEnded(Ok(message))) => format!("= turn succeeded: {}", truncate(message)),
                Step::Item(Item::TurnEnded(Err(Failure { cause, message }))) => {
                    format!("= turn failed, {}: {}", cause.as_str(), truncate(message))
                }
                Step::Send(line) => format!("> {}", format_json(line)),
                Step::CloseStdin => "> (end of stdin)".to_owned(),
                Step::Message(text) => format!("= next turn: {}", truncate(text)),
            };
            let _ = writeln!(text, "{line}");
        }
        text
    }
}

/// The event's type, then its fields.
fn format_event(event: &StreamEvent) -> String {
    let mut value = serde_json::to_value(event).unwrap();
    if let Some(fields) = value.as_object_mut() {
        fields.remove("type");
    }
    shorten(&mut value);
    format!("{} {value}", event.name())
}

fn format_json(line: &str) -> String {
    match serde_json::from_str::<Value>(line) {
        Ok(mut value) => {
            shorten(&mut value);
            value.to_string()
        }
        Err(_) => truncate(line),
    }
}

fn shorten(value: &mut Value) {
    match value {
        Value::String(text) => *text = truncate(text),
        Value::Array(values) => values.iter_mut().for_each(shorten),
        Value::Object(fields) => fields.values_mut().for_each(shorten),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn truncate(text: &str) -> String {
    match text.char_indices().nth(MAX_STRING) {
        Some((cut, _)) => format!("{}… ({} bytes)", &text[..cut], text.len()),
        None => text.to_owned(),
    }
}

/// The limits that notices report: the name and the maximum of each.
pub(crate) fn limits_in(items: &[Item]) -> Vec<(&str, usize)> {
    let limits = items.iter().filter_map(|item| match item {
        Item::Event(StreamEvent::Notice { code: NoticeCode::LimitReached, data: Some(data), .. }) => {
            Some((data["limit"].as_str()?, usize::try_from(data["max"].as_u64()?).ok()?))
        }
        _ => None,
    });
    limits.collect()
}
