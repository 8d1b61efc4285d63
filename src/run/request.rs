//! A new run as requested, and the faults that a request can have.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::attachments::{BadAttachment, NewAttachment};
use super::output_schema::BadSchema;
use super::policy::{BadRule, BadRules};
use super::webhooks::{BadWebhook, WebhookRequest};
use super::workspace::WorkspaceError;
use crate::agent::BadIsolation;
use crate::agent::flags::BadArgs;
use crate::types::{
    IsolationLevel, McpServer, OnRateLimit, PermissionMode, ProfileName, ProjectConfig, ResponseSpec, RuleSpec, SessionId, SpendKind,
    SpendLimits, TraceParent, WorkspaceKind,
};

/// Maximum number of permission rules per run.
pub(super) const MAX_RULES: usize = 256;
/// Maximum number of environment variables per run.
pub(super) const MAX_ENV_VARS: usize = 64;
/// Maximum length of an environment variable's value, in bytes.
pub(super) const MAX_ENV_VALUE: usize = 32 * 1024;
/// Maximum length of all names and values of environment variables, in bytes. An automaton is built from the values to mask them, which
/// takes about 40 ms and 12 MB of memory for this length.
pub(super) const MAX_ENV_BYTES: usize = 256 * 1024;
/// Maximum length of a variable's name, in bytes.
pub(super) const MAX_ENV_NAME: usize = 128;

/// Maximum number of entries in the list of hosts of a run.
pub(super) const MAX_EGRESS: usize = 64;

/// Default of `timeout_secs`.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_mins(5);
/// Maximum of `timeout_secs` and `idle_timeout_secs`: one week.
pub const MAX_TIMEOUT: Duration = Duration::from_hours(7 * 24);
/// Maximum number of labels per run.
pub(super) const MAX_LABELS: usize = 32;
/// Maximum length of a label's name, in bytes.
pub(super) const MAX_LABEL_NAME: usize = 256;
/// Maximum length of a label's value, in bytes: 512 characters, which OpenAI's metadata may have, of four bytes each.
pub(super) const MAX_LABEL_VALUE: usize = 2048;
/// Maximum length of a model name, in bytes.
pub(super) const MAX_MODEL_BYTES: usize = 128;
/// Maximum length of a prompt, in bytes.
pub(super) const MAX_PROMPT: usize = 2 * 1024 * 1024;
/// Maximum length of the instructions of a run, in bytes.
pub(super) const MAX_INSTRUCTIONS: usize = 64 * 1024;

/// A new run as requested by the caller, not validated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewRun {
    /// The agent; default: the session's agent, or Claude Code in a new session.
    pub agent_type: Option<String>,
    /// The prompt.
    pub prompt: String,
    /// Images and files for the agent.
    pub attachments: Vec<NewAttachment>,
    /// JSON Schema of the answer.
    pub output_schema: Option<Value>,
    /// Text that is added to the agent's system prompt.
    pub instructions: Option<String>,
    /// The working directory; default: the session's, or a fresh one in a new session.
    pub working_dir: Option<PathBuf>,
    /// The workspace of a new session, if it is to be more than the working directory.
    pub workspace: Option<WorkspaceRequest>,
    /// The session to continue; `None` for a new one.
    pub session: Option<SessionId>,
    /// What to do if the session has a live run.
    pub on_busy: OnBusy,
    /// The model; `None` for the agent's default.
    pub model: Option<String>,
    /// Additional command-line arguments.
    pub extra_args: Vec<String>,
    /// The profile to use; `None` for none.
    pub profile: Option<ProfileName>,
    /// How permission requests are decided; `None` for the mode of the profile, else the default.
    pub permission_mode: Option<PermissionMode>,
    /// Rules that precede the mode and follow the operator's rules.
    pub permission_rules: Vec<RuleSpec>,
    /// Additional environment variables for the agent.
    pub env: BTreeMap<String, String>,
    /// MCP servers for the agent.
    pub mcp_servers: Vec<McpServer>,
    /// The isolation level; `None` for the server's default.
    pub isolation: Option<IsolationLevel>,
    /// The hosts that the agent may reach at isolation level `sandbox`, as `host:port`; `None` for the git remotes of the working directory.
    pub egress: Option<Vec<String>>,
    /// Whether the agent's configuration in the working directory has an effect; `None` for the default of the directory.
    pub project_config: Option<ProjectConfig>,
    /// Time limit of the run; `None` for [`DEFAULT_TIMEOUT`].
    pub timeout: Option<Duration>,
    /// Time limit without output; `None` for no limit.
    pub idle_timeout: Option<Duration>,
    /// What to do at a limit of the model's provider.
    pub on_rate_limit: OnRateLimit,
    /// How long the run may wait for such a limit to reset; `None` for the server's maximum.
    pub max_wait: Option<Duration>,
    /// The requested spend limits. The owner's limits apply as well.
    pub spend_limits: SpendLimits,
    /// Labels for filtering.
    pub labels: BTreeMap<String, String>,
    /// The caller's span, which becomes the parent of the run's span.
    pub trace_parent: Option<TraceParent>,
    /// How the run is requested as a response of the OpenAI-compatible API.
    pub response: Option<ResponseSpec>,
    /// A webhook in addition to the operator's.
    pub webhook: Option<WebhookRequest>,
    /// Whether the request comes from this machine.
    pub is_local: bool,
    /// Whether a default password suffices to act as the caller, so that an agent could answer its own requests.
    pub default_passwords: bool,
}

