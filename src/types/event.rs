//! The events of a run's log, as stored and as sent to followers. `docs/events.md` is the contract.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    AttachmentInfo, Cause, PermissionMode, ProjectConfig, Question, RunIsolation, RunLimits, RunStatus, SessionId, SessionUpdate, TaskKind,
    TaskStatus, Timestamp, ToolKind, string_enum,
};

/// An event of a run.
///
/// The log adds a sequence number and a timestamp. Fields without a value are absent. Later releases may add fields and event types, so
/// readers must ignore unknown ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum StreamEvent {
    /// The run was created and waits for a slot.
    RunQueued {
        /// Number of runs ahead in the queue; 0 if the run starts immediately.
        position: u64,
    },
    /// The agent is ready.
    RunStarted(RunStarted),
    /// A delta of the assistant's text.
    Token {
        /// The delta.
        #[serde(flatten)]
        content: Delta,
    },
    /// A delta of the assistant's thinking.
    Thinking {
        /// The delta.
        #[serde(flatten)]
        content: Delta,
    },
    /// A complete message. Its `token` events precede it.
    Message {
        /// Author of the message.
        role: Role,
        /// Complete text of the message.
        content: String,
        /// ID of the message; the same as in its `token` events.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message_id: Option<String>,
        /// ID of the tool call whose sub-agent wrote the message.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent_tool_call_id: Option<String>,
    },
    /// A further message from the user to a live run.
    UserMessage {
        /// Text of the message.
        content: String,
        /// How the message is delivered.
        mode: MessageMode,
        /// Its images and files.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[schema(required = false)]
        attachments: Vec<AttachmentInfo>,
    },
    /// The agent called a tool. The input is complete.
    ToolCall(ToolCall),
    /// A delta of a running tool's output.
    ToolOutput {
        /// ID of the tool call.
        id: String,
        /// The delta.
        content: String,
    },
    /// A tool call ended.
    ToolResult {
        /// ID of the tool call.
        id: String,
        /// Status of the tool call.
        status: ToolStatus,
        /// Output of the tool, as text.
        content: String,
        /// Duration in milliseconds, as reported by the agent or measured from the `tool_call` event.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        duration_ms: Option<u64>,
    },
    /// The agent changed a file.
    FileChange {
        /// Path of the file, as the agent reports it (usually absolute).
        path: String,
        /// Kind of change.
        kind: FileChangeKind,
        /// Unified diff, if the agent reports one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        diff: Option<String>,
    },
    /// What the run has changed in its working directory so far, in total. Written after a turn and at the end of the run, if it differs from
    /// the one before. `GET /api/runs/{id}/changes` lists the files.
    Changes {
        /// Number of files that were added, changed, renamed or deleted.
        files: u64,
        /// Lines added to text files.
        insertions: u64,
        /// Lines removed from text files.
        deletions: u64,
        /// ID of the snapshot of the directory. Equal contents have equal IDs.
        snapshot: String,
    },
    /// The agent's complete current plan.
    Plan {
        /// Steps of the plan, in order.
        entries: Vec<PlanEntry>,
    },
    /// A task started in the background: a sub-agent or a command that the agent does not wait for.
    TaskStarted {
        /// ID of the task.
        id: String,
        /// Kind of task.
        kind: TaskKind,
        /// Human-readable summary in one line.
        title: String,
        /// ID of the tool call that started the task.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tool_call_id: Option<String>,
    },
    /// A task in the background made progress.
    TaskUpdated {
        /// ID of the task.
        id: String,
        /// Current activity of the task.
        message: String,
    },
    /// A task in the background ended.
    TaskEnded {
        /// ID of the task.
        id: String,
        /// How the task ended.
        status: TaskStatus,
        /// Outcome of the task, as the agent reports it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// The agent reported new facts about its conversation: title, session mode, model, slash commands or context size.
    SessionUpdated(SessionUpdate),
    /// The agent requests permission to use a tool.
    PermissionRequest {
        /// ID of the request, used to answer it.
        id: String,
        /// ID of the tool call that needs permission.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tool_call_id: Option<String>,
        /// Name of the tool, as the agent reports it.
        tool: String,
        /// Kind of tool.
        kind: ToolKind,
        /// Complete input of the tool call, as it will run if allowed.
        input: Value,
        /// Decisions that the agent accepts.
        options: Vec<Decision>,
        /// The agent's own options, if it names them. An answer may choose one of them by its `id`. Several with the same `decision` are
        /// different ways to continue; such a decision is not in `options`, because it would be ambiguous.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        choices: Vec<PermissionChoice>,
        /// When the request is denied if it is not answered. Absent if a rule or the permission mode decides.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<Timestamp>,
    },
    /// A permission request was answered.
    PermissionResolved {
        /// ID of the request.
        id: String,
        /// The decision.
        decision: Decision,
        /// ID of the chosen option, if one of `choices` was chosen.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        option_id: Option<String>,
        /// Who decided.
        by: DecidedBy,
        /// Human-readable reason.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The agent asks the user one or more questions.
    Question {
        /// ID of the request, used to answer it.
        id: String,
        /// The questions.
        questions: Vec<Question>,
    },
    /// Questions were answered.
    QuestionResolved {
        /// ID of the request.
        id: String,
        /// One list of answers for each question.
        answers: Vec<Vec<String>>,
        /// Who answered.
        by: DecidedBy,
    },
    /// Total usage of the run so far. Each event replaces the previous one.
    Usage(Usage),
    /// A notice that does not end the run.
    Notice {
        /// Severity.
        level: Level,
        /// Code of the notice.
        code: NoticeCode,
        /// Human-readable description.
        message: String,
        /// Details, depending on the code.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data: Option<Value>,
    },
    /// Diagnostic output of the agent.
    Log {
        /// Stream that the output came from.
        stream: LogStream,
        /// One or more lines.
        content: String,
    },
    /// Output that the adapter does not recognize: a line, or the part of a line around messages that it does recognize.
    Raw {
        /// The text without its newline. Invalid UTF-8 is replaced.
        line: String,
    },
    /// The agent used the network, at isolation level `sandbox`. Reported when a connection ends; repeated connections to the same host are
    /// reported together.
    Network(NetworkUse),
    /// An error reported by the agent that does not end the run.
    AgentError {
        /// Machine-readable code, as reported by the agent.
        code: String,
        /// Message, as reported by the agent.
        message: String,
        /// Whether the agent retries by itself.
        retryable: bool,
    },
    /// The run ended. Exactly one per run, always the last event.
    Done(RunDone),
}

impl StreamEvent {
    /// The name of the event's type: `type` in JSON and `event` in SSE frames.
    pub fn name(&self) -> &'static str {
        match self {
            Self::RunQueued { .. } => "run_queued",
            Self::RunStarted(_) => "run_started",
            Self::Token { .. } => "token",
            Self::Thinking { .. } => "thinking",
            Self::Message { .. } => "message",
            Self::UserMessage { .. } => "user_message",
            Self::ToolCall(_) => "tool_call",
            Self::ToolOutput { .. } => "tool_output",
            Self::ToolResult { .. } => "tool_result",
            Self::FileChange { .. } => "file_change",
            Self::Changes { .. } => "changes",
            Self::Plan { .. } => "plan",
            Self::TaskStarted { .. } => "task_started",
            Self::TaskUpdated { .. } => "task_updated",
            Self::TaskEnded { .. } => "task_ended",
            Self::SessionUpdated(_) => "session_updated",
            Self::PermissionRequest { .. } => "permission_request",
            Self::PermissionResolved { .. } => "permission_resolved",
            Self::Question { .. } => "question",
            Self::QuestionResolved { .. } => "question_resolved",
            Self::Usage(_) => "usage",
            Self::Notice { .. } => "notice",
            Self::Log { .. } => "log",
            Self::Raw { .. } => "raw",
            Self::Network(_) => "network",
            Self::AgentError { .. } => "agent_error",
            Self::Done(_) => "done",
        }
    }

    /// The id of a permission request or question. `None` for every other event.
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::PermissionRequest { id, .. } | Self::Question { id, .. } => Some(id),
            _ => None,
        }
    }

    /// When the provider's limit resets, if this is a notice that it applies and until when.
    pub fn limit_reset(&self) -> Option<Timestamp> {
        match self {
            Self::Notice { level: Level::Warning | Level::Error, code: NoticeCode::RateLimited, data: Some(data), .. } => {
                Timestamp::parse(data.get("resets_at")?.as_str()?)
            }
            _ => None,
        }
    }

    /// A notice without `data`.
    pub fn notice(level: Level, code: NoticeCode, message: impl Into<String>) -> Self {
        Self::Notice { level, code, message: message.into(), data: None }
    }
}

