//! Starts, steers, interrupts and ends the turns of the run's own thread. Continues `parser`.
//!
//! A command that the model does not wait for continues after the turn (recording `appserver_background_command`). Codex ends it with its
//! own process, so the end of the turn is held back until Codex has reported the end of the command.
//!
//! A command can survive the interrupt of its turn. `thread/backgroundTerminals/clean` terminates it, and the end of the turn is held back
//! until Codex has reported the command's end (recording `appserver_interrupt_tool_and_clean`).

use serde_json::{Value, json};

use super::errors;
use super::parser::{AppServer, Request, outcome_since};
use super::turn::{InterruptState, Phase, TurnState};
use super::wire;
use crate::agent::common::attachments;
use crate::agent::{Image, Item, LineOutcome, Message, Output};
use crate::types::bounds::{MAX_KEPT_IMAGE_BYTES, MAX_QUEUED_MESSAGES};
use crate::types::{Cause, Failure, Level, NoticeCode, StreamEvent, TurnEnd};

/// How often Codex is asked to terminate commands that survived their turn. A parser has no clock, so the responses, which take about a
/// millisecond each, bound the time to wait for the ends of these commands.
const MAX_CLEANUP_ROUNDS: u8 = 20;

impl AppServer {
    pub(super) fn start_turn(&mut self, message: &Message, out: &mut Output) {
        self.turn = TurnState { phase: Phase::Starting, ..TurnState::default() };
        self.limits.start_turn();
        let input = input(message);
        let mut params = json!({ "threadId": self.threads.own, "input": input });
        if let Some(sandbox) = &self.turn_sandbox {
            params["sandboxPolicy"] = sandbox.clone();
        }
        if let Some(schema) = &self.output_schema {
            params["outputSchema"] = schema.clone();
        }
        self.send_request(Request::StartTurn, "turn/start", &params, out);
    }

    pub(super) fn send_steer(&mut self, turn: &str, message: &Message, out: &mut Output) {
        self.send_request(
            Request::Steer(message.clone()),
            "turn/steer",
            &json!({ "threadId": self.threads.own, "expectedTurnId": turn, "input": input(message) }),
            out,
        );
    }

    /// Whether another message can be kept until Codex has added it to the turn.
    pub(super) fn has_room_for(&self, message: &Message) -> bool {
        let steering = |request: &Request| if let Request::Steer(message) = request { message.image_bytes() } else { 0 };
        let kept = self.undelivered.iter().chain(&self.turn.steers);
        let bytes = self.pending.values().map(steering).chain(kept.map(Message::image_bytes)).sum::<usize>();
        let has_room_for_images = bytes == 0 || bytes + message.image_bytes() <= MAX_KEPT_IMAGE_BYTES;
        self.pending.len() + self.undelivered.len() + self.turn.steers.len() < MAX_QUEUED_MESSAGES && has_room_for_images
    }

    pub(super) fn send_interrupt(&mut self, turn: &str, out: &mut Output) {
        self.turn.interrupt = InterruptState::Sent;
        self.send_request(Request::Interrupt, "turn/interrupt", &json!({ "threadId": self.threads.own, "turnId": turn }), out);
    }

    pub(super) fn handle_turn_started(&mut self, started: wire::TurnStarted, out: &mut Output) -> Option<LineOutcome> {
        if self.threads.parent_of(&started.thread_id)?.is_some() {
            return Some(LineOutcome::Ignored);
        }
        // Without this check, a late line would restart a turn that has ended, and its end would be reported twice.
        if matches!(self.turn.phase, Phase::Cleaning { .. }) {
            return Some(LineOutcome::Ignored);
        }
        self.last_message.clear();
        let (turn, steers) = (started.turn.id, std::mem::take(&mut self.turn.steers));
        self.turn.started = true;
        self.turn.phase = Phase::Running(turn.clone());
        let before = out.send.len();
        for message in &steers {
            self.send_steer(&turn, message, out);
        }
        if self.turn.interrupt == InterruptState::Pending {
            self.send_interrupt(&turn, out);
        }
        Some(if out.send.len() > before { LineOutcome::Emitted } else { LineOutcome::Buffered })
    }

    pub(super) fn handle_turn_completed(&mut self, completed: wire::TurnCompleted, out: &mut Output) -> Option<LineOutcome> {
        if self.threads.parent_of(&completed.thread_id)?.is_some() {
            return Some(LineOutcome::Ignored);
        }
        let error = completed.turn.error.unwrap_or_default();
        let end = match completed.turn.status {
            wire::TurnStatus::Completed => Ok(std::mem::take(&mut self.last_message)),
            wire::TurnStatus::Interrupted => {
                let cause = if self.turn.interrupt == InterruptState::Sent { Cause::Cancelled } else { Cause::AgentError };
                return Some(self.handle_interrupted_turn(Failure::new(cause, "the turn was interrupted"), out));
            }
            wire::TurnStatus::Failed if error.message.is_empty() => Err(Failure::new(Cause::AgentError, "the turn failed")),
            wire::TurnStatus::Failed => Err(errors::failure(&error.codex_error_info, &error.message)),
            wire::TurnStatus::Unknown => return None,
        };
        let before = (out.items.len(), out.send.len());
        self.finish_turn(end, out);
        Some(outcome_since(before, out))
    }

