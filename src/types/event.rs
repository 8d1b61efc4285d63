//! The events of a run's log: what a follower sees, what is stored, listed and replayed. `docs/events.md` is their contract.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{Cause, PermissionMode, RunLimits, RunStatus, SessionId, Timestamp};

/// One thing that happened in a run.
///
/// An agent gives these without number or time; the log adds both. Field names are the wire's names. A field that is `None` is
/// absent on the wire. Fields may be added to a type, and types to the list, so readers skip what they do not know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum StreamEvent {
    /// The run waits for a free place.
    RunQueued {
        /// How many runs stand before it; 0 starts at once.
        position: u64,
    },
    /// The agent is up.
    RunStarted(RunStarted),
    /// A piece of the assistant's text.
    Token {
        /// The piece.
        #[serde(flatten)]
        content: Delta,
    },
    /// A piece of the assistant's thinking.
    Thinking {
        /// The piece.
        #[serde(flatten)]
        content: Delta,
    },
    /// A finished message; its tokens came before it.
    Message {
        /// Who speaks.
        role: Role,
        /// The whole text.
        content: String,
        /// The same id as on the tokens that it repeats.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message_id: Option<String>,
        /// The tool call whose sub-agent speaks.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent_tool_call_id: Option<String>,
    },
    /// A further message from the user to a live run.
    UserMessage {
        /// Its text.
        content: String,
        /// How it is delivered.
        mode: MessageMode,
    },
    /// The agent calls a tool. The input is complete.
    ToolCall(ToolCall),
    /// A piece of a running tool's output.
    ToolOutput {
        /// Id of the tool call.
        id: String,
        /// The piece.
        content: String,
    },
    /// A tool call is over.
    ToolResult {
        /// Id of the tool call.
        id: String,
        /// How it went.
        status: ToolStatus,
        /// What the tool gave back, as text.
        content: String,
        /// From the `tool_call` event to this one, in milliseconds; filled in by the driver where the agent does not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        duration_ms: Option<u64>,
    },
    /// The agent changed a file.
    FileChange {
        /// The file, as the agent names it (mostly absolute).
        path: String,
        /// What was done to it.
        kind: FileChangeKind,
        /// Unified diff, where the agent tells one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        diff: Option<String>,
    },
    /// The agent's whole plan as it now stands.
    Plan {
        /// Its steps in order.
        entries: Vec<PlanEntry>,
    },
    /// The agent asks whether it may do something.
    PermissionRequest {
        /// Id of this request, for the answer.
        id: String,
        /// The tool call that waits for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tool_call_id: Option<String>,
        /// The agent's name of the tool.
        tool: String,
        /// What sort of tool it is.
        kind: ToolKind,
        /// Exactly what will run if it is allowed.
        input: Value,
        /// The answers that the agent takes.
        options: Vec<Decision>,
        /// When the request is denied if nobody answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<Timestamp>,
    },
    /// A permission request was answered.
    PermissionResolved {
        /// Id of the request.
        id: String,
        /// The answer.
        decision: Decision,
        /// Who gave it.
        by: DecidedBy,
        /// Why, for a person.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The agent asks its user something.
    Question {
        /// Id of this request, for the answer.
        id: String,
        /// What it asks.
        questions: Vec<Question>,
    },
    /// A question was answered.
    QuestionResolved {
        /// Id of the request.
        id: String,
        /// One list of answers for each question.
        answers: Vec<Vec<String>>,
        /// Who gave them.
        by: DecidedBy,
    },
    /// What the run has used so far: totals, so the last one counts.
    Usage(Usage),
    /// Something a reader may want to know, which is not the end.
    Notice {
        /// How serious it is.
        level: Level,
        /// Which notice it is.
        code: NoticeCode,
        /// The same for a person.
        message: String,
        /// Details, by code.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data: Option<Value>,
    },
    /// The agent's standard error, as text.
    Log {
        /// Where it came from.
        stream: LogStream,
        /// One line, or several.
        content: String,
    },
    /// A line that the adapter does not know. Never dropped, never fatal.
    Raw {
        /// The line without its newline; bytes that are not UTF-8 are replaced.
        line: String,
    },
    /// An error reported by the agent that does not end the run.
    AgentError {
        /// A short word for programs.
        code: String,
        /// The agent's words.
        message: String,
        /// Whether the agent tries again by itself.
        retryable: bool,
    },
    /// The run is over. Always the last event, always exactly one.
    Done(RunDone),
}