/// A delta of a text while it is being written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Delta {
    /// Text of the delta.
    #[serde(rename = "content")]
    pub text: String,
    /// ID of the message that the delta belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// ID of the tool call whose sub-agent writes the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_tool_call_id: Option<String>,
}

impl From<String> for Delta {
    fn from(text: String) -> Self {
        Self { text, ..Self::default() }
    }
}

impl From<&str> for Delta {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

/// Facts about the agent, known when it is ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunStarted {
    /// Registered name of the agent.
    pub agent_type: String,
    /// Version that the agent program reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_version: Option<String>,
    /// Model that the agent uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Session that the run belongs to.
    pub session_id: SessionId,
    /// Working directory.
    #[schema(value_type = String)]
    pub working_dir: PathBuf,
    /// How permission requests are decided.
    pub permission_mode: PermissionMode,
    /// Resource limits of the agent's processes, if any are enforced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<RunLimits>,
    /// Isolation of the agent's processes. Absent for an agent that is part of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<RunIsolation>,
    /// Whether the agent's configuration in the working directory has an effect. Absent for an agent that is part of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_config: Option<ProjectConfig>,
}

/// How a further message is delivered to a live run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MessageMode {
    /// As the next turn, when the current one ends.
    #[default]
    Queue,
    /// Into the current turn if the agent supports it; otherwise like `interrupt`.
    Steer,
    /// Interrupts the current turn and is delivered as the next one.
    Interrupt,
}

