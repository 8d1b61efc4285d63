//! The JSON of `codex app-server`: JSON-RPC without the `jsonrpc` member, one object a line.
//!
//! The shapes are those of the recordings `appserver_*` in `tests/transcripts/codex`. Where a comment says "from the schema", no
//! recording has it, and the shape is that of `codex app-server generate-json-schema` of version 0.169.0. Fields that nobody
//! reads are not listed; a line that does not fit becomes a raw event.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// Text that is borrowed from its line where it has no escapes. (`Option<Cow<str>>` by itself would always copy.)
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// Any line: a request has a method and an id, a notification only a method, a response only an id.
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

/// Why a request of ours was refused.
#[derive(Debug, Deserialize)]
pub(super) struct RpcError {
    pub(super) code: i64,
    #[serde(default)]
    pub(super) message: String,
}

/// Answer to `initialize`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Initialized {
    /// `OUR_NAME/VERSION_OF_CODEX (…)`.
    #[serde(default)]
    pub(super) user_agent: String,
}

/// Answer to `thread/start` and `thread/resume`.
#[derive(Debug, Deserialize)]
pub(super) struct ThreadOpened {
    pub(super) thread: ThreadId,
    pub(super) model: Option<String>,
}

/// The id in a larger object.
#[derive(Debug, Deserialize)]
pub(super) struct ThreadId {
    pub(super) id: String,
}

/// `thread/started`: also sent for the threads of sub-agents.
#[derive(Debug, Deserialize)]
pub(super) struct ThreadStarted {
    pub(super) thread: NewThread,
}

/// A thread that has come to be.
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

/// The id in a larger object.
#[derive(Debug, Deserialize)]
pub(super) struct TurnId {
    pub(super) id: String,
}

/// A piece of something that is being written.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Piece<'a> {
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
pub(super) struct ItemNews {
    pub(super) thread_id: String,
    pub(super) item: Item,
}

/// One thing of a turn.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum Item {
    /// Our own prompt.
    UserMessage {},
    /// The model speaks.
    AgentMessage { id: String, text: String },
    /// A proposed plan, as text, in Codex's plan mode. From the schema.
    Plan { id: String, text: String },
    /// The model thinks.
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
    /// A patch. `changes` stays JSON, since exactly this is shown to whoever must allow it.
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
    /// A tool that the client offers. From the schema; we offer none.
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
    /// Something is done with sub-agents. From the schema.
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
    /// A search on the web, or a page of it. From the schema.
    WebSearch {
        id: String,
        #[serde(default)]
        query: String,
        #[serde(default)]
        action: Value,
        #[serde(default)]
        results: Value,
    },
    /// An image file is looked at. From the schema.
    ImageView { id: String, path: String },
    /// The conversation was shortened. From the schema.
    ContextCompaction {},
    /// An item that we do not know.
    #[serde(other)]
    Unknown,
}

/// How far an item is.
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

/// What Codex thinks that a command does.
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
    /// The bare content of a new or deleted file; hunks without a header of a changed one.
    #[serde(default)]
    pub(super) diff: String,
}

/// What a patch does to a file.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(super) enum PatchKind {
    Add,
    Delete,
    Update {
        /// Its new place, if it is moved too. From the schema.
        move_path: Option<String>,
    },
}

/// What an MCP tool gave back.
#[derive(Debug, Deserialize)]
pub(super) struct McpResult {
    #[serde(default)]
    pub(super) content: Vec<Value>,
}

/// Why an MCP tool gave nothing back.
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

/// How far a step is.
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

/// What a thread has used.
#[derive(Debug, Deserialize)]
pub(super) struct ThreadUsage {
    /// Since the thread began, in whichever process.
    pub(super) total: Tokens,
    /// In the last request to the model.
    pub(super) last: Tokens,
}

/// Counted tokens, as the app-server and as exec mode spells them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Tokens {
    /// All that was read, from a cache or not.
    #[serde(rename = "inputTokens", alias = "input_tokens")]
    pub(super) input: u64,
    #[serde(rename = "cachedInputTokens", alias = "cached_input_tokens")]
    pub(super) cached: u64,
    #[serde(rename = "cacheWriteInputTokens", alias = "cache_write_input_tokens")]
    pub(super) cache_write: u64,
    /// All that was written, thinking included.
    #[serde(rename = "outputTokens", alias = "output_tokens")]
    pub(super) output: u64,
    #[serde(rename = "reasoningOutputTokens", alias = "reasoning_output_tokens")]
    pub(super) reasoning: u64,
}

/// `error`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ErrorNews {
    pub(super) error: TurnError,
    #[serde(default)]
    pub(super) will_retry: bool,
}

/// What went wrong in a turn.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct TurnError {
    pub(super) message: String,
    /// A word, or an object of one word that may hold an `httpStatusCode`.
    pub(super) codex_error_info: Value,
    pub(super) additional_details: Option<String>,
}

/// `turn/completed`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TurnCompleted {
    pub(super) thread_id: String,
    pub(super) turn: Turn,
}

/// A turn that is over.
#[derive(Debug, Deserialize)]
pub(super) struct Turn {
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

/// `configWarning`, `deprecationNotice`, `warning`, `guardianWarning`: the former two have a summary, the latter a message.
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
pub(super) struct LimitsUpdated {
    pub(super) rate_limits: Limits,
}

/// The account's limits, as far as the provider told them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Limits {
    pub(super) primary: Option<Window>,
    pub(super) secondary: Option<Window>,
    /// Set once a limit is reached. From the schema; `null` in every recording.
    pub(super) rate_limit_reached_type: Option<String>,
}

/// One span of time over which use is counted. From the schema.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Window {
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

/// What the requests for approval have in common. The rest of a command's or permission's parameters is kept as it stands.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Asked {
    pub(super) thread_id: String,
    pub(super) item_id: Option<String>,
}

/// `item/tool/requestUserInput`, from the schema.
#[derive(Debug, Default, Deserialize)]
pub(super) struct UserInputWanted {
    pub(super) questions: Vec<WantedInput>,
}

/// One question. From the schema.
#[derive(Debug, Deserialize)]
pub(super) struct WantedInput {
    pub(super) id: String,
    pub(super) question: String,
    #[serde(default)]
    pub(super) options: Option<Vec<WantedOption>>,
}

/// One of the answers to choose from. From the schema.
#[derive(Debug, Deserialize)]
pub(super) struct WantedOption {
    pub(super) label: String,
}
