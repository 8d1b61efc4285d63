//! Feeds parsers input that no program would write: damaged lines, odd values, and driver actions in any order.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

use super::{Decide as _, Recording, assert_outcome};
use crate::agent::{Item, Output, Parser};
use crate::process::Exit;
use crate::types::{Answer, Decision, StreamEvent};

/// Feeds a parser arbitrary text and recorded lines in any order: whole, cut, repeated and damaged.
///
/// Every line must produce what its outcome promises, and nothing may panic. Both existing and unknown requests are answered.
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
                let outcome = parser.handle_line(line, &mut out);
                assert_outcome(outcome, line, &out);
                let requests: Vec<String> = out.items.iter().filter_map(permission_request_id).collect();
                for (request, decision) in requests.iter().zip([Decision::AllowAlways, Decision::Deny].into_iter().cycle()) {
                    parser.decide(request, decision, &mut out);
                    parser.decide(request, decision, &mut out);
                }
                parser.decide(line, Decision::AllowOnce, &mut out);
            }
            parser.handle_end_of_output(&mut out);
            parser.handle_exit(Exit::Code(code), &mut out);
            let _ = parser.diagnose(Exit::Code(code), &stderr);
            Ok(())
        })
        .unwrap();
}

/// Mixes recorded and damaged lines with answers, messages and interrupts in any order.
///
/// Checks, in addition to [`survives_anything`], that every request is resolved exactly once, by its answer or by an event, and that
/// none is open once a turn has ended.
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
    // Whole recordings in their own order, so that turns do start, with damaged lines and requests in between.
    let whole: Vec<Vec<String>> = recordings.iter().map(|recording| recording.lines().map(str::to_owned).collect()).collect();
    let next_move = prop_oneof![
        4 => Just(Move::Next),
        1 => odd_line(recordings).prop_map(Move::Line),
        1 => proptest::sample::select(asking).prop_map(Move::Line),
        1 => (any::<prop::sample::Index>(), any::<bool>()).prop_map(|(which, allow)| Move::Answer(which, allow)),
        1 => Just(Move::Interrupt),
        1 => Just(Move::Message),
        1 => Just(Move::Steer),
    ];
    let moves = prop::collection::vec(next_move, 0..80);
    let mut runner = TestRunner::new(Config { cases: 256, failure_persistence: None, ..Config::default() });
    runner
        .run(&(proptest::sample::select(whole), moves), |(lines, moves)| {
            let mut lines = lines.iter();
            let mut parser = parser();
            let mut requests = OpenRequests::default();
            let mut out = Output::default();
            parser.open(&mut out);
            for each in moves {
                out = Output::default();
                let line = match &each {
                    Move::Next => lines.next(),
                    Move::Line(line) => Some(line),
                    Move::Answer(which, allow) => {
                        requests.answer(&mut *parser, *which, *allow, &mut out);
                        None
                    }
                    Move::Interrupt => {
                        parser.interrupt(&mut out);
                        None
                    }
                    Move::Message => {
                        // The driver starts a turn only between turns.
                        if requests.between_turns && parser.begin_turn(&"and then?".into(), &mut out) {
                            requests.between_turns = false;
                        }
                        None
                    }
                    Move::Steer => {
                        let steered = parser.steer(&"this way".into(), &mut out);
                        assert!(steered || out.is_empty(), "rejected a steering message, but emitted {out:?}");
                        None
                    }
                };
                if let Some(line) = line {
                    let outcome = parser.handle_line(line, &mut out);
                    assert_outcome(outcome, line, &out);
                }
                requests.check(&out);
            }
            Ok(())
        })
        .unwrap();
}

/// One step of a generated dialog.
#[derive(Clone, Debug)]
enum Move {
    /// The recording's next line.
    Next,
    Line(String),
    Answer(prop::sample::Index, bool),
    Interrupt,
    Message,
    Steer,
}

/// The requests that are open from the driver's point of view.
#[derive(Debug, Default)]
struct OpenRequests {
    /// By id, with the number of questions for a question request.
    open: BTreeMap<String, Option<usize>>,
    between_turns: bool,
}

impl OpenRequests {
    fn answer(&mut self, parser: &mut dyn Parser, which: prop::sample::Index, allow: bool, out: &mut Output) {
        if self.open.is_empty() {
            return parser.decide("unknown", Decision::AllowOnce, out);
        }
        let id = self.open.keys().nth(which.index(self.open.len())).cloned().unwrap_or_default();
        let answer = if let Some(questions) = self.open.remove(&id).flatten() {
            Answer::Question { answers: vec![if allow { vec!["yes".to_owned()] } else { vec![] }; questions] }
        } else {
            let decision = if allow { Decision::AllowOnce } else { Decision::Deny };
            Answer::Permission { decision, message: Some("no".into()), option_id: None }
        };
        parser.answer(&id, &answer, out);
        assert!(!out.send.is_empty(), "{id} was answered, but nothing was sent to the program");
        let mut again = Output::default();
        parser.answer(&id, &answer, &mut again);
        assert!(again.is_empty(), "{id} was answered twice: {again:?}");
    }

    fn check(&mut self, out: &Output) {
        for item in &out.items {
            match item {
                Item::Event(StreamEvent::PermissionRequest { id, .. }) => {
                    assert!(self.open.insert(id.clone(), None).is_none(), "{id} is already open");
                }
                Item::Event(StreamEvent::Question { id, questions }) => {
                    assert!(self.open.insert(id.clone(), Some(questions.len())).is_none(), "{id} is already open");
                }
                Item::Event(StreamEvent::PermissionResolved { id, .. } | StreamEvent::QuestionResolved { id, .. }) => {
                    assert!(self.open.remove(id).is_some(), "{id} is not open");
                }
                Item::TurnEnded(_) => {
                    assert!(self.open.is_empty(), "still open after the turn: {:?}", self.open);
                    self.between_turns = true;
                }
                Item::Event(_) | Item::Started(_) | Item::SessionChanged(_) => {}
            }
        }
    }
}

/// Arbitrary text, and recorded lines: whole, cut, and with replaced values.
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

fn permission_request_id(item: &Item) -> Option<String> {
    match item {
        Item::Event(StreamEvent::PermissionRequest { id, .. }) => Some(id.clone()),
        _ => None,
    }
}

/// Values of unexpected types.
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

/// Replaces value number `at`, counted depth-first, with `new`. `at` is `None` afterwards.
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
