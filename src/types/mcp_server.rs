//! MCP servers as written in requests, in profiles and in the settings file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{McpServer, McpTransport};

/// An MCP server: a program that the agent starts (`command`), or a URL that it calls (`url`).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged, expecting = "must be an object with name and command (and args, env), or with name and url (and headers)")]
#[schema(as = McpServer)]
pub enum McpServerSpec {
    /// An MCP server that the agent starts.
    Stdio(StdioServer),
    /// An MCP server that the agent calls.
    Http(HttpServer),
}

/// An MCP server that the agent starts.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StdioServer {
    /// Name of the server.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,64}$")]
    name: String,
    /// The program.
    command: String,
    /// Arguments of the program.
    #[serde(default)]
    args: Vec<String>,
    /// Additional environment variables.
    #[serde(default)]
    env: BTreeMap<String, String>,
}

/// An MCP server that the agent calls.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpServer {
    /// Name of the server.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,64}$")]
    name: String,
    /// URL of the server.
    url: String,
    /// Headers of each request.
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

impl McpServerSpec {
    /// Whether it has settings that may be secret.
    pub fn has_secret(&self) -> bool {
        match self {
            Self::Stdio(server) => !server.env.is_empty(),
            Self::Http(server) => !server.headers.is_empty(),
        }
    }

    /// Name of the server.
    pub fn name(&self) -> &str {
        match self {
            Self::Stdio(server) => &server.name,
            Self::Http(server) => &server.name,
        }
    }
}

/// Shows only the name: the rest may contain secrets.
impl std::fmt::Debug for McpServerSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("McpServerSpec").field("name", &self.name()).finish_non_exhaustive()
    }
}

impl From<McpServerSpec> for McpServer {
    fn from(spec: McpServerSpec) -> Self {
        match spec {
            McpServerSpec::Stdio(StdioServer { name, command, args, env }) => {
                Self { name, transport: McpTransport::Stdio { command, args, env } }
            }
            McpServerSpec::Http(HttpServer { name, url, headers }) => Self { name, transport: McpTransport::Http { url, headers } },
        }
    }
}
