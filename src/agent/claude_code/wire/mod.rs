//! The JSON of `stream-json` as types: one object per line.
//!
//! A line is decoded twice: first for its `type` and `subtype`, wherever they are, then as the type that these name. Events of the model's
//! stream, which are most lines, are recognized by their first bytes and decoded once ([`StreamEventLine::parse_prefixed`]). Text is
//! borrowed from the line. Unused fields are skipped, and a field of an unexpected type counts as absent ([`lenient`]) unless the line is
//! useless without it.

mod tasks;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

pub(super) use tasks::{
    BackgroundTask, BackgroundTasks, SessionStateChanged, TaskNotification, TaskProgress, TaskStarted, TaskUpdated, task_kind,
};

/// Decodes a field, or returns the default if it has an unexpected type.
fn lenient<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    let raw = <&'de RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(raw.get()).unwrap_or_default())
}

/// Decodes a text, or any other value but null as its JSON, so that it is never taken for an empty text.
fn text_or_json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let raw = <&'de RawValue>::deserialize(deserializer)?;
    let text = serde_json::from_str::<Option<String>>(raw.get());
    Ok(text.unwrap_or_else(|_| Some(raw.get().to_owned())))
}

/// Text borrowed from the line, unless it contains escapes. (Inside an `Option`, a plain `Cow` would always be copied.)
#[derive(Debug, Default, Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

impl Text<'_> {
    pub(super) fn into_string(self) -> String {
        self.0.into_owned()
    }
}

/// The fields that determine the type of a line.
#[derive(Debug, Deserialize)]
pub(super) struct LineHeader<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Cow<'a, str>,
    #[serde(default, borrow, deserialize_with = "lenient")]
    pub(super) subtype: Option<Text<'a>>,
}

/// `stream_event`: an event of the model's stream. The hot path: most lines of a run are of this type.
#[derive(Debug, Deserialize)]
pub(super) struct StreamEventLine<'a> {
    /// Required, so that a line with two types is not decoded on the fast path: of duplicate keys the last one counts.
    #[serde(rename = "type", borrow)]
    _kind: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) event: ModelEvent<'a>,
    #[serde(default, borrow)]
    pub(super) parent_tool_use_id: Option<Text<'a>>,
    /// Absent before 2.1.330. Then the id is that of the last `message_start`.
    #[serde(default, borrow)]
    pub(super) api_message_id: Option<Text<'a>>,
}

impl<'a> StreamEventLine<'a> {
    /// Decodes a line that starts the way the program writes these lines. `None` for any other line, which may still be a stream event.
    pub(super) fn parse_prefixed(line: &'a str) -> Option<Self> {
        const PREFIX: &str = r#"{"type":"stream_event","#;
        line.starts_with(PREFIX).then(|| serde_json::from_str(line).ok())?
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

/// A delta of a content block, or a `message_delta`, which has no type.
#[derive(Debug, Deserialize)]
pub(super) struct Delta<'a> {
    #[serde(rename = "type", default, borrow)]
    pub(super) kind: Cow<'a, str>,
    #[serde(default, borrow)]
    pub(super) text: Option<Text<'a>>,
    #[serde(default, borrow)]
    pub(super) thinking: Option<Text<'a>>,
}

/// The fields used of a `message_start`.
#[derive(Debug, Deserialize)]
pub(super) struct MessageId<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
}

/// `system/init`: the agent is ready. Printed once per turn.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Init {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) session_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) claude_code_version: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) model: Option<String>,
}

/// `system/api_retry`: a model request is retried.
#[derive(Debug, Deserialize)]
pub(super) struct ApiRetry {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) attempt: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) max_retries: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) retry_delay_ms: Option<u64>,
    /// Absent if there was no response.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) error_status: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) error: Option<String>,
}

/// `system/permission_denied`: a tool call was denied without asking.
#[derive(Debug, Deserialize)]
pub(super) struct PermissionDenied {
    pub(super) tool_use_id: String,
}

/// `rate_limit_event`: the state of a subscription's limits. Found in the program, but in no recording, since none was made with a
/// subscription.
#[derive(Debug, Deserialize)]
pub(super) struct RateLimit {
    pub(super) rate_limit_info: RateLimitInfo,
}

/// The state of a limit.
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
    /// The error code, on an `assistant` line in which the program reports an error.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) error: Option<String>,
    /// The machine-readable result of a tool. A string if the tool failed.
    #[serde(default, borrow)]
    pub(super) tool_use_result: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) tool_result_meta: Vec<ToolResultMeta>,
    /// Whether the line repeats a message that was sent to the program.
    #[serde(rename = "isReplay", default, deserialize_with = "lenient")]
    pub(super) is_replay: bool,
}

/// A message of the Messages API.
#[derive(Debug, Deserialize)]
pub(super) struct Message<'a> {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) id: Option<String>,
    /// The usage at the start of the model's response.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) usage: Option<TurnUsage>,
    #[serde(borrow)]
    pub(super) content: &'a RawValue,
}

impl Message<'_> {
    /// The blocks of the content. A string becomes one text block. `None` if the content is neither.
    pub(super) fn blocks(&self) -> Option<Vec<Block<'_>>> {
        let content = self.content.get();
        serde_json::from_str(content).ok().or_else(|| {
            let text = serde_json::from_str(content).ok()?;
            Some(vec![Block { kind: Cow::Borrowed("text"), text: Some(text), ..Block::default() }])
        })
    }
}

/// One content block. Its type determines which fields are present.
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
    /// Of a search result.
    #[serde(default, deserialize_with = "lenient")]
    title: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    url: Option<String>,
}