/// A requested workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkspaceRequest {
    /// Kind of workspace.
    pub kind: WorkspaceKind,
    /// The directory of a git repository; `None` for the working directory.
    pub repository: Option<PathBuf>,
    /// The branch, tag or commit to begin with; `None` for what is checked out in the repository.
    pub reference: Option<String>,
}

/// What to do if the session already has a live run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnBusy {
    /// Wait until that run has ended.
    #[default]
    Queue,
    /// Reject the request with 409.
    Reject,
    /// Cancel that run and start this one next.
    Interrupt,
}

/// Why a [`NewRun`] is invalid. Nothing was created or started.
#[derive(Debug, thiserror::Error)]
pub enum BadRun {
    /// The prompt is empty.
    #[error("prompt is empty")]
    PromptEmpty,
    /// The prompt is too long.
    #[error("the prompt must have at most {} MiB", MAX_PROMPT / 1024 / 1024)]
    PromptTooLong,
    /// An image or a file is invalid.
    #[error("{problem}")]
    Attachment {
        /// Position of the part, from 0.
        index: usize,
        /// Why it is invalid.
        problem: BadAttachment,
    },
    /// The prompt contains a NUL character.
    #[error("prompt contains a NUL character, which agents do not accept")]
    PromptNul,
    /// The agent does not exist.
    #[error("agent {name:?} not found; available agents: {known}")]
    UnknownAgent {
        /// The requested agent.
        name: String,
        /// The available agents.
        known: String,
    },
    /// There is no profile with this name that the caller may use.
    #[error("profile {0} not found")]
    UnknownProfile(ProfileName),
    /// The request asks for more than the profile.
    #[error("profile {name} sets {field} to {profile}, and the request to {requested}; {remedy}")]
    ProfileConflict {
        /// The profile.
        name: ProfileName,
        /// Name of the field.
        field: &'static str,
        /// The value of the profile.
        profile: String,
        /// The value of the request.
        requested: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A field of a profile's definition is invalid.
    #[error("{problem}")]
    ProfileField {
        /// Name of the field.
        field: &'static str,
        /// Why it is invalid.
        problem: String,
    },
    /// The model name is invalid.
    #[error(
        "invalid model name: expected at most {MAX_MODEL_BYTES} letters, digits and . _ : / @ + [ ] -, starting with a letter or digit"
    )]
    Model,
    /// The agent does not support choosing a model.
    #[error("agent {0} does not support choosing a model; omit model")]
    NoModel(String),
    /// Arguments that are not permitted.
    #[error("{0}")]
    Args(#[from] BadArgs),
    /// Arguments that only admins may use.
    #[error("only admins may use {}, which can extend the agent's permissions", flags.join(", "))]
    ArgsNeedAdmin {
        /// The flags.
        flags: Vec<String>,
    },
    /// The working directory cannot be used.
    #[error("{0}")]
    WorkingDir(#[from] WorkspaceError),
    /// The workspace cannot be made.
    #[error("{problem}")]
    Workspace {
        /// Name of the field of the workspace.
        field: &'static str,
        /// Why.
        problem: String,
        /// Whether the caller may use the repository.
        is_allowed: bool,
    },
    /// The session has its workspace already.
    #[error("the session keeps its workspace; omit workspace, or start a new session")]
    SessionWorkspace,
    /// A time limit is out of range.
    #[error("must be between 1 and {} seconds", MAX_TIMEOUT.as_secs())]
    Timeout {
        /// Name of the field.
        field: &'static str,
    },
    /// A run cannot wait for longer than the operator allows.
    #[error("must be between 1 and {} seconds, the operator's maximum (OPENRUNNER_MAX_WAIT_SECS)", max.as_secs())]
    MaxWait {
        /// The operator's maximum.
        max: Duration,
    },
    /// A maximum for a wait that does not take place.
    #[error("has an effect only with on_rate_limit wait; omit it, or set on_rate_limit")]
    MaxWaitWithoutWait,
    /// The agent cannot continue after a wait.
    #[error("agent {0} cannot continue a conversation, so a run cannot wait; omit on_rate_limit")]
    CannotWait(String),
    /// A spend limit is zero.
    #[error("must be greater than 0")]
    ZeroSpendLimit(SpendKind),
    /// The agent does not report what a spend limit counts.
    #[error(
        "agent {agent} does not report its {}, so this limit cannot be enforced; {}",
        kind.noun(),
        if *is_requested { "omit it, or use another agent" } else { "it is set for your user; use another agent, or ask an admin" }
    )]
    SpendNotReported {
        /// Name of the agent.
        agent: String,
        /// What it does not report.
        kind: SpendKind,
        /// Whether the request contains the limit; otherwise it is the owner's.
        is_requested: bool,
    },
    /// The session uses another agent.
    #[error("the session uses agent {0}; omit agent_type or set it to {0}")]
    SessionAgent(String),
    /// The session uses another working directory, and its agent cannot continue in another one.
    #[error(
        "the session uses another directory, and agent {0} cannot continue a conversation elsewhere; omit working_dir, or start a new \
             session"
    )]
    SessionDirectory(String),
    /// The working directory of the session cannot be used any more.
    #[error(
        "the session's directory {} cannot be used: {problem}; {}",
        path.display(),
        if *can_move { "set working_dir to continue in another one" } else { "restore it, or start a new session" }
    )]
    SessionDirectoryGone {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// Whether the agent can continue in another directory.
        can_move: bool,
    },
    /// The schema of the answer is invalid.
    #[error("{0}")]
    OutputSchema(#[from] BadSchema),
    /// The instructions are empty, or contain a NUL character.
    #[error("must be text without NUL characters, and not empty; omit instructions for none")]
    Instructions,
    /// The instructions are too long.
    #[error("must have at most {} KiB", MAX_INSTRUCTIONS / 1024)]
    InstructionsTooLong,
    /// The agent does not take instructions.
    #[error("agent {0} takes no instructions besides the prompt; put them into the prompt")]
    NoInstructions(String),
    /// The agent cannot continue a session.
    #[error("agent {0} cannot continue a session; omit session_id")]
    CannotResume(String),
    /// The agent is known not to keep the permission mode.
    #[error("agent {agent} does not keep this permission mode: {reason}; use `auto`, or another agent")]
    CannotKeepMode {
        /// Name of the agent.
        agent: String,
        /// Why.
        reason: &'static str,
    },
    /// The agent does not ask for permissions.
    #[error("agent {agent} does not ask for permissions; use permission_mode auto without permission_rules")]
    CannotAsk {
        /// Name of the agent.
        agent: String,
    },
    /// The isolation level is not available to this run.
    #[error("{0}")]
    Isolation(#[from] BadIsolation),
    /// A list of hosts has no effect at the run's isolation level.
    #[error("a list of hosts is only for isolation level sandbox; this run has another level")]
    EgressLevel,
    /// There are too many hosts.
    #[error("too many hosts; the maximum is {MAX_EGRESS}")]
    TooManyHosts,
    /// An entry of the list of hosts is invalid, or the operator does not allow it.
    #[error("{problem}")]
    EgressHost {
        /// Position of the entry, from 0.
        index: usize,
        /// Why it is refused.
        problem: String,
    },
    /// The caller may not trust the working directory.
    #[error(
        "only admins, and runs at isolation level sandbox, may trust the configuration in a working directory; omit project_config, or ask \
         the operator to list the directory in OPENRUNNER_TRUSTED_PROJECTS"
    )]
    TrustNeedsAdmin,
    /// The agent does not support MCP servers.
    #[error("agent {0} does not support MCP servers")]
    NoMcpServers(String),
    /// MCP servers require an admin.
    #[error("MCP servers make the agent run other programs; only admins may set them")]
    McpServersNeedAdmin,
    /// An MCP server is invalid.
    #[error("{problem}")]
    McpServer {
        /// Position of the server, from 0.
        index: usize,
        /// Why it is invalid.
        problem: &'static str,
    },
    /// The caller may not set this variable.
    #[error("variable {0} is not allowed; the operator can allow it in OPENRUNNER_RUN_ENV")]
    EnvNotAllowed(String),
    /// The name of a variable is invalid.
    #[error("invalid variable name: expected 1 to {MAX_ENV_NAME} letters, digits and _, not starting with a digit")]
    EnvName(String),
    /// The value of this variable is invalid.
    #[error("invalid value: expected at most {} KiB without NUL characters", MAX_ENV_VALUE / 1024)]
    EnvValue(String),
    /// There are too many variables.
    #[error("too many variables; the maximum is {MAX_ENV_VARS}")]
    TooManyEnvVars,
    /// The variables are too long together.
    #[error("all variables together must have at most {} KiB", MAX_ENV_BYTES / 1024)]
    EnvTooLong,
    /// A permission rule is invalid.
    #[error("{}", error.problem)]
    Rule {
        /// Position of the rule, from 0.
        index: usize,
        /// Why it is invalid.
        error: BadRule,
    },
    /// The patterns of the permission rules are too long together.
    #[error("{}", BadRules::TooLong)]
    RulesTooLong,
    /// There are too many permission rules.
    #[error("too many rules; the maximum is {MAX_RULES}")]
    TooManyRules,
    /// There are too many labels.
    #[error("too many labels; the maximum is {MAX_LABELS}")]
    TooManyLabels,
    /// The name of a label is empty.
    #[error("the name of a label must not be empty")]
    LabelName,
    /// The name or the value of this label is too long.
    #[error("names of labels must have at most {MAX_LABEL_NAME} bytes, and values at most {MAX_LABEL_VALUE}")]
    LabelTooLong(String),
    /// The webhook is invalid.
    #[error("{0}")]
    Webhook(#[from] BadWebhook),
}