/// Author of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The agent's model.
    Assistant,
    /// The user, or the agent program on the user's behalf.
    User,
    /// The agent program.
    System,
}

/// A tool call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ToolCall {
    /// ID of the call, referenced by results and permission requests.
    pub id: String,
    /// Name of the tool, as the agent reports it.
    pub tool: String,
    /// Kind of tool.
    pub kind: ToolKind,
    /// Human-readable summary in one line.
    pub title: String,
    /// Input of the tool.
    pub input: Value,
    /// ID of the tool call whose sub-agent makes this call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_tool_call_id: Option<String>,
}

string_enum! {
    /// Status of an ended tool call.
    #[derive(ToSchema)]
    pub enum ToolStatus {
        /// The call succeeded.
        Ok = "ok",
        /// The call failed.
        Error = "error",
        /// The call was denied.
        Denied = "denied",
    }
}

/// Kind of change to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileChangeKind {
    /// The file was created.
    Create,
    /// The content changed.
    Update,
    /// The file was deleted.
    Delete,
}

/// A step of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlanEntry {
    /// Description of the step.
    pub content: String,
    /// Progress of the step.
    pub status: PlanStatus,
}

/// Progress of a step of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlanStatus {
    /// Not started.
    Pending,
    /// In progress.
    InProgress,
    /// Completed.
    Completed,
}

string_enum! {
    /// Decision on a permission request.
    #[derive(ToSchema)]
    pub enum Decision {
        /// Allow this request.
        AllowOnce = "allow_once",
        /// Allow this request, and do not ask again. The agent decides what this covers and for how long.
        AllowAlways = "allow_always",
        /// Deny this request.
        Deny = "deny",
    }
}

/// An option of a permission request, as the agent offers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PermissionChoice {
    /// ID of the option, used to choose it.
    pub id: String,
    /// Name of the option, for people.
    pub name: String,
    /// Decision that the option stands for.
    pub decision: Decision,
}

