//! What a run asks for.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{RuleSpec, TraceParent};

/// A moment of wall-clock time. On the wire RFC 3339 in UTC with milliseconds, always 24 characters: `2026-11-22T13:05:00.123Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-11-22T13:05:00.123Z")]
pub struct Timestamp(jiff::Timestamp);

impl Timestamp {
    /// The moment `millis` milliseconds after 1970; a number beyond year 9999 becomes the last moment of that year.
    pub fn from_millis(millis: i64) -> Self {
        Self(jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX))
    }

    /// Milliseconds since 1970.
    pub fn as_millis(self) -> i64 {
        self.0.as_millisecond()
    }

    /// The moment that an RFC 3339 text names.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        jiff::Timestamp::deserialize(deserializer).map(Self)
    }
}

/// Who decides when the agent asks for permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PermissionMode {
    /// We allow everything and write down what was allowed.
    #[default]
    Auto,
    /// A person is asked.
    Ask,
    /// We allow what only looks, and deny the rest.
    ReadOnly,
}

/// An MCP server that an agent is given.
#[derive(Clone, PartialEq, Eq)]
pub struct McpServer {
    /// The name by which the agent knows it: letters, digits, `_` and `-`.
    pub name: String,
    /// How it is reached.
    pub transport: McpTransport,
}

/// How an MCP server is reached.
#[derive(Clone, PartialEq, Eq)]
pub enum McpTransport {
    /// The agent starts it.
    Stdio {
        /// The program, as the agent looks for it.
        command: String,
        /// Its arguments.
        args: Vec<String>,
        /// Its further environment.
        env: BTreeMap<String, String>,
    },
    /// The agent calls it.
    Http {
        /// Its address.
        url: String,
        /// Headers of each call.
        headers: BTreeMap<String, String>,
    },
}

impl McpServer {
    /// A server of this name of which only the kind of its transport is remembered: how it is reached was kept nowhere.
    pub fn forgotten(name: String, is_http: bool) -> Self {
        let transport = if is_http {
            McpTransport::Http { url: String::new(), headers: BTreeMap::new() }
        } else {
            McpTransport::Stdio { command: String::new(), args: Vec::new(), env: BTreeMap::new() }
        };
        Self { name, transport }
    }

    /// Whether that is so. No server that a run may ask for has an empty address or command.
    pub fn is_forgotten(&self) -> bool {
        match &self.transport {
            McpTransport::Http { url, .. } => url.is_empty(),
            McpTransport::Stdio { command, .. } => command.is_empty(),
        }
    }
}

/// Only the name: a transport may hold secrets.
impl std::fmt::Debug for McpServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("McpServer").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What one run asks for: checked, complete, and stored with the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSpec {
    /// Name of the agent, one of the registered ones.
    pub agent_type: String,
    /// What the agent is to do. Never empty, never with NUL.
    pub prompt: String,
    /// Where the agent works: absolute, canonical, a folder.
    pub working_dir: PathBuf,
    /// The model, in the agent's own words; `None` leaves the choice to the agent.
    pub model: Option<String>,
    /// Further command-line elements for the agent, judged by its flag table before they come here.
    pub extra_args: Vec<String>,
    /// Who decides on permissions.
    pub permission_mode: PermissionMode,
    /// Rules on what the agent may do, which count before the mode.
    #[serde(default)]
    pub permission_rules: Vec<RuleSpec>,
    /// Names of the variables that the run adds to the agent's environment. Their values are kept nowhere.
    #[serde(default)]
    pub env: Vec<String>,
    /// Names of the MCP servers that the agent is given. How they are reached is kept nowhere: it may hold secrets.
    #[serde(default)]
    pub mcp_servers: Vec<String>,
    /// Wall-clock limit of the agent's work.
    #[serde(with = "duration_secs")]
    pub timeout: Duration,
    /// How long the agent may be silent; `None` for as long as the wall clock allows.
    #[serde(with = "optional_duration_secs")]
    pub idle_timeout: Option<Duration>,
    /// The caller's own marks, for finding runs again.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The span of the caller's own trace that the run belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_parent: Option<TraceParent>,
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