impl Block<'_> {
    /// The result of a tool as text. Parts that are not text are replaced by their type in brackets.
    pub(super) fn result_text(&self) -> String {
        let Some(content) = self.content else { return String::new() };
        if let Ok(text) = serde_json::from_str::<String>(content.get()) {
            return text;
        }
        match serde_json::from_str::<Vec<Block<'_>>>(content.get()) {
            Ok(parts) => parts.into_iter().map(Block::into_text).collect::<Vec<_>>().join("\n"),
            Err(_) => content.get().to_owned(),
        }
    }
}

impl Block<'_> {
    /// The block as text. One without text is described by its title and address, or by its type in brackets.
    fn into_text(self) -> String {
        match (self.text, self.title, self.url) {
            (None, Some(title), Some(url)) => format!("{title}: {url}"),
            (Some(text), _, _) | (None, Some(text), None) | (None, None, Some(text)) => text,
            (None, None, None) => format!("[{}]", self.kind),
        }
    }
}

/// Additional data of a tool result.
#[derive(Debug, Deserialize)]
pub(super) struct ToolResultMeta {
    pub(super) id: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) permission_decision: Option<PermissionDecision>,
}

/// Whether the tool call was allowed.
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
    /// The complete content of a new file.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) content: Option<String>,
    /// Present if and only if a file was written.
    #[serde(rename = "structuredPatch")]
    pub(super) patch: Vec<Hunk>,
}

/// A hunk of a unified diff.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Hunk {
    pub(super) old_start: u64,
    pub(super) old_lines: u64,
    pub(super) new_start: u64,
    pub(super) new_lines: u64,
    /// Prefixed with `+`, `-` or a space.
    pub(super) lines: Vec<String>,
}

/// `tool_use_result` of `TaskCreate`.
#[derive(Debug, Deserialize)]
pub(super) struct CreatedTask {
    pub(super) task: TaskId,
}

/// The fields used of a task.
#[derive(Debug, Deserialize)]
pub(super) struct TaskId {
    pub(super) id: String,
}

/// `control_request`: a request from the program.
#[derive(Debug, Deserialize)]
pub(super) struct ControlRequest<'a> {
    #[serde(borrow)]
    pub(super) request_id: Cow<'a, str>,
    #[serde(default, borrow)]
    pub(super) request: Option<&'a RawValue>,
}

/// The type of a control request.
#[derive(Debug, Deserialize)]
pub(super) struct ControlSubtype<'a> {
    #[serde(borrow)]
    pub(super) subtype: Text<'a>,
}

/// `can_use_tool`: a permission request.
#[derive(Debug, Deserialize)]
pub(super) struct CanUseTool {
    pub(super) tool_name: String,
    pub(super) input: Value,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) tool_use_id: Option<String>,
    /// The id of the sub-agent that makes the call; equal to the id of its task.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) agent_id: Option<String>,
    /// Rules that the program suggests to remember.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) permission_suggestions: Vec<Value>,
}

/// `control_cancel_request`: the program withdraws a request.
#[derive(Debug, Deserialize)]
pub(super) struct ControlCancelRequest<'a> {
    #[serde(borrow)]
    pub(super) request_id: Cow<'a, str>,
}

/// `control_response`: the response to a request of the parser.
#[derive(Debug, Deserialize)]
pub(super) struct ControlResponse<'a> {
    #[serde(borrow)]
    pub(super) response: ControlResponseBody<'a>,
}

/// The body of a `control_response`.
#[derive(Debug, Deserialize)]
pub(super) struct ControlResponseBody<'a> {
    /// `success` or `error`.
    #[serde(borrow)]
    pub(super) subtype: Cow<'a, str>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) error: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) response: Option<McpServersResult>,
}

/// The fields used of the response to `mcp_set_servers`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct McpServersResult {
    /// The error of each server that failed.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) errors: BTreeMap<String, String>,
}

/// `result`: the end of a turn.
#[derive(Debug, Deserialize)]
pub(super) struct TurnResult {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) subtype: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) session_id: Option<String>,
    /// Whether the turn failed. A failed model call still has the subtype `success` (recording `error_401`).
    #[serde(default, deserialize_with = "lenient")]
    pub(super) is_error: Option<bool>,
    #[serde(default, deserialize_with = "text_or_json")]
    pub(super) result: Option<String>,
    /// The answer in the form of `--json-schema`. Older versions leave `result` empty then.
    #[serde(default, deserialize_with = "text_or_json")]
    pub(super) structured_output: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) stop_reason: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) errors: Vec<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) terminal_reason: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) api_error_status: Option<u64>,
    /// Number of messages from the user that the program has queued for further turns.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) queued_turn_count: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) total_cost_usd: Option<f64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) usage: TurnUsage,
    /// By model, including sub-agents. Unlike it, `usage` excludes sub-agents (recording `subagent`), and `modelUsage` and `total_cost_usd`
    /// include the earlier cost of a continued conversation (`resume_2`).
    #[serde(default, deserialize_with = "lenient")]
    pub(super) model_usage_since_last_result: Option<BTreeMap<String, ModelUsage>>,
}

impl TurnResult {
    /// Whether an interrupt ended the turn (recordings `bidi_interrupt_stream`, `bidi_interrupt_tool`).
    pub(super) fn is_aborted(&self) -> bool {
        matches!(self.terminal_reason.as_deref(), Some("aborted_streaming" | "aborted_tools"))
    }
}

/// The usage of the main conversation in one turn or one model response.
#[derive(Debug, Default, Deserialize)]
#[expect(clippy::struct_field_names, reason = "the names in the JSON")]
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

/// The usage of one model.
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