/// An answer to an agent's request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Answer to a permission request.
    Permission {
        /// The decision.
        decision: Decision,
        /// Message to the agent with a denial.
        message: Option<String>,
        /// The chosen option, if the answer names one of the request's choices. The decision is then that of the option.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        option_id: Option<String>,
    },
    /// Answer to a question request.
    Question {
        /// For each question, the chosen or written answers; empty without an answer.
        answers: Vec<Vec<String>>,
    },
}

/// Who answered a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecidedBy {
    /// A rule or the permission mode; also if the agent withdrew the request or the run ended.
    Policy,
    /// A client of the API.
    User,
    /// Not answered before the request expired.
    Timeout,
}

/// Usage of the model, in tokens and US dollars.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    /// Uncached input tokens.
    pub input_tokens: u64,
    /// Output tokens, including thinking.
    pub output_tokens: u64,
    /// Tokens read from the provider's cache.
    pub cache_read_tokens: u64,
    /// Tokens written to the provider's cache.
    pub cache_write_tokens: u64,
    /// Part of `output_tokens` used for thinking, if the agent reports it.
    pub reasoning_tokens: u64,
    /// Cost in US dollars, if the agent reports it or the price is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// Whether the cost is computed from list prices rather than billed.
    pub cost_is_estimate: bool,
    /// Number of model calls, including those of sub-agents, if the agent reports them one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_calls: Option<u64>,
    /// Whether the tokens are those of a part of the model calls only, because the agent reports no others. Absent if not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub tokens_are_partial: bool,
}

impl Usage {
    /// Adds the usage of other work. What only one of them knows is taken from that.
    pub fn add(&mut self, other: &Self) {
        let sum = |one: &mut u64, other: u64| *one = one.saturating_add(other);
        sum(&mut self.input_tokens, other.input_tokens);
        sum(&mut self.output_tokens, other.output_tokens);
        sum(&mut self.cache_read_tokens, other.cache_read_tokens);
        sum(&mut self.cache_write_tokens, other.cache_write_tokens);
        sum(&mut self.reasoning_tokens, other.reasoning_tokens);
        self.cost_usd = match (self.cost_usd, other.cost_usd) {
            (Some(one), Some(other)) => Some(one + other),
            (one, other) => one.or(other),
        };
        self.cost_is_estimate |= other.cost_is_estimate;
        self.tokens_are_partial |= other.tokens_are_partial;
        self.model_calls = match (self.model_calls, other.model_calls) {
            (Some(one), Some(other)) => Some(one.saturating_add(other)),
            (one, other) => one.or(other),
        };
    }
}

/// Severity of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Informational.
    Info,
    /// Possible problem.
    Warning,
    /// Something was lost or is broken.
    Error,
}

/// Code of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoticeCode {
    /// The agent retries a model call. `data`: `attempt`, `max_attempts`, `delay_ms`, `status`, as far as known.
    Retrying,
    /// The provider's rate or usage limit applies. `data`: `resets_at`, if known.
    RateLimited,
    /// A line or field exceeded its maximum size and was truncated. `data`: `kept`, `size`, in bytes.
    Truncated,
    /// Invalid UTF-8 was replaced.
    InvalidUtf8,
    /// The agent exited, but other processes kept its output open and were killed.
    LeakedPipe,
    /// The agent did not exit within the grace period after its result and was stopped.
    ExitGraceExpired,
    /// Some processes of the run could not be killed.
    LeftBehind,
    /// The agent continues an earlier conversation, also after a wait for a limit to reset. `data`: `agent_session`.
    Resumed,
    /// Queued messages were not delivered because the run ended first. `data`: `messages`.
    Undelivered,
    /// A protection that this run relies on is weaker than it appears; see the message.
    WeakGuarantee,
    /// Part of the log is missing or was trimmed. `data`: `after`, `next`.
    Gap,
    /// The agent works in another conversation from here on. `data`: `agent_session`.
    SessionChanged,
    /// The session continues in another working directory from here on. `data`: `from`, `to`.
    SessionMoved,
    /// The agent's answer does not match `output_schema`, and it is asked to correct it, once per run. `data`: `problem`.
    BadOutput,
    /// The agent reached a limit of the server, once per limit and run. `data`: `limit`, `max`.
    LimitReached,
    /// The run waits for the provider's limit to reset. `data`: `resets_at`, `resumes_at`, and `messages` that are delivered then.
    WaitingForReset,
    /// The run exceeded spend limits and is stopped. `data`: `limits`, each with `limit`, `max` and `used`.
    SpendLimit,
    /// The reader of the stream lost access, and the stream ends. Not part of the log. `data`: `reason` (`expired`, `revoked`, `forbidden`).
    AccessEnded,
    /// A warning from the agent.
    AgentWarning,
    /// Changes of the working directory are not recorded, all or those of some files. `data`: `skipped`, some of the files, and `total`, their
    /// number.
    ChangesIncomplete,
    /// A notice of a later release, unknown to this one.
    #[serde(other)]
    Other,
}

