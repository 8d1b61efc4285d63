//! What an agent reports during a turn: `session/update`.

use agent_client_protocol_schema::v1::ToolCallUpdate;
use serde_json::Value;
use serde_json::value::RawValue;

use super::content::text_of_value;
use super::dialect::ChunkRole;
use super::parser::{Acp, Step};
use super::plan::plan_entries;
use super::wire::{Chunk, Plan, Update, UpdateKind};
use crate::agent::{LineOutcome, Output};
use crate::types::{Delta, Level, NoticeCode, StreamEvent};

/// Updates that readers of a run do not need: menus, modes, and the echo of the prompt.
const IGNORED_UPDATES: &[&str] = &["available_commands_update", "config_option_update", "current_mode_update", "user_message_chunk"];

impl Acp {
    /// Handles `session/update`.
    pub(super) fn handle_update(&mut self, params: Option<&RawValue>, line: &str, out: &mut Output) -> LineOutcome {
        let Some(Ok(Update { session_id, update })) = params.map(|params| serde_json::from_str::<Update<'_>>(params.get())) else {
            return out.emit_raw(line);
        };
        let update = update.get();
        let Ok(UpdateKind { session_update: kind }) = serde_json::from_str(update) else { return out.emit_raw(line) };
        if IGNORED_UPDATES.contains(&&*kind) || matches!(self.pending, Some((_, Step::Session))) {
            // Updates before the response to `session/load` are history, which is in the logs of earlier runs.
            return LineOutcome::Ignored;
        }
        if self.session.as_deref().is_some_and(|ours| ours != session_id) {
            return out.emit_raw(line);
        }
        if kind == "session_info_update" {
            return self.handle_info(update);
        }
        if !kind.starts_with("tool_call") {
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
            "usage_update" => serde_json::from_str::<Value>(update)
                .ok()
                .map(|usage| if self.usage.update(&usage) { LineOutcome::Buffered } else { LineOutcome::Ignored }),
            "notice" => serde_json::from_str::<Value>(update).ok().and_then(|notice| notice_of(&notice)).map(|notice| {
                out.emit(notice);
                LineOutcome::Emitted
            }),
            _ => None,
        };
        let outcome = match outcome {
            None => out.emit_raw(line),
            Some(_) if !out.is_empty() => LineOutcome::Emitted,
            Some(outcome) => outcome,
        };
        self.turn.active |= outcome == LineOutcome::Emitted && kind != "notice";
        outcome
    }

    /// The session's title, and the status that Codex's adapter reports in its metadata.
    fn handle_info(&mut self, update: &str) -> LineOutcome {
        let status = serde_json::from_str::<Value>(update).ok();
        let status = status.as_ref().and_then(|update| update.pointer("/_meta/codex/threadStatus/type")?.as_str());
        match status {
            None => LineOutcome::Ignored,
            Some(status) => {
                self.turn.system_error = status == "systemError";
                LineOutcome::Buffered
            }
        }
    }

    fn handle_text(&mut self, update: &str, out: &mut Output) -> Option<LineOutcome> {
        // Most chunks have no metadata, and are then read only once.
        let counted = update.contains("\"_meta\"") && self.usage.add_call(&serde_json::from_str(update).ok()?);
        let Ok(chunk) = serde_json::from_str::<Chunk<'_>>(update) else { return self.handle_other_content(update, out) };
        let (id, text) = (chunk.message_id.as_deref(), &*chunk.content.text);
        let role = self.dialect.chunk_role.filter(|_| id.is_none()).map_or(ChunkRole::Answer, |role| role(text));
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

    /// Images and other content in an answer, by their description.
    fn handle_other_content(&mut self, update: &str, out: &mut Output) -> Option<LineOutcome> {
        let update: Value = serde_json::from_str(update).ok()?;
        let text = text_of_value(update.get("content")?)?;
        self.message.push(update.get("messageId").and_then(Value::as_str), &text, out);
        Some(LineOutcome::Buffered)
    }

    fn handle_thinking(&mut self, update: &str, out: &mut Output) -> Option<LineOutcome> {
        let chunk: Chunk<'_> = serde_json::from_str(update).ok()?;
        if chunk.content.text.is_empty() {
            return Some(LineOutcome::Ignored);
        }
        self.message.close(out);
        let message_id = chunk.message_id.map(std::borrow::Cow::into_owned);
        let content = Delta { text: chunk.content.text.into_owned(), message_id, parent_tool_call_id: None };
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
