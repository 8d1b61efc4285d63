//! The dialects of known agents. Each deviation is in a recording of that agent (`tests/transcripts/acp`).

use agent_client_protocol_schema::v1::ToolKind;
use serde_json::{Value, json};

use super::dialect::{ChunkRole, Dialect, ToolHint};
use crate::agent::{ReportInterval, UsageReports};
use crate::types::{Level, NoticeCode, StreamEvent};

/// An agent that reports the tokens of every turn, as the sum of its model calls.
const PER_TURN: Dialect = Dialect { reports_usage: true, usage: UsageReports::TOKENS_PER_TURN, ..Dialect::UNKNOWN };

/// Gemini CLI: no input of tools, so names are in ids, and commands in titles; changes of the session mode are in the answer.
pub(crate) const GEMINI: Dialect =
    Dialect { tool_name: Some(name_in_id), command_of_title: Some(whole_title), chunk_role: Some(gemini_chunk), ..PER_TURN };

/// Qwen Code: reports the tokens of each model call.
pub(crate) const QWEN: Dialect = Dialect {
    noise: &["qwen/notify/", "craft/"],
    plan_tool: Some("todo_write"),
    usage: UsageReports { tokens: ReportInterval::Call, turns: ReportInterval::Call, ..UsageReports::NONE },
    ..Dialect::UNKNOWN
};

/// GitHub Copilot CLI: retries and errors are part of the answer.
pub(crate) const COPILOT: Dialect = Dialect { chunk_role: Some(copilot_chunk), ..PER_TURN };

/// Grok: details in notifications of its own.
pub(crate) const GROK: Dialect = Dialect { notification: Some(grok_notification), ..PER_TURN };

/// Kilo: a fork of `OpenCode`. The tokens of a turn are those of its last model call (recording `acp/kilo_tool_unasked`).
pub(crate) const KILO: Dialect = Dialect {
    tool_name: Some(opencode_name),
    plan_tool: Some("todowrite"),
    sends_redundant_writes: true,
    reports_usage: true,
    reports_last_call: true,
    ..Dialect::UNKNOWN
};

/// Cline: names in titles, no usage.
pub(crate) const CLINE: Dialect = Dialect { tool_name: Some(name_before_colon), ..Dialect::UNKNOWN };

/// Hermes: requests under call ids of their own, errors as answers.
pub(crate) const HERMES: Dialect = Dialect {
    tool_name: Some(name_before_colon),
    command_of_title: Some(title_after_colon),
    asks_under_own_ids: true,
    trims_answers: true,
    ..PER_TURN
};

/// The ACP adapter of pi: a banner, no usage, and silence if the model cannot be called.
pub(crate) const PI: Dialect =
    Dialect { tool_name: Some(whole_title_as_name), chunk_role: Some(pi_chunk), fails_silently: true, ..Dialect::UNKNOWN };

/// The ACP adapter of Codex.
pub(crate) const CODEX: Dialect = Dialect { chunk_role: Some(codex_chunk), reports_usage: true, ..Dialect::UNKNOWN };

/// The ACP adapter of Claude Code.
pub(crate) const CLAUDE: Dialect = Dialect { reports_usage: true, ..Dialect::UNKNOWN };

impl Dialect {
    /// The dialect of the agent that calls itself `name` in `initialize`. `None` if it is unknown.
    pub(super) fn by_name(name: &str) -> Option<Self> {
        Some(match name {
            "gemini-cli" => GEMINI,
            "qwen-code" => QWEN,
            "Copilot" => COPILOT,
            "grok" => GROK,
            "Kilo" => KILO,
            "cline" => CLINE,
            "hermes-agent" => HERMES,
            "pi-acp" => PI,
            "@agentclientprotocol/codex-acp" | "@zed-industries/codex-acp" => CODEX,
            "@agentclientprotocol/claude-agent-acp" | "@zed-industries/claude-code-acp" => CLAUDE,
            _ => return None,
        })
    }
}

/// `write_file__call_1` is a call of `write_file`.
fn name_in_id(hint: ToolHint<'_>) -> Option<String> {
    let (name, _) = hint.id.split_once("__")?;
    (!name.is_empty()).then(|| name.to_owned())
}

fn whole_title(title: &str) -> Option<String> {
    (!title.trim().is_empty()).then(|| title.to_owned())
}

/// `terminal: touch a` runs `touch a`.
fn title_after_colon(title: &str) -> Option<String> {
    let (_, command) = title.split_once(": ")?;
    whole_title(command)
}

/// `write: /a/b` and `patch (replace): /a/b` are calls of `write` and `patch`; Hermes' requests name the tool in their input.
fn name_before_colon(hint: ToolHint<'_>) -> Option<String> {
    if let Some(tool) = hint.input.and_then(|input| input.get("tool")?.as_str()) {
        return Some(tool.to_owned());
    }
    let (name, _) = hint.title.split_once(':')?;
    name.split_whitespace().next().map(str::to_owned)
}

fn whole_title_as_name(hint: ToolHint<'_>) -> Option<String> {
    let title = hint.title.trim();
    (!title.is_empty() && !title.contains(char::is_whitespace)).then(|| title.to_owned())
}

fn opencode_name(hint: ToolHint<'_>) -> Option<String> {
    match hint.kind {
        ToolKind::Execute => Some("bash".to_owned()),
        _ => (!hint.is_request).then(|| hint.title.to_owned()),
    }
}

/// `[MODE_UPDATE] plan` reports a change of the session mode (recording `acp/gemini_read_only`).
fn gemini_chunk(text: &str) -> ChunkRole {
    match text.strip_prefix("[MODE_UPDATE] ") {
        Some(mode) if !mode.is_empty() && mode.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') => ChunkRole::Banner,
        _ => ChunkRole::Answer,
    }
}

fn copilot_chunk(text: &str) -> ChunkRole {
    match text.strip_prefix("Info: ") {
        Some(info) if info.contains("Retrying") => ChunkRole::Retry,
        Some(_) => ChunkRole::Notice,
        None => ChunkRole::Answer,
    }
}

fn codex_chunk(text: &str) -> ChunkRole {
    if text.starts_with("Warning: ") { ChunkRole::Notice } else { ChunkRole::Answer }
}

/// `pi v1.6.0`, a line of dashes.
fn pi_chunk(text: &str) -> ChunkRole {
    let version = text.strip_prefix("pi v").and_then(|rest| rest.trim_end().strip_suffix("\n---"));
    match version {
        Some(version) if version.chars().all(|letter| letter.is_ascii_alphanumeric() || ".-+".contains(letter)) => ChunkRole::Banner,
        _ => ChunkRole::Answer,
    }
}

/// Retries (recording `acp/grok_error_429`). Everything else in these notifications is also in the protocol's own messages.
fn grok_notification(method: &str, params: &Value) -> Option<StreamEvent> {
    let update = params.get("update").filter(|_| method == "_x.ai/session_notification")?;
    let text = |name: &str| update.get(name).and_then(Value::as_str);
    if text("sessionUpdate") != Some("retry_state") || text("type") != Some("retrying") {
        return None;
    }
    let data = json!({ "attempt": update.get("attempt"), "max_attempts": update.get("max_retries") });
    let message = format!("the agent retries a model call: {}", text("reason").unwrap_or("no reason given"));
    Some(StreamEvent::Notice { level: Level::Warning, code: NoticeCode::Retrying, message, data: Some(data) })
}
