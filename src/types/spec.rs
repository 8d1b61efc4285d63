//! The specification of a run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    AttachmentInfo, HostPattern, IsolationLevel, PermissionMode, ProfileName, ProjectConfig, ResponseSpec, RuleSpec, SpendLimits,
    TraceParent, WorkspaceSpec,
};

/// An MCP server for an agent.
#[derive(Clone, PartialEq, Eq)]
pub struct McpServer {
    /// Name of the server: letters, digits, `_` and `-`.
    pub name: String,
    /// Transport of the server.
    pub transport: McpTransport,
}

/// Transport of an MCP server.
#[derive(Clone, PartialEq, Eq)]
pub enum McpTransport {
    /// A child process of the agent, over stdin and stdout.
    Stdio {
        /// The program, looked up by the agent.
        command: String,
        /// Its arguments.
        args: Vec<String>,
        /// Additional environment variables.
        env: BTreeMap<String, String>,
    },
    /// A server over HTTP.
    Http {
        /// URL of the server.
        url: String,
        /// Headers of each request.
        headers: BTreeMap<String, String>,
    },
}

impl McpServer {
    /// A placeholder for a server whose transport details were not stored.
    pub fn placeholder(name: String, is_http: bool) -> Self {
        let transport = if is_http {
            McpTransport::Http { url: String::new(), headers: BTreeMap::new() }
        } else {
            McpTransport::Stdio { command: String::new(), args: Vec::new(), env: BTreeMap::new() }
        };
        Self { name, transport }
    }

    /// Whether this is a placeholder. In a valid server neither URL nor command is empty.
    pub fn is_placeholder(&self) -> bool {
        match &self.transport {
            McpTransport::Http { url, .. } => url.is_empty(),
            McpTransport::Stdio { command, .. } => command.is_empty(),
        }
    }
}

/// Shows only the name: the transport may contain secrets.
impl std::fmt::Debug for McpServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("McpServer").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The validated and complete specification of a run, stored with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSpec {
    /// Registered name of the agent.
    pub agent_type: String,
    /// The prompt. Not empty, without NUL.
    pub prompt: String,
    /// The working directory: an absolute, canonical path.
    pub working_dir: PathBuf,
    /// What the working directory is, if it is more than a directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<WorkspaceSpec>,
    /// The images and files that are given to the agent with the prompt. Their content is stored separately.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<AttachmentInfo>,
    /// JSON Schema of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
    /// Text that is added to the agent's system prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// Name of the model, as the agent expects it; `None` for the agent's default.
    pub model: Option<String>,
    /// Additional command-line arguments, validated against the agent's flag table.
    pub extra_args: Vec<String>,
    /// How permission requests are decided.
    pub permission_mode: PermissionMode,
    /// Permission rules, which precede the mode.
    pub permission_rules: Vec<RuleSpec>,
    /// Names of the additional environment variables. Their values are not stored.
    pub env: Vec<String>,
    /// Names of the MCP servers. Their transports are not stored, because they may contain secrets.
    pub mcp_servers: Vec<String>,
    /// Time limit of the agent's work.
    #[serde(with = "duration_secs")]
    pub timeout: Duration,
    /// Time limit without output; `None` for no limit.
    #[serde(with = "optional_duration_secs")]
    pub idle_timeout: Option<Duration>,
    /// How long the run may wait for a limit of the model's provider to reset; `None` if it fails then.
    #[serde(default, with = "optional_duration_secs", skip_serializing_if = "Option::is_none")]
    pub max_wait: Option<Duration>,
    /// The spend limits in effect: the stricter ones of the request and of the owner's.
    #[serde(default, skip_serializing_if = "SpendLimits::is_empty")]
    pub spend_limits: SpendLimits,
    /// The requested isolation level; `None` for the server's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<IsolationLevel>,
    /// The hosts that the agent may reach at isolation level `sandbox`, besides its model; `None` at other levels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress: Option<Vec<HostPattern>>,
    /// Whether the agent's configuration in the working directory has an effect.
    #[serde(default)]
    pub project_config: ProjectConfig,
    /// Labels for filtering.
    pub labels: BTreeMap<String, String>,
    /// The profile that the run was created with. Its values are in the other fields, as they were then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<ProfileName>,
    /// The caller's span, which becomes the parent of the run's span.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_parent: Option<TraceParent>,
    /// How the run was requested as a response; `None` for other runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<ResponseSpec>,
}

mod duration_secs {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(value.as_secs())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_secs)
    }
}

mod optional_duration_secs {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "the signature that serde calls")]
    pub(super) fn serialize<S: Serializer>(value: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        value.map(|duration| duration.as_secs()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_secs))
    }
}
