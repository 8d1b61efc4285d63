//! Parses the demo agent's lines, most of which are events already.

use std::collections::VecDeque;

use serde_json::json;

use super::wire::{FromAgent, Report, ToAgent};
use crate::agent::{Item, LineOutcome, Message, Output, Parser, Started};
use crate::types::bounds::MAX_QUEUED_MESSAGES;
use crate::types::{Answer, Cause, Failure, Level, NoticeCode, RunSpec, StreamEvent, TurnEnd};

pub(super) struct DemoParser {
    /// The first message; `None` once it is sent.
    first: Option<ToAgent>,
    turn: Turn,
    /// The steering messages that the agent has not taken yet, oldest first.
    steers: VecDeque<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Idle,
    Running,
    Interrupted,
}

impl DemoParser {
    pub(super) fn new(spec: &RunSpec, conversation: Option<String>) -> Self {
        let first = ToAgent::Prompt { text: spec.prompt.clone(), conversation, instructions: spec.instructions.clone() };
        Self { first: Some(first), turn: Turn::Idle, steers: VecDeque::new() }
    }

    fn handle_report(&mut self, report: Report, out: &mut Output) -> LineOutcome {
        match report {
            Report::Ready { version, model, conversation } => {
                out.items.push(Item::Started(Started { agent_session: conversation, version: Some(version), model: Some(model) }));
            }
            Report::Steered => {
                self.steers.pop_front();
                return LineOutcome::Buffered;
            }
            // The agent ended this turn before it read a steering message, which now starts the next one.
            Report::TurnEnded { .. } if !self.steers.is_empty() => return LineOutcome::Buffered,
            Report::TurnEnded { result } => self.end_turn(Ok(result), out),
            Report::TurnFailed { cause, message } => {
                let is_interrupted = cause == Cause::Cancelled && self.turn == Turn::Interrupted;
                let cause = if cause == Cause::Cancelled && !is_interrupted { Cause::AgentError } else { cause };
                self.report_undelivered(out);
                self.end_turn(Err(Failure::new(cause, message)), out);
            }
        }
        LineOutcome::Emitted
    }

    fn end_turn(&mut self, end: TurnEnd, out: &mut Output) {
        self.turn = Turn::Idle;
        out.items.push(Item::TurnEnded(end));
    }

    /// Emits a notice with the messages that the agent did not take.
    fn report_undelivered(&mut self, out: &mut Output) {
        if !self.steers.is_empty() {
            let messages = std::mem::take(&mut self.steers);
            let message = format!("{} messages were not delivered because the turn ended first", messages.len());
            let data = Some(json!({ "messages": messages }));
            out.emit(StreamEvent::Notice { level: Level::Warning, code: NoticeCode::Undelivered, message, data });
        }
    }
}

impl Parser for DemoParser {
    fn open(&mut self, out: &mut Output) {
        self.turn = Turn::Running;
        if let Some(first) = self.first.take() {
            send(&first, out);
        }
    }

    fn handle_line(&mut self, line: &str, out: &mut Output) -> LineOutcome {
        match serde_json::from_str(line) {
            Ok(FromAgent::Report(report)) => self.handle_report(report, out),
            // Only the driver writes the events that open and close a run.
            Ok(FromAgent::Event(StreamEvent::Done(_) | StreamEvent::RunQueued { .. } | StreamEvent::RunStarted(_))) | Err(_) => {
                out.emit_raw(line)
            }
            Ok(FromAgent::Event(event)) => {
                out.emit(event);
                LineOutcome::Emitted
            }
        }
    }

    fn answer(&mut self, request: &str, answer: &Answer, out: &mut Output) {
        let id = request.to_owned();
        let message = match answer.clone() {
            Answer::Permission { decision, message, option_id } => ToAgent::Decision { id, decision, message, option_id },
            Answer::Question { answers } => ToAgent::Answers { id, answers },
        };
        send(&message, out);
    }

    fn begin_turn(&mut self, message: &Message, out: &mut Output) -> bool {
        self.turn = Turn::Running;
        send(&ToAgent::Prompt { text: message.text.clone(), conversation: None, instructions: None }, out);
        true
    }

