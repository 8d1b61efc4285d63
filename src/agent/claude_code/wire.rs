//! The JSON of `stream-json`: one object a line, as far as we read it.
//!
//! A line is read twice: first for its `type` and `subtype`, wherever they stand, then as what these say. The pieces of the model's
//! stream, which are most lines, are known by how they begin and read once ([`StreamLine::read`]). Text is borrowed from the line. What is not needed is skipped unread, and what is needed but has another type than it should counts as absent
//! ([`lenient`]), except where a line would mean nothing without it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// Takes a field that should be there and of its type, but need not be: anything else becomes the default.
fn lenient<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    let raw = <&'de RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(raw.get()).unwrap_or_default())
}

/// Text borrowed from the line, unless it holds escapes. (Within an `Option`, a plain `Cow` would always be copied.)
#[derive(Debug, Default, Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

impl Text<'_> {
    pub(super) fn into_string(self) -> String {
        self.0.into_owned()
    }
}

/// What every line has: which one it is.
#[derive(Debug, Deserialize)]
pub(super) struct Head<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Cow<'a, str>,
    #[serde(default, borrow, deserialize_with = "lenient")]
    pub(super) subtype: Option<Text<'a>>,
}

/// `stream_event`: an event of the model's own stream, as it comes in. The hot path: most lines of a run are these.
#[derive(Debug, Deserialize)]
pub(super) struct StreamLine<'a> {
    /// Only so that a line with two types is not read the short way: of doubled keys the last one counts.
    #[serde(rename = "type", borrow)]
    _kind: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) event: ModelEvent<'a>,
    #[serde(default, borrow)]
    pub(super) parent_tool_use_id: Option<Text<'a>>,
    /// Absent before 2.1.330; then the last `message_start` tells it.
    #[serde(default, borrow)]
    pub(super) api_message_id: Option<Text<'a>>,
}

impl<'a> StreamLine<'a> {
    /// Takes a line that begins as the program writes these. `None` for any other, which may be one all the same.
    pub(super) fn read(line: &'a str) -> Option<Self> {
        const BEGINNING: &str = r#"{"type":"stream_event","#;
        line.starts_with(BEGINNING).then(|| serde_json::from_str(line).ok())?
    }
}

/// One event of the Messages API.
#[derive(Debug, Deserialize)]
pub(super) struct ModelEvent<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Cow<'a, str>,
    #[serde(default, borrow)]
    pub(super) delta: Option<Delta<'a>>,
    #[serde(default, borrow)]
    pub(super) message: Option<MessageId<'a>>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) usage: Option<TurnUsage>,
}

/// A piece of a content block, or the `message_delta`, which has no type.
#[derive(Debug, Deserialize)]
pub(super) struct Delta<'a> {
    #[serde(rename = "type", default, borrow)]
    pub(super) kind: Cow<'a, str>,
    #[serde(default, borrow)]
    pub(super) text: Option<Text<'a>>,
    #[serde(default, borrow)]
    pub(super) thinking: Option<Text<'a>>,
}

/// What of a `message_start` is needed.
#[derive(Debug, Deserialize)]
pub(super) struct MessageId<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
}

/// `system/init`: the agent is ready, once for each turn.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Init {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) session_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) claude_code_version: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) model: Option<String>,
}

/// `system/api_retry`: the model is asked again.
#[derive(Debug, Deserialize)]
pub(super) struct ApiRetry {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) attempt: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) max_retries: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) retry_delay_ms: Option<u64>,
    /// Absent when there was no answer at all.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) error_status: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) error: Option<String>,
}

/// `system/permission_denied`: a tool was refused without asking.
#[derive(Debug, Deserialize)]
pub(super) struct PermissionDenied {
    pub(super) tool_use_id: String,
}

/// `rate_limit_event`: where a subscription's limits stand. In the program, but in no recording, which have no subscription.
#[derive(Debug, Deserialize)]
pub(super) struct RateLimit {
    pub(super) rate_limit_info: RateLimitInfo,
}

