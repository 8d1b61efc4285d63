//! What an agent reports during a turn: `session/update`.

use std::borrow::Cow;

use agent_client_protocol_schema::v1::ToolCallUpdate;
use serde_json::Value;
use serde_json::value::RawValue;

use super::content::text_of_value;
use super::dialect::ChunkRole;
use super::parser::{Acp, EXTENSION, Step};
use super::plan::plan_entries;
use super::wire::{Chunk, Plan, Update, UpdateKind};
use crate::agent::{LineOutcome, Output};
use crate::types::{Delta, Level, NoticeCode, PermissionMode, StreamEvent};

/// Updates about the conversation as a whole, which are the same at any time.
const STATE_UPDATES: &[&str] =
    &["available_commands_update", "config_option_update", "current_mode_update", "session_info_update", "usage_update"];

impl Acp {
    /// Handles `session/update`.
    pub(super) fn handle_update(&mut self, params: Option<&RawValue>, line: &str, out: &mut Output) -> LineOutcome {
        let Some(Ok(Update { session_id, update })) = params.map(|params| serde_json::from_str::<Update<'_>>(params.get())) else {
            return out.emit_raw(line);
        };
        let update = update.get();
        let Ok(UpdateKind { session_update: kind }) = serde_json::from_str(update) else { return out.emit_raw(line) };
        let is_state = STATE_UPDATES.contains(&&*kind);
        let is_other = self.session.as_deref().is_some_and(|ours| ours != session_id);
        let is_history = matches!(self.pending, Some((_, Step::Session)));
        // The echo of the prompt, and what is reserved for extensions. Updates before the response to `session/load` are history, which is in the
        // logs of earlier runs.
        if kind == "user_message_chunk" || kind.starts_with(EXTENSION) || is_history && !is_state || is_other && is_state {
            return LineOutcome::Ignored;
        }
        if is_other {
            return out.emit_raw(line);
        }
        if is_state {
            return self.handle_state(&kind, update, is_history, line, out);
        }
        if kind.starts_with("tool_call") {
            self.turn.called_tools = true;
        } else {
            self.calls.announce_complete(None, out);
        }
        let outcome = match &*kind {
            "agent_message_chunk" => self.handle_text(update, out),
            "agent_thought_chunk" => self.handle_thinking(update, out),
            "tool_call" => self.handle_tool_call(true, update, out),
            "tool_call_update" => self.handle_tool_call(false, update, out),
            "plan" => serde_json::from_str::<Plan>(update).ok().map(|plan| {
                self.message.close(out);
                out.emit(StreamEvent::Plan { entries: plan_entries(&plan.entries) });
                LineOutcome::Emitted
            }),
            "notice" => serde_json::from_str::<Value>(update).ok().and_then(|notice| notice_of(&notice)).map(|notice| {
                out.emit(notice);
                LineOutcome::Emitted
            }),
            "compaction_update" | "compaction_summary_chunk" => serde_json::from_str::<Value>(update)
                .ok()
                .and_then(|update| self.compaction.apply(&kind, &update, out))
                .map(|()| LineOutcome::Buffered),
            _ => None,
        };
        let outcome = match outcome {
            None => out.emit_raw(line),
            Some(_) if !out.is_empty() => LineOutcome::Emitted,
            Some(outcome) => outcome,
        };
        self.turn.active |= outcome == LineOutcome::Emitted && kind != "notice" && !kind.starts_with("compaction_");
        outcome
    }

    /// Handles an update about the conversation as a whole. Those that belong to the `history` of a session that is being loaded have no
    /// effect on the turn.
    fn handle_state(&mut self, kind: &str, update: &str, is_history: bool, line: &str, out: &mut Output) -> LineOutcome {
        let Ok(update) = serde_json::from_str::<Value>(update) else { return out.emit_raw(line) };
        let Some(applied) = self.state.apply(kind, &update) else { return out.emit_raw(line) };
        if !is_history {
            if self.usage.update(&update) {
                self.emit_usage(out);
            }
            // Codex's adapter reports it in its metadata.
            if let Some(status) = update.pointer("/_meta/codex/threadStatus/type").and_then(Value::as_str) {
                self.turn.system_error = status == "systemError";
            }
        }
        // Before the session is ready, the agent is still changing to the mode that was requested.
        if self.session.is_some() {
            self.state.emit(false, out);
            if let Some(mode) = applied.mode {
                self.report_mode(&mode, out);
            }
        }
        if out.is_empty() { LineOutcome::Buffered } else { LineOutcome::Emitted }
    }

