//! The JSON of `codex app-server` as types: JSON-RPC without the `jsonrpc` member, one object per line.
//!
//! The types match the recordings `appserver_*` in `tests/transcripts/codex`. Types marked "from the schema" are in no recording and follow
//! `codex app-server generate-json-schema` of version 0.169.0. Unused fields are omitted. A line that does not decode becomes a raw event.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::types::QuestionOption;

/// Text borrowed from the line, unless it contains escapes. (`Option<Cow<str>>` would always copy.)
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// One line: a request has a method and an id, a notification only a method, a response only an id.
#[derive(Debug, Deserialize)]
pub(super) struct Line<'a> {
    pub(super) id: Option<Value>,
    #[serde(borrow)]
    pub(super) method: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) params: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) result: Option<&'a RawValue>,
    pub(super) error: Option<RpcError>,
}

/// The error of a response.
#[derive(Debug, Deserialize)]
pub(super) struct RpcError {
    pub(super) code: i64,
    #[serde(default)]
    pub(super) message: String,
}

/// Response to `initialize`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Initialized {
    /// `CLIENT_NAME/CODEX_VERSION (…)`.
    #[serde(default)]
    pub(super) user_agent: String,
}

/// Response to `thread/start` and `thread/resume`.
#[derive(Debug, Deserialize)]
pub(super) struct ThreadOpened {
    pub(super) thread: ThreadId,
    pub(super) model: Option<String>,
}

/// The id of a thread object.
#[derive(Debug, Deserialize)]
pub(super) struct ThreadId {
    pub(super) id: String,
}

/// `thread/started`, also sent for the threads of sub-agents.
#[derive(Debug, Deserialize)]
pub(super) struct ThreadStarted {
    pub(super) thread: NewThread,
}

/// A thread that has started.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewThread {
    pub(super) id: String,
    pub(super) parent_thread_id: Option<String>,
}

/// `turn/started`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TurnStarted {
    pub(super) thread_id: String,
    pub(super) turn: TurnId,
}

/// The id of a turn object.
#[derive(Debug, Deserialize)]
pub(super) struct TurnId {
    pub(super) id: String,
}

/// A delta of an item.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ItemDelta<'a> {
    #[serde(borrow)]
    pub(super) thread_id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) item_id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) delta: Cow<'a, str>,
}

/// `item/reasoning/summaryPartAdded`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PartAdded {
    pub(super) thread_id: String,
    pub(super) item_id: String,
    #[serde(default)]
    pub(super) summary_index: i64,
}

/// `item/mcpToolCall/progress`, from the schema.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Progress {
    pub(super) thread_id: String,
    pub(super) item_id: String,
    pub(super) message: String,
}

/// `item/fileChange/patchUpdated`, from the schema.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PatchUpdated {
    pub(super) item_id: String,
    pub(super) changes: Value,
}

/// `item/started` and `item/completed`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ItemNotification {
    pub(super) thread_id: String,
    pub(super) item: Item,
}

/// One item of a turn.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum Item {
    /// The client's own message.
    UserMessage {},
    /// A message of the model.
    AgentMessage { id: String, text: String },
    /// A proposed plan as text, in Codex's plan mode. From the schema.
    Plan { id: String, text: String },
    /// Reasoning of the model.
    Reasoning {
        id: String,
        #[serde(default)]
        summary: Vec<String>,
        #[serde(default)]
        content: Vec<String>,
    },
    /// A command.
    CommandExecution {
        id: String,
        command: String,
        cwd: Option<String>,
        status: Status,
        #[serde(default)]
        command_actions: Vec<CommandAction>,
        aggregated_output: Option<String>,
        exit_code: Option<i64>,
        duration_ms: Option<i64>,
    },
    /// A patch. `changes` remains JSON because exactly this is shown in the permission request.
    FileChange { id: String, changes: Value, status: Status },
    /// A tool of an MCP server. From the schema.
    McpToolCall {
        id: String,
        server: String,
        tool: String,
        #[serde(default)]
        arguments: Value,
        status: Status,
        result: Option<McpResult>,
        error: Option<McpError>,
        duration_ms: Option<i64>,
    },
    /// A tool that the client offers. From the schema; this client offers none.
    DynamicToolCall {
        id: String,
        tool: String,
        #[serde(default)]
        arguments: Value,
        status: Status,
        #[serde(default)]
        content_items: Option<Vec<Value>>,
        duration_ms: Option<i64>,
    },
    /// An operation on sub-agents. From the schema.
    CollabAgentToolCall {
        id: String,
        tool: String,
        prompt: Option<String>,
        #[serde(default)]
        receiver_thread_ids: Vec<String>,
        #[serde(default)]
        agents_states: Value,
        status: Status,
    },
    /// A web search, or a page that was opened. From the schema.
    WebSearch {
        id: String,
        #[serde(default)]
        query: String,
        #[serde(default)]
        action: Value,
        #[serde(default)]
        results: Value,
    },
    /// An image file is viewed. From the schema.
    ImageView { id: String, path: String },
    /// The conversation was compacted. From the schema.
    ContextCompaction {},
    /// An unknown item.
    #[serde(other)]
    Unknown,
}

/// The status of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Status {
    InProgress,
    Completed,
    Failed,
    Declined,
    #[serde(other)]
    Unknown,
}

/// Codex's classification of a command.
#[derive(Debug, Deserialize)]
pub(super) struct CommandAction {
    /// `read`, `listFiles`, `search` or `unknown`.
    #[serde(rename = "type", default)]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) command: String,
}

/// One file of a patch.
#[derive(Debug, Deserialize)]
pub(super) struct FileUpdate {
    pub(super) path: String,
    pub(super) kind: PatchKind,
    /// The plain content of a new or deleted file, or the hunks of a changed one without a header.
    #[serde(default)]
    pub(super) diff: String,
}