/// What it says of the limit.
#[derive(Debug, Deserialize)]
pub(super) struct RateLimitInfo {
    /// `allowed`, `allowed_warning` or `rejected`.
    pub(super) status: String,
    /// Seconds since 1970.
    #[serde(rename = "resetsAt", default, deserialize_with = "lenient")]
    pub(super) resets_at: Option<i64>,
}

/// `assistant` and `user`: finished content blocks of a message.
#[derive(Debug, Deserialize)]
pub(super) struct MessageLine<'a> {
    #[serde(borrow)]
    pub(super) message: Message<'a>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) parent_tool_use_id: Option<String>,
    /// A word for what went wrong, on an `assistant` line that the program made up to tell it.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) error: Option<String>,
    /// What a tool gave back, for programs; a text if it failed.
    #[serde(default, borrow)]
    pub(super) tool_use_result: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) tool_result_meta: Vec<ToolResultMeta>,
    /// It repeats what we sent.
    #[serde(rename = "isReplay", default, deserialize_with = "lenient")]
    pub(super) is_replay: bool,
}

/// A message of the Messages API.
#[derive(Debug, Deserialize)]
pub(super) struct Message<'a> {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) id: Option<String>,
    #[serde(borrow)]
    pub(super) content: &'a RawValue,
}

impl Message<'_> {
    /// The content's blocks; a plain text is one block. `None` if it is neither.
    pub(super) fn blocks(&self) -> Option<Vec<Block<'_>>> {
        let content = self.content.get();
        serde_json::from_str(content).ok().or_else(|| {
            let text = serde_json::from_str(content).ok()?;
            Some(vec![Block { kind: Cow::Borrowed("text"), text: Some(text), ..Block::default() }])
        })
    }
}

/// One content block; which fields it has depends on its type.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Block<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Cow<'a, str>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) text: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) thinking: Option<String>,
    /// Of a `tool_use`.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) input: Value,
    /// Of a `tool_result`.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) tool_use_id: Option<String>,
    #[serde(default, borrow)]
    pub(super) content: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) is_error: bool,
}

impl Block<'_> {
    /// What a tool gave back as text; parts that are no text are named in brackets.
    pub(super) fn result_text(&self) -> String {
        let Some(content) = self.content else { return String::new() };
        if let Ok(text) = serde_json::from_str::<String>(content.get()) {
            return text;
        }
        match serde_json::from_str::<Vec<Block<'_>>>(content.get()) {
            Ok(parts) => {
                parts.into_iter().map(|part| part.text.unwrap_or_else(|| format!("[{}]", part.kind))).collect::<Vec<_>>().join("\n")
            }
            Err(_neither) => content.get().to_owned(),
        }
    }
}

/// How it came that a tool ran or not.
#[derive(Debug, Deserialize)]
pub(super) struct ToolResultMeta {
    pub(super) id: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) permission_decision: Option<PermissionDecision>,
}

/// Whether it was allowed.
#[derive(Debug, Deserialize)]
pub(super) struct PermissionDecision {
    /// `accept` or `reject`.
    pub(super) decision: String,
}

/// `tool_use_result` of a tool that wrote a file.
#[derive(Debug, Deserialize)]
pub(super) struct WrittenFile {
    #[serde(rename = "filePath")]
    pub(super) path: String,
    /// `create` for a new file.
    #[serde(rename = "type", default, deserialize_with = "lenient")]
    pub(super) kind: Option<String>,
    /// The whole of a new file.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) content: Option<String>,
    /// Always there when a file was written, and never when one was only read.
    #[serde(rename = "structuredPatch")]
    pub(super) patch: Vec<Hunk>,
}

/// A part of a unified diff.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Hunk {
    pub(super) old_start: u64,
    pub(super) old_lines: u64,
    pub(super) new_start: u64,
    pub(super) new_lines: u64,
    /// With their `+`, `-` or space.
    pub(super) lines: Vec<String>,
}

/// `tool_use_result` of `TaskCreate`.
#[derive(Debug, Deserialize)]
pub(super) struct CreatedTask {
    pub(super) task: TaskId,
}

/// What of a task is needed.
#[derive(Debug, Deserialize)]
pub(super) struct TaskId {
    pub(super) id: String,
}