    /// Reports that the agent has left the session mode on which the run's permission mode relies.
    fn report_mode(&mut self, mode: &str, out: &mut Output) {
        let Some(required) = self.setup.required_mode.as_deref().filter(|_| self.setup.permission_mode != PermissionMode::Auto) else {
            return;
        };
        if mode != required && self.left_mode.replace(mode.to_owned()).as_deref() != Some(mode) {
            let message = format!("the agent changed its session mode from {required} to {mode}; it may no longer ask for permission");
            out.emit(StreamEvent::notice(Level::Warning, NoticeCode::WeakGuarantee, message));
        }
    }

    fn handle_text(&mut self, update: &str, out: &mut Output) -> Option<LineOutcome> {
        // Most chunks have no metadata, and are then read only once.
        let counted = update.contains("\"_meta\"") && self.usage.add_call(&serde_json::from_str(update).ok()?);
        if counted {
            self.emit_usage(out);
        }
        let Ok(chunk) = serde_json::from_str::<Chunk<'_>>(update) else { return self.handle_other_content(update, out) };
        let (id, text) = (chunk.message_id.as_deref(), &*chunk.content.text);
        let role = match self.dialect.chunk_role.filter(|_| id.is_none()).map_or(ChunkRole::Answer, |role| role(text)) {
            // Nothing was asked yet.
            ChunkRole::Answer if matches!(self.pending, Some((_, Step::Configure(..)))) => {
                if text.trim().is_empty() {
                    ChunkRole::Banner
                } else {
                    ChunkRole::Notice
                }
            }
            role => role,
        };
        let notice = |code| StreamEvent::notice(Level::Warning, code, text.trim());
        match role {
            ChunkRole::Answer => {
                let text = if self.dialect.trims_answers && !self.message.is_open() { text.trim_start_matches('\n') } else { text };
                if !text.is_empty() {
                    self.message.push(id, text, out);
                    return Some(LineOutcome::Buffered);
                }
            }
            ChunkRole::Banner => {}
            ChunkRole::Notice => {
                out.emit(notice(NoticeCode::AgentWarning));
                return Some(LineOutcome::Emitted);
            }
            ChunkRole::Retry => {
                out.emit(notice(NoticeCode::Retrying));
                return Some(LineOutcome::Emitted);
            }
        }
        Some(if counted { LineOutcome::Buffered } else { LineOutcome::Ignored })
    }

    /// Emits what is known of the usage during a turn, by which a run is stopped that exceeds its limits.
    fn emit_usage(&self, out: &mut Output) -> LineOutcome {
        let Some(usage) = self.usage.total() else { return LineOutcome::Ignored };
        out.emit(StreamEvent::Usage(usage));
        LineOutcome::Emitted
    }

    /// Images and other content in an answer, by their description.
    fn handle_other_content(&mut self, update: &str, out: &mut Output) -> Option<LineOutcome> {
        let update: Value = serde_json::from_str(update).ok()?;
        let text = text_of_value(update.get("content")?)?;
        self.message.push(update.get("messageId").and_then(Value::as_str), &text, out);
        Some(LineOutcome::Buffered)
    }

    fn handle_thinking(&mut self, update: &str, out: &mut Output) -> Option<LineOutcome> {
        let (message_id, text) = if let Ok(chunk) = serde_json::from_str::<Chunk<'_>>(update) {
            (chunk.message_id.map(Cow::into_owned), chunk.content.text.into_owned())
        } else {
            // Images and other content, by their description.
            let update: Value = serde_json::from_str(update).ok()?;
            (update.get("messageId").and_then(Value::as_str).map(str::to_owned), text_of_value(update.get("content")?)?)
        };
        if text.is_empty() {
            return Some(LineOutcome::Ignored);
        }
        self.message.close(out);
        let content = Delta { text, message_id, parent_tool_call_id: None };
        out.emit(StreamEvent::Thinking { content });
        Some(LineOutcome::Emitted)
    }

    fn handle_tool_call(&mut self, first: bool, update: &str, out: &mut Output) -> Option<LineOutcome> {
        let update: ToolCallUpdate = serde_json::from_str(update).ok()?;
        self.message.close(out);
        self.calls.announce_complete(Some(&update.tool_call_id.to_string()), out);
        self.calls.update(first, update, out);
        self.report_unasked(out);
        Some(LineOutcome::Buffered)
    }
}

fn notice_of(update: &Value) -> Option<StreamEvent> {
    let text = |name: &str| update.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    let level = match text("severity") {
        Some("info") => Level::Info,
        Some("error") => Level::Error,
        _ => Level::Warning,
    };
    let message = match (text("title")?, text("description")) {
        (title, Some(description)) => format!("{title}: {description}"),
        (title, None) => title.to_owned(),
    };
    Some(StreamEvent::notice(level, NoticeCode::AgentWarning, message))
}