impl StreamEvent {
    /// The event's name: the `type` of its JSON and the `event` of its SSE frame.
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
            Self::Plan { .. } => "plan",
            Self::PermissionRequest { .. } => "permission_request",
            Self::PermissionResolved { .. } => "permission_resolved",
            Self::Question { .. } => "question",
            Self::QuestionResolved { .. } => "question_resolved",
            Self::Usage(_) => "usage",
            Self::Notice { .. } => "notice",
            Self::Log { .. } => "log",
            Self::Raw { .. } => "raw",
            Self::AgentError { .. } => "agent_error",
            Self::Done(_) => "done",
        }
    }

    /// A notice without details.
    pub fn notice(level: Level, code: NoticeCode, message: impl Into<String>) -> Self {
        Self::Notice { level, code, message: message.into(), data: None }
    }
}

/// A piece of text as it is being written, and whose it is. Made from plain text by `.into()`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Delta {
    /// The piece.
    #[serde(rename = "content")]
    pub text: String,
    /// Which message it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// The tool call whose sub-agent speaks.
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

/// What is known of the agent once it is up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunStarted {
    /// The registered name of the agent.
    pub agent_type: String,
    /// The version that the program names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_version: Option<String>,
    /// The model it works with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The session that the run belongs to.
    pub session_id: SessionId,
    /// Where it works.
    #[schema(value_type = String)]
    pub working_dir: PathBuf,
    /// Who decides on permissions.
    pub permission_mode: PermissionMode,
    /// What its processes are held to, if anything holds them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<RunLimits>,
}

/// How a further message reaches a live run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MessageMode {
    /// As the next turn, when the present one is over.
    #[default]
    Queue,
    /// Into the present turn, where the agent can take it; else the turn is interrupted, and this is the next.
    Steer,
    /// The present turn is interrupted, and this is the next.
    Interrupt,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The agent's model.
    Assistant,
    /// The user, or the agent program in the user's place.
    User,
    /// The agent program.
    System,
}

/// One call of a tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ToolCall {
    /// Id of the call; results and permissions name it.
    pub id: String,
    /// The agent's name for the tool.
    pub tool: String,
    /// What sort of tool it is.
    pub kind: ToolKind,
    /// One line for a person.
    pub title: String,
    /// What the tool is given.
    pub input: Value,
    /// The tool call whose sub-agent makes this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_tool_call_id: Option<String>,
}

/// What sort of thing a tool does: the same list as ACP's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ToolKind {
    /// Reads files.
    Read,
    /// Writes or changes files.
    Edit,
    /// Deletes files.
    Delete,
    /// Moves files.
    Move,
    /// Searches.
    Search,
    /// Runs a command.
    Execute,
    /// Thinks or plans.
    Think,
    /// Gets something from the network.
    Fetch,
    /// Anything else.
    #[serde(other)]
    Other,
}

/// How a tool call went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ToolStatus {
    /// It worked.
    Ok,
    /// It did not.
    Error,
    /// It was not allowed.
    Denied,
}

/// What was done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileChangeKind {
    /// It is new.
    Create,
    /// Its content changed.
    Update,
    /// It is gone.
    Delete,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlanEntry {
    /// What is to be done.
    pub content: String,
    /// How far it is.
    pub status: PlanStatus,
}

/// How far a step of a plan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlanStatus {
    /// Not begun.
    Pending,
    /// Being worked on.
    InProgress,
    /// Done.
    Completed,
}

/// An answer to a permission request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// This once.
    AllowOnce,
    /// From now on, in this session.
    AllowAlways,
    /// No.
    Deny,
}

impl Decision {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AllowOnce => "allow_once",
            Self::AllowAlways => "allow_always",
            Self::Deny => "deny",
        }
    }
}