/// `control_request`: the agent asks us for something.
#[derive(Debug, Deserialize)]
pub(super) struct ControlRequest<'a> {
    #[serde(borrow)]
    pub(super) request_id: Cow<'a, str>,
    #[serde(default, borrow)]
    pub(super) request: Option<&'a RawValue>,
}

/// Which control request it is.
#[derive(Debug, Deserialize)]
pub(super) struct ControlSubtype<'a> {
    #[serde(borrow)]
    pub(super) subtype: Text<'a>,
}

/// `can_use_tool`: whether a tool may run.
#[derive(Debug, Deserialize)]
pub(super) struct CanUseTool {
    pub(super) tool_name: String,
    pub(super) input: Value,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) tool_use_id: Option<String>,
    /// What could be allowed from now on.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) permission_suggestions: Vec<Value>,
}

/// The input of `AskUserQuestion`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct AskUserQuestion {
    pub(super) questions: Vec<AskedQuestion>,
}

/// One question of it.
#[derive(Debug, Deserialize)]
pub(super) struct AskedQuestion {
    pub(super) question: String,
    #[serde(default)]
    pub(super) options: Vec<AskedOption>,
    #[serde(rename = "multiSelect", default)]
    pub(super) multi_select: bool,
}

/// An answer to choose.
#[derive(Debug, Deserialize)]
pub(super) struct AskedOption {
    pub(super) label: String,
}

/// `control_cancel_request`: the agent does not ask that any more.
#[derive(Debug, Deserialize)]
pub(super) struct ControlCancel<'a> {
    #[serde(borrow)]
    pub(super) request_id: Cow<'a, str>,
}

/// `control_response`: the answer to what we asked.
#[derive(Debug, Deserialize)]
pub(super) struct ControlResponse<'a> {
    #[serde(borrow)]
    pub(super) response: ControlAnswer<'a>,
}

/// What was answered.
#[derive(Debug, Deserialize)]
pub(super) struct ControlAnswer<'a> {
    /// `success` or `error`.
    #[serde(borrow)]
    pub(super) subtype: Cow<'a, str>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) error: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) response: Option<McpSet>,
}

/// The answer to `mcp_set_servers`, as far as it is needed.
#[derive(Debug, Default, Deserialize)]
pub(super) struct McpSet {
    /// By server, what went wrong with it.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) errors: BTreeMap<String, String>,
}

/// `result`: the end of a turn.
#[derive(Debug, Deserialize)]
pub(super) struct TurnResult {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) subtype: String,
    /// The true sign of failure: a failed model call still has the subtype `success` (seen in `error_401`).
    #[serde(default, deserialize_with = "lenient")]
    pub(super) is_error: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) result: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) errors: Vec<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) terminal_reason: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) api_error_status: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) total_cost_usd: Option<f64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) usage: TurnUsage,
    /// By model, sub-agents included: unlike `usage`, which leaves these out (`subagent`), and unlike `modelUsage` and
    /// `total_cost_usd`, which begin with what a continued conversation had already cost (`resume_2`).
    #[serde(default, deserialize_with = "lenient")]
    pub(super) model_usage_since_last_result: Option<BTreeMap<String, ModelUsage>>,
}

impl TurnResult {
    /// Whether an interrupt has ended the turn (seen in `bidi_interrupt_stream` and `bidi_interrupt_tool`).
    pub(super) fn is_aborted(&self) -> bool {
        matches!(self.terminal_reason.as_deref(), Some("aborted_streaming" | "aborted_tools"))
    }
}

/// What the main conversation used, in a turn or for one answer of the model.
#[derive(Debug, Default, Deserialize)]
#[expect(clippy::struct_field_names, reason = "the names of the wire")]
pub(super) struct TurnUsage {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) input_tokens: u64,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) output_tokens: u64,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) cache_read_input_tokens: u64,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) cache_creation_input_tokens: u64,
}

/// What one model was used for.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ModelUsage {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) input_tokens: u64,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) output_tokens: u64,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) cache_read_input_tokens: u64,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) cache_creation_input_tokens: u64,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) thinking_tokens: u64,
    #[serde(rename = "costUSD", default, deserialize_with = "lenient")]
    pub(super) cost_usd: f64,
}