    /// Handles the end of an interrupted turn. Codex reports nothing further about its items except for commands, which are still running.
    pub(super) fn handle_interrupted_turn(&mut self, failure: Failure, out: &mut Output) -> LineOutcome {
        self.approvals.close_requests(out);
        let approvals = &self.approvals;
        let was_denied = |call: &str| approvals.was_denied(call);
        self.items.end_open_calls(|call| !call.survives_turn || was_denied(call.id), was_denied, out);
        self.approvals.end_turn(out);
        if self.items.has_running_commands() {
            self.turn.phase = Phase::Cleaning { end: Err(failure), rounds: 0 };
            self.send_cleanup(out);
        } else {
            self.end_turn(Err(failure), out);
        }
        LineOutcome::Emitted
    }

    /// Handles the end of a turn that was not interrupted. A message that came too late for it starts the next one.
    pub(super) fn finish_turn(&mut self, end: TurnEnd, out: &mut Output) {
        self.approvals.end_turn(out);
        if self.pending.values().any(|request| matches!(request, Request::Steer(_))) {
            self.turn.phase = Phase::AwaitingSteers { end };
        } else if self.turn.interrupt != InterruptState::NotRequested && self.items.has_running_commands() {
            self.turn.phase = Phase::Cleaning { end, rounds: 0 };
            self.send_cleanup(out);
        } else if self.turn.interrupt != InterruptState::NotRequested {
            self.end_turn(end, out);
        } else if end.is_ok() && !self.undelivered.is_empty() {
            let mut messages = std::mem::take(&mut self.undelivered);
            let first = messages.remove(0);
            self.start_turn(&first, out);
            self.turn.steers = messages;
        } else if end.is_ok() && self.items.has_running_commands() {
            self.items.announce_tasks(out);
            self.turn = TurnState { phase: Phase::InBackground { end }, ..TurnState::default() };
        } else {
            self.end_turn(end, out);
        }
    }

    /// Continues after the response to a steering message, if the turn has ended meanwhile.
    pub(super) fn handle_steer_response(&mut self, out: &mut Output) -> LineOutcome {
        let before = (out.items.len(), out.send.len());
        match std::mem::take(&mut self.turn.phase) {
            Phase::AwaitingSteers { end } => self.finish_turn(end, out),
            phase => self.turn.phase = phase,
        }
        if matches!(self.turn.phase, Phase::Idle) {
            self.report_undelivered(out);
        }
        outcome_since(before, out)
    }

    /// Emits a notice with the messages that Codex did not get.
    pub(super) fn report_undelivered(&mut self, out: &mut Output) {
        let mut messages = std::mem::take(&mut self.undelivered);
        messages.append(&mut self.turn.steers);
        if !messages.is_empty() {
            let message = format!("{} messages were not delivered because the turn ended first", messages.len());
            let texts: Vec<&str> = messages.iter().map(|message| message.text.as_str()).collect();
            let data = Some(json!({ "messages": texts }));
            out.emit(StreamEvent::Notice { level: Level::Warning, code: NoticeCode::Undelivered, message, data });
        }
    }

    /// Handles the response to a cleanup: Codex has terminated the remaining commands and reports the end of each within milliseconds. A
    /// command that was interrupted just after its start has ended before, and Codex does not report its end (tested with 0.169.0). The
    /// wait is therefore bounded.
    pub(super) fn handle_cleanup_response(&mut self, out: &mut Output) -> LineOutcome {
        let Phase::Cleaning { rounds, .. } = &mut self.turn.phase else { return LineOutcome::Ignored };
        *rounds += 1;
        if *rounds < MAX_CLEANUP_ROUNDS {
            self.send_cleanup(out);
            return LineOutcome::Emitted;
        }
        self.items.end_open_calls(|_| true, |_| false, out);
        self.end_turn_if_clean(out)
    }

    pub(super) fn send_cleanup(&mut self, out: &mut Output) {
        self.send_request(Request::Clean, "thread/backgroundTerminals/clean", &json!({ "threadId": self.threads.own }), out);
    }

    /// Ends a turn whose end is held back, if none of its commands is running.
    pub(super) fn end_turn_if_clean(&mut self, out: &mut Output) -> LineOutcome {
        if self.items.has_running_commands() {
            return LineOutcome::Buffered;
        }
        match std::mem::take(&mut self.turn.phase) {
            Phase::Cleaning { end, .. } | Phase::InBackground { end } => {
                self.end_turn(end, out);
                LineOutcome::Emitted
            }
            phase => {
                self.turn.phase = phase;
                LineOutcome::Ignored
            }
        }
    }

    pub(super) fn end_turn(&mut self, end: TurnEnd, out: &mut Output) {
        self.approvals.end_turn(out);
        self.report_undelivered(out);
        self.turn = TurnState { phase: Phase::Idle, ..TurnState::default() };
        out.items.push(Item::TurnEnded(end));
    }
}

/// A message in the protocol's form.
fn input(message: &Message) -> Value {
    let image = |image: &Image| json!({ "type": "image", "url": format!("data:{};base64,{}", image.media_type, attachments::base64(&image.content)) });
    std::iter::once(json!({ "type": "text", "text": message.full_text() })).chain(message.images.iter().map(image)).collect()
}
