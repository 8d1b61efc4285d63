//! Parses the demo agent's lines, most of which are events already.

use super::wire::{FromAgent, Report, ToAgent};
use crate::agent::{Item, LineOutcome, Output, Parser, Started};
use crate::types::{Answer, StreamEvent};

pub(super) struct DemoParser {
    prompt: String,
}

impl DemoParser {
    pub(super) fn new(prompt: String) -> Self {
        Self { prompt }
    }
}

impl Parser for DemoParser {
    fn open(&mut self, out: &mut Output) {
        send(&ToAgent::Prompt { text: std::mem::take(&mut self.prompt) }, out);
    }

    fn handle_line(&mut self, line: &str, out: &mut Output) -> LineOutcome {
        match serde_json::from_str(line) {
            Ok(FromAgent::Report(Report::Ready { version, model })) => {
                out.items.push(Item::Started(Started { agent_session: None, version: Some(version), model: Some(model) }));
            }
            Ok(FromAgent::Report(Report::TurnEnded { result })) => out.items.push(Item::TurnEnded(Ok(result))),
            // Only the driver writes the events that open and close a run.
            Ok(FromAgent::Event(StreamEvent::Done(_) | StreamEvent::RunQueued { .. } | StreamEvent::RunStarted(_))) | Err(_) => {
                return out.emit_raw(line);
            }
            Ok(FromAgent::Event(event)) => out.emit(event),
        }
        LineOutcome::Emitted
    }

    fn answer(&mut self, request: &str, answer: &Answer, out: &mut Output) {
        if let Answer::Permission { decision, .. } = answer {
            send(&ToAgent::Decision { id: request.to_owned(), decision: *decision }, out);
        }
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

    proptest! {
        #[test]
        fn every_line_becomes_exactly_one_item(line in any::<String>()) {
            let mut out = Output::default();
            let outcome = DemoParser::new("x".into()).handle_line(&line, &mut out);
            prop_assert_eq!(out.items.len(), 1);
            prop_assert_eq!(outcome == LineOutcome::Raw, matches!(&out.items[0], Item::Event(StreamEvent::Raw { .. })));
        }
    }

    #[test]
    fn events_that_open_or_close_a_run_become_raw() {
        let mut out = Output::default();
        assert_eq!(DemoParser::new("x".into()).handle_line(r#"{"type":"run_queued","position":0}"#, &mut out), LineOutcome::Raw);
    }
}