    fn steer(&mut self, message: &Message, out: &mut Output) -> bool {
        if self.turn != Turn::Running || self.steers.len() >= MAX_QUEUED_MESSAGES {
            return false;
        }
        self.steers.push_back(message.text.clone());
        send(&ToAgent::Steer { text: message.text.clone() }, out);
        true
    }

    fn interrupt(&mut self, out: &mut Output) -> bool {
        if self.turn != Turn::Running {
            return false;
        }
        self.turn = Turn::Interrupted;
        send(&ToAgent::Interrupt, out);
        true
    }

    fn handle_end_of_output(&mut self, out: &mut Output) {
        self.report_undelivered(out);
    }
}

fn send(message: &ToAgent, out: &mut Output) {
    match serde_json::to_value(message) {
        Ok(message) => out.send_json(&message),
        Err(error) => out.emit(StreamEvent::AgentError { code: "internal".into(), message: error.to_string(), retryable: false }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::agent::replay;

    fn parser() -> DemoParser {
        let mut parser = DemoParser::new(&replay::task("demo").spec, None);
        parser.open(&mut Output::default());
        parser
    }

    proptest! {
        #[test]
        fn every_unknown_line_becomes_exactly_one_item(line in any::<String>()) {
            let mut out = Output::default();
            let outcome = parser().handle_line(&line, &mut out);
            prop_assert_eq!(out.items.len(), 1);
            prop_assert_eq!(outcome == LineOutcome::Raw, matches!(&out.items[0], Item::Event(StreamEvent::Raw { .. })));
        }
    }

    #[test]
    fn events_that_open_or_close_a_run_become_raw() {
        let mut out = Output::default();
        assert_eq!(parser().handle_line(r#"{"type":"run_queued","position":0}"#, &mut out), LineOutcome::Raw);
    }

    const ENDED: &str = r#"{"type":"turn_ended","result":"one"}"#;

    #[test]
    fn a_turn_that_ended_before_a_steering_message_arrived_continues_with_it() {
        let (mut parser, mut out) = (parser(), Output::default());
        assert!(parser.steer(&"more".into(), &mut out));
        assert_eq!(parser.handle_line(ENDED, &mut out), LineOutcome::Buffered);
        assert_eq!(parser.handle_line(r#"{"type":"steered"}"#, &mut out), LineOutcome::Buffered);
        assert_eq!(out.items, []);
        parser.handle_line(&ENDED.replace("one", "two"), &mut out);
        assert_eq!(out.items, [Item::TurnEnded(Ok("two".into()))]);
        assert!(!parser.steer(&"late".into(), &mut out) && !parser.interrupt(&mut out), "no turn is running");
    }

    #[test]
    fn a_steering_message_that_the_agent_never_took_is_reported() {
        for end in [Some(r#"{"type":"turn_failed","cause":"rate_limited","message":"later"}"#), None] {
            let (mut parser, mut out) = (parser(), Output::default());
            parser.steer(&"more".into(), &mut out);
            match end {
                Some(line) => drop(parser.handle_line(line, &mut out)),
                None => parser.handle_end_of_output(&mut out),
            }
            let Item::Event(StreamEvent::Notice { code, data, .. }) = &out.items[0] else { panic!("{:?}", out.items) };
            assert_eq!((*code, data), (NoticeCode::Undelivered, &Some(json!({ "messages": ["more"] }))));
            assert_eq!(out.items.len(), 1 + usize::from(end.is_some()));
        }
    }

    #[test]
    fn only_an_interrupted_turn_is_cancelled() {
        let line = r#"{"type":"turn_failed","cause":"cancelled","message":"interrupted"}"#;
        for (interrupts, cause) in [(true, Cause::Cancelled), (false, Cause::AgentError)] {
            let (mut parser, mut out) = (parser(), Output::default());
            assert!(!interrupts || parser.interrupt(&mut out));
            assert_eq!(parser.steer(&"more".into(), &mut out), !interrupts, "an interrupted turn takes no message");
            parser.handle_line(line, &mut out);
            assert_eq!(out.items.last(), Some(&Item::TurnEnded(Err(Failure::new(cause, "interrupted")))));
        }
    }
}
