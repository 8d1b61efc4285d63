//! Arguments of the tools. Their JSON Schemas, which clients show to models, are derived from these types.

use rmcp::schemars::{self, JsonSchema};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// How a run is to be started.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StartArguments {
    /// What the agent is to do, with everything it has to know: it does not see this conversation.
    prompt: String,
    /// The agent, as `list_agents` names it. Default: the agent of the session, else `claude_code`.
    agent_type: Option<String>,
    /// The working directory, an absolute path. Default: that of the session, else a new empty directory.
    working_dir: Option<String>,
    /// The session to continue. The agent remembers its earlier runs.
    session_id: Option<String>,
    /// The model, as the agent spells it.
    model: Option<String>,
    /// The profile to start with.
    profile: Option<String>,
    /// What the agent may do: `auto` (everything), `ask` (each action is asked for, see `answer_request`) or `read_only`.
    permission_mode: Option<PermissionMode>,
    /// Limit for the run in seconds. Default: 300.
    timeout_secs: Option<u64>,
    /// Labels for finding the run again.
    labels: Option<Map<String, Value>>,
}

/// What the agent may do.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum PermissionMode {
    Auto,
    Ask,
    ReadOnly,
}

impl PermissionMode {
    const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Ask => "ask",
            Self::ReadOnly => "read_only",
        }
    }
}

impl StartArguments {
    /// The body of `POST /api/runs`.
    pub(super) fn into_body(self) -> Value {
        let fields = [
            ("agent_type", self.agent_type.map(Value::from)),
            ("working_dir", self.working_dir.map(Value::from)),
            ("session_id", self.session_id.map(Value::from)),
            ("model", self.model.map(Value::from)),
            ("profile", self.profile.map(Value::from)),
            ("permission_mode", self.permission_mode.map(|mode| Value::from(mode.name()))),
            ("timeout_secs", self.timeout_secs.map(Value::from)),
            ("labels", self.labels.map(Value::from)),
        ];
        let metadata: Map<String, Value> = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        json!({ "input": { "text": self.prompt }, "metadata": metadata })
    }
}

/// A run to work with.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RunArguments {
    /// The run.
    pub(super) run_id: String,
}

/// A run to wait for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WaitArguments {
    /// The run.
    pub(super) run_id: String,
    /// For how long to wait at most, in seconds, up to 600. Default: 50.
    pub(super) wait_secs: Option<u64>,
}

/// Which events to read.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsArguments {
    /// The run.
    pub(super) run_id: String,
    /// Only events after this number. Default: 0, from the first one.
    pub(super) after: Option<u64>,
    /// Maximum number of events, up to 500. Default: 100.
    pub(super) limit: Option<usize>,
}

/// A message to a live run.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MessageArguments {
    /// The run.
    pub(super) run_id: String,
    /// The message.
    pub(super) text: String,
    /// `queue` (default): after the current turn. `steer`: into it, if the agent can. `interrupt`: instead of it.
    pub(super) mode: Option<MessageMode>,
}

/// When a message is delivered.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum MessageMode {
    Queue,
    Steer,
    Interrupt,
}

impl MessageMode {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Steer => "steer",
            Self::Interrupt => "interrupt",
        }
    }
}

/// The answer to a permission request or a question.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AnswerArguments {
    /// The run.
    pub(super) run_id: String,
    /// The request, as `list_requests` names it.
    pub(super) request_id: String,
    /// For a permission request: one of its `options`, such as `allow_once` or `deny`.
    pub(super) decision: Option<String>,
    /// For a permission request, instead of `decision`: the `id` of one of its `choices`.
    pub(super) option_id: Option<String>,
    /// With `decision`: a message to the agent, such as what it is to do instead.
    pub(super) message: Option<String>,
    /// For a question: one answer for each of its `questions`, in their order.
    pub(super) answers: Option<Vec<String>>,
}

impl AnswerArguments {
    /// The body of `POST /api/runs/{id}/requests/{request}`.
    pub(super) fn to_body(&self) -> Value {
        let fields = [
            ("decision", self.decision.clone().map(Value::from)),
            ("option_id", self.option_id.clone().map(Value::from)),
            ("message", self.message.clone().map(Value::from)),
            ("answers", self.answers.clone().map(Value::from)),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect::<Map<_, _>>().into()
    }
}

/// Which changes to read.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangesArguments {
    /// The run.
    pub(super) run_id: String,
    /// Only the changes of this turn, counted from 1.
    pub(super) turn: Option<u64>,
    /// Also return the changes as a patch. Default: only the list of files.
    #[serde(default)]
    pub(super) patch: bool,
}

/// Which runs to list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListRunsArguments {
    /// Only runs with this status; several are separated by commas. `queued,starting,running,waiting` are the live ones.
    pub(super) status: Option<String>,
    /// Only runs of this session.
    pub(super) session_id: Option<String>,
    /// Only runs whose prompt, answer, labels or directory contain all of these words.
    pub(super) search: Option<String>,
    /// Maximum number, up to 100. Default: 20.
    pub(super) limit: Option<usize>,
    /// The `next_cursor` of the page before.
    pub(super) cursor: Option<String>,
}

/// Which sessions to list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListSessionsArguments {
    /// Maximum number, up to 100. Default: 20.
    pub(super) limit: Option<usize>,
    /// The `next_cursor` of the page before.
    pub(super) cursor: Option<String>,
}

/// No arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NoArguments {}
