//! The state of one turn, and what its result means.

use agent_client_protocol_schema::v1::StopReason;
use serde_json::Value;

use super::dialect::Dialect;
use super::failures::Signs;
use crate::types::{Cause, Failure};

/// The state of the current turn.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, read by name")]
pub(super) struct Turn {
    /// The message that started it.
    pub(super) prompt: String,
    pub(super) interrupted: bool,
    /// Whether it has produced any output.
    pub(super) active: bool,
    /// Whether a tool was called in it, so that it had several model calls.
    pub(super) called_tools: bool,
    /// Whether a permission was denied in it.
    pub(super) denied: bool,
    /// Whether the agent's last status was an error (recording `acp/codex_error_429`).
    pub(super) system_error: bool,
    /// Its result, while updates that the result has overtaken may still arrive.
    pub(super) result: Option<Value>,
    /// Number of lines since the result.
    pub(super) late_lines: u32,
    /// Whether the agent's silence was reported and no line has arrived since.
    pub(super) silence_reported: bool,
}

/// The outcome of a turn.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Succeeded,
    /// Like a success, but the answer is incomplete.
    Truncated,
}

impl Turn {
    pub(super) fn new(prompt: &str) -> Self {
        Self { prompt: prompt.to_owned(), ..Self::default() }
    }

    /// Whether the result is final at once: no answer is expected after it.
    pub(super) fn ends_at_once(&self, result: &Value) -> bool {
        self.interrupted || !matches!(stop_reason(result), Some(StopReason::EndTurn | StopReason::MaxTokens))
    }

    /// Evaluates the result of the turn, whose last message is `text`.
    ///
    /// # Errors
    /// The failure of the turn.
    pub(super) fn evaluate(&self, result: &Value, text: &str, has_usage: bool, dialect: &Dialect) -> Result<Ending, Failure> {
        let signs = Signs {
            text,
            has_usage,
            reports_usage: dialect.reports_usage,
            system_error: self.system_error,
            has_output: self.active,
            fails_silently: dialect.fails_silently,
        };
        match stop_reason(result) {
            // Also if the agent had already completed the turn, so that the next message never follows a turn that counts as successful.
            _ if self.interrupted => Err(Failure::new(Cause::Cancelled, "the turn was interrupted")),
            Some(StopReason::EndTurn) if !self.active && !has_usage && self.is_slash_command(dialect) => Err(Failure::new(
                Cause::BadArguments,
                "the agent took the prompt for an unknown command, because it starts with a slash; start it with another character",
            )),
            Some(StopReason::EndTurn) => signs.failure().map_or(Ok(Ending::Succeeded), Err),
            Some(StopReason::MaxTokens) => Ok(Ending::Truncated),
            Some(StopReason::MaxTurnRequests) => {
                Err(Failure::new(Cause::AgentError, "the agent reached its limit of model requests per turn"))
            }
            Some(StopReason::Refusal) if text.trim().is_empty() => Err(Failure::new(Cause::AgentError, "the model refused to continue")),
            Some(StopReason::Refusal) => Err(Failure::new(Cause::AgentError, format!("the model refused to continue: {}", text.trim()))),
            // Codex's adapter ends the turn after a denial (recording `acp/codex_permission_reject_once`).
            Some(StopReason::Cancelled) if self.denied => {
                Err(Failure::new(Cause::AgentError, "the agent cancelled the turn after a denial"))
            }
            Some(StopReason::Cancelled) => Err(Failure::new(Cause::AgentError, "the agent cancelled the turn")),
            _ => Err(Failure::new(Cause::Protocol, "the agent ended the turn with an unknown stop reason")),
        }
    }

    /// Whether the prompt may have been taken for an unknown command: `OpenCode` takes every prompt that starts with a slash for a
    /// command, and ends the turn without output if it does not exist (recording `acp/opencode_slash`).
    fn is_slash_command(&self, dialect: &Dialect) -> bool {
        let command = self.prompt.trim().strip_prefix('/').and_then(|rest| rest.split_whitespace().next());
        command.is_some_and(|command| !dialect.silent_commands.contains(&command))
    }
}

fn stop_reason(result: &Value) -> Option<StopReason> {
    result.get("stopReason").and_then(|reason| serde_json::from_value(reason.clone()).ok())
}