/// Connections of an agent to one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NetworkUse {
    /// Host name or address, without brackets; `*` for a request that names none, and for hosts beyond the number that is listed per run.
    pub host: String,
    /// Port; 0 if `host` is `*`.
    pub port: u16,
    /// Whether the connections were allowed.
    pub allowed: bool,
    /// Number of connections. For requests that the server forwards itself, such as those to the model with a key of the operator, number of
    /// requests.
    pub connections: u64,
    /// Bytes from the agent to the host.
    pub bytes_sent: u64,
    /// Bytes from the host to the agent.
    pub bytes_received: u64,
    /// Why the connections were refused or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<NetworkReason>,
}

string_enum! {
    /// Why a connection was refused or failed.
    #[derive(ToSchema)]
    pub enum NetworkReason {
        /// The host and port are not in the list of the run.
        NotAllowed = "not_allowed",
        /// The name leads to an address of this machine or of a private network.
        PrivateAddress = "private_address",
        /// The request cannot be understood, or contradicts itself.
        BadRequest = "bad_request",
        /// The run has used more hosts than can be listed.
        TooManyHosts = "too_many_hosts",
        /// The name cannot be resolved.
        Unresolved = "unresolved",
        /// The host cannot be reached, or the connection failed.
        Unreachable = "unreachable",
    }
}

/// An output stream of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogStream {
    /// Standard error.
    Stderr,
}

/// Outcome of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunDone {
    /// Final status.
    pub status: RunStatus,
    /// Cause of the end.
    pub cause: Cause,
    /// Human-readable description of the failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Exit code of the agent program, if it exited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Number of the signal that killed the agent program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Whether the kernel killed a process of the run because it ran out of memory.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub out_of_memory: bool,
    /// Final text of the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// The agent's answer as a value that matches `output_schema`, if the run has one and succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Total usage of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Time from creation to end, in milliseconds.
    pub duration_ms: u64,
    /// Last part of the agent's standard error, if the run failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr_tail: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_serializes_flat_and_round_trips() {
        let token = StreamEvent::Token { content: "Hello".into() };
        assert_eq!(serde_json::to_string(&token).unwrap(), r#"{"type":"token","content":"Hello"}"#);
        let back: StreamEvent = serde_json::from_str(r#"{"type":"token","content":"Hello"}"#).unwrap();
        assert_eq!(back, token);
    }

    #[test]
    fn the_name_of_an_event_is_its_type_in_json() {
        for event in [
            StreamEvent::RunQueued { position: 0 },
            StreamEvent::Thinking { content: "hm".into() },
            StreamEvent::Usage(Usage::default()),
            StreamEvent::TaskStarted { id: "t".into(), kind: TaskKind::Agent, title: "x".into(), tool_call_id: None },
            StreamEvent::TaskUpdated { id: "t".into(), message: "x".into() },
            StreamEvent::TaskEnded { id: "t".into(), status: TaskStatus::Stopped, message: None },
            StreamEvent::SessionUpdated(SessionUpdate { title: Some("x".into()), ..SessionUpdate::default() }),
            StreamEvent::notice(Level::Info, NoticeCode::InvalidUtf8, "replaced"),
            StreamEvent::Raw { line: "?".into() },
        ] {
            assert_eq!(serde_json::to_value(&event).unwrap()["type"], event.name());
        }
    }
}