/// An answer to something that an agent asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To a permission request.
    Permission {
        /// What was decided.
        decision: Decision,
        /// What the agent is told with a denial, in the decider's own words.
        message: Option<String>,
    },
    /// To a question: for each of its questions the chosen or written answers. Empty lists where nobody has answered.
    Question {
        /// The answers.
        answers: Vec<Vec<String>>,
    },
}

/// Who gave an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecidedBy {
    /// The run's permission mode, or a rule.
    Policy,
    /// A person or a program, over the API.
    User,
    /// Nobody in time.
    Timeout,
}

/// One question to the user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Question {
    /// The question.
    pub text: String,
    /// Answers to choose from; empty for free text.
    pub options: Vec<String>,
    /// Whether more than one may be chosen.
    pub multiple: bool,
}

/// What the model has used, in tokens and money.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    /// Tokens read by the model that no cache held.
    pub input_tokens: u64,
    /// Tokens written by the model, thinking included.
    pub output_tokens: u64,
    /// Tokens read from the provider's cache.
    pub cache_read_tokens: u64,
    /// Tokens written to the provider's cache.
    pub cache_write_tokens: u64,
    /// Those of `output_tokens` that were thinking, where the agent tells them apart.
    pub reasoning_tokens: u64,
    /// US dollars, where the agent or we know a price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// Whether the cost is computed from list prices, not billed.
    pub cost_is_estimate: bool,
}

/// How serious a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Good to know.
    Info,
    /// Worth a look.
    Warning,
    /// Something was lost or is wrong.
    Error,
}

/// Which notice it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoticeCode {
    /// The agent tries its model again. `data`: `attempt`, `max_attempts`, `delay_ms`, `status` as far as known.
    Retrying,
    /// The provider's rate or usage limit. `data`: `resets_at` where known.
    RateLimited,
    /// A line or a field was longer than its bound and was cut. `data`: `kept`, `size` in bytes.
    Truncated,
    /// Bytes that are not UTF-8 were replaced.
    InvalidUtf8,
    /// The program exited, but something of it still held its output open and was killed.
    LeakedPipe,
    /// The program did not exit by itself after its result and was stopped.
    ExitGraceExpired,
    /// Some processes of the run could not be ended.
    LeftBehind,
    /// A session was continued. `data`: `agent_session`.
    Resumed,
    /// Messages that waited for the next turn were not given to the agent, since there is none. `data`: `messages`.
    Undelivered,
    /// A guarantee that this run relies on is weaker than it looks. See the message.
    WeakGuarantee,
    /// A part of the log is not there any more, or never was. `data`: `after`, `next`.
    Gap,
    /// The agent warns of something in its own words.
    AgentWarning,
    /// A notice of a later release.
    #[serde(other)]
    Other,
}

/// Which of a program's streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogStream {
    /// Standard error.
    Stderr,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunDone {
    /// One of the ended ones.
    pub status: RunStatus,
    /// Why.
    pub cause: Cause,
    /// What went wrong, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The program's exit code, if it exited by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The signal that the program died of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// The kernel killed something of the run for want of memory.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub out_of_memory: bool,
    /// The agent's final text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// Totals of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// From the run's creation to its end, in milliseconds.
    pub duration_ms: u64,
    /// The end of the agent's standard error, when the run did not go well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr_tail: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_from_plain_text_and_stays_flat_on_the_wire() {
        let token = StreamEvent::Token { content: "Hello".into() };
        assert_eq!(serde_json::to_string(&token).unwrap(), r#"{"type":"token","content":"Hello"}"#);
        let back: StreamEvent = serde_json::from_str(r#"{"type":"token","content":"Hello"}"#).unwrap();
        assert_eq!(back, token);
    }

    #[test]
    fn the_name_of_an_event_is_the_type_on_its_wire() {
        for event in [
            StreamEvent::RunQueued { position: 0 },
            StreamEvent::Thinking { content: "hm".into() },
            StreamEvent::Usage(Usage::default()),
            StreamEvent::notice(Level::Info, NoticeCode::InvalidUtf8, "replaced"),
            StreamEvent::Raw { line: "?".into() },
        ] {
            assert_eq!(serde_json::to_value(&event).unwrap()["type"], event.name());
        }
    }
}