/// The change of a patch to a file.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(super) enum PatchKind {
    Add,
    Delete,
    Update {
        /// The new path, if the file is also moved. From the schema.
        move_path: Option<String>,
    },
}

/// The result of an MCP tool.
#[derive(Debug, Deserialize)]
pub(super) struct McpResult {
    #[serde(default)]
    pub(super) content: Vec<Value>,
}

/// The error of an MCP tool.
#[derive(Debug, Deserialize)]
pub(super) struct McpError {
    #[serde(default)]
    pub(super) message: String,
}

/// `turn/plan/updated`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PlanUpdated {
    pub(super) thread_id: String,
    pub(super) plan: Vec<PlanStep>,
}

/// One step of a plan.
#[derive(Debug, Deserialize)]
pub(super) struct PlanStep {
    pub(super) step: String,
    pub(super) status: PlanStepStatus,
}

/// The status of a step.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum PlanStepStatus {
    InProgress,
    Completed,
    #[serde(other)]
    Pending,
}

/// `thread/tokenUsage/updated`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UsageUpdated {
    pub(super) thread_id: String,
    pub(super) token_usage: ThreadUsage,
}

/// The usage of a thread.
#[derive(Debug, Deserialize)]
pub(super) struct ThreadUsage {
    /// Since the thread started, across processes.
    pub(super) total: Tokens,
    /// In the last request to the model.
    pub(super) last: Tokens,
}

/// Token counts, as spelled by the app-server and by exec mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Tokens {
    /// All input tokens, cached or not.
    #[serde(rename = "inputTokens", alias = "input_tokens")]
    pub(super) input: u64,
    #[serde(rename = "cachedInputTokens", alias = "cached_input_tokens")]
    pub(super) cached: u64,
    #[serde(rename = "cacheWriteInputTokens", alias = "cache_write_input_tokens")]
    pub(super) cache_write: u64,
    /// All output tokens, including reasoning.
    #[serde(rename = "outputTokens", alias = "output_tokens")]
    pub(super) output: u64,
    #[serde(rename = "reasoningOutputTokens", alias = "reasoning_output_tokens")]
    pub(super) reasoning: u64,
}

/// `error`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ErrorNotification {
    pub(super) error: TurnError,
    #[serde(default)]
    pub(super) will_retry: bool,
}

/// The error of a turn.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct TurnError {
    pub(super) message: String,
    /// An error code, or an object with the error code as its only key, which may contain an `httpStatusCode`.
    pub(super) codex_error_info: Value,
    pub(super) additional_details: Option<String>,
}

/// `turn/completed`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TurnCompleted {
    pub(super) thread_id: String,
    pub(super) turn: CompletedTurn,
}

/// A turn that has ended.
#[derive(Debug, Deserialize)]
pub(super) struct CompletedTurn {
    pub(super) status: TurnStatus,
    pub(super) error: Option<TurnError>,
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum TurnStatus {
    Completed,
    Interrupted,
    Failed,
    #[serde(other)]
    Unknown,
}

/// `configWarning`, `deprecationNotice`, `warning`, `guardianWarning`: the first two have a summary, the others a message.
#[derive(Debug, Deserialize)]
pub(super) struct Warning {
    #[serde(alias = "message")]
    pub(super) summary: String,
    pub(super) details: Option<String>,
}

/// `model/rerouted`, from the schema.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rerouted {
    pub(super) from_model: String,
    pub(super) to_model: String,
}

/// `mcpServer/startupStatus/updated`, from the schema.
#[derive(Debug, Deserialize)]
pub(super) struct McpStartup {
    pub(super) name: String,
    pub(super) status: String,
    pub(super) error: Option<String>,
}

/// `account/rateLimits/updated`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RateLimitsUpdated {
    pub(super) rate_limits: RateLimitSnapshot,
}

/// The account's rate limits, as far as the provider reports them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RateLimitSnapshot {
    pub(super) primary: Option<RateLimitWindow>,
    pub(super) secondary: Option<RateLimitWindow>,
    /// Set once a limit is reached. From the schema; `null` in every recording.
    pub(super) rate_limit_reached_type: Option<String>,
}

/// The time window of a limit. From the schema.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RateLimitWindow {
    #[serde(default)]
    pub(super) used_percent: i64,
    /// Seconds since 1970.
    pub(super) resets_at: Option<i64>,
}

/// `serverRequest/resolved`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RequestResolved {
    pub(super) request_id: Value,
}

/// The parameters that all approval requests share. The others are kept as JSON.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApprovalRequest {
    pub(super) thread_id: String,
    pub(super) item_id: Option<String>,
}

/// `item/tool/requestUserInput`, from the schema.
#[derive(Debug, Default, Deserialize)]
pub(super) struct UserInputRequest {
    pub(super) questions: Vec<UserInputQuestion>,
}

/// One question. From the schema.
#[derive(Debug, Deserialize)]
pub(super) struct UserInputQuestion {
    pub(super) id: String,
    pub(super) question: String,
    #[serde(default)]
    pub(super) header: Option<String>,
    #[serde(default)]
    pub(super) options: Option<Vec<UserInputOption>>,
}

/// One answer to choose from. From the schema.
#[derive(Debug, Deserialize)]
pub(super) struct UserInputOption {
    pub(super) label: String,
    #[serde(default)]
    pub(super) description: Option<String>,
}

impl From<UserInputOption> for QuestionOption {
    fn from(option: UserInputOption) -> Self {
        Self { name: option.label, description: option.description.filter(|text| !text.is_empty()), preview: None }
    }
}
