//! Agents that speak the Agent Client Protocol and are known by name: how to start each, what it asks about, and how it deviates. Data only;
//! [`configured`](super::configured) drives them.

#[cfg(test)]
mod matrix;
mod table;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

use super::acp::Dialect;
use crate::types::{AuthScheme, ModelEndpoint, PermissionMode};

/// An agent that needs no configuration.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, read by name")]
pub struct Preset {
    /// The `agent_type` that clients request.
    pub name: &'static str,
    /// File name of the program.
    pub program: &'static str,
    /// Its arguments in every run.
    pub args: &'static [&'static str],
    /// Whether it was driven with recordings. Otherwise it is known from its documentation only.
    pub tested: bool,
    /// Support for each permission mode.
    pub auto: ModeSupport,
    /// See [`Preset::auto`].
    pub ask: ModeSupport,
    /// See [`Preset::auto`].
    pub read_only: ModeSupport,
    /// Whether it asks for permission at all. Otherwise it takes no rules, either.
    pub asks: bool,
    /// How to log in, for people.
    pub login: &'static str,
    /// Names of the server's variables that it receives.
    pub env: &'static [&'static str],
    /// Those of them that are a login.
    pub keys: &'static [&'static str],
    /// How it is directed to a model; `None` if it cannot be, or if that is not known.
    pub endpoint: Option<EndpointVariables>,
    /// Login methods that the agent must be told with `authenticate`: a variable, its value, and the method that it selects.
    pub auth_methods: &'static [(&'static str, &'static str, &'static str)],
    /// A variable with the agent's configuration as JSON, in the form of `OpenCode`, by which it is made to ask.
    pub config_variable: Option<&'static str>,
    /// Whether a conversation can be continued in a later run.
    pub resumes: bool,
    /// Whether it takes MCP servers.
    pub mcp_servers: bool,
    /// Its deviations from the protocol.
    pub(crate) dialect: Dialect,
    /// What else to know about it, as one sentence without a capital.
    pub quirks: &'static str,
}

/// How an agent is directed to a model: with which variables, or in its configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointVariables {
    /// By variables for the key and for the base URL.
    Named {
        /// The variable of the key.
        key: &'static str,
        /// The variable of the base URL.
        url: &'static str,
        /// The base URL that the agent uses without the variable; `None` if it has none, or if it is not known.
        default_url: Option<&'static str>,
        /// How the agent sends the key.
        scheme: AuthScheme,
    },
    /// By [`Preset::config_variable`].
    InConfig,
}

/// Presets are the same if their names are.
impl PartialEq for Preset {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// Whether and how an agent keeps a permission mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModeSupport {
    /// In the session mode in which it starts.
    Leave,
    /// In this session mode. A leading `#` stands for the beginning of the agent's id.
    Set(&'static str),
    /// Not at all, for this reason.
    No(&'static str),
}

impl Preset {
    /// All presets, sorted by name.
    pub fn all() -> &'static [Self] {
        table::PRESETS
    }

    /// The preset `name`.
    pub fn find(name: &str) -> Option<&'static Self> {
        table::PRESETS.iter().find(|preset| preset.name == name)
    }

    /// Support for `mode`.
    pub fn support(&self, mode: PermissionMode) -> ModeSupport {
        match mode {
            PermissionMode::Auto => self.auto,
            PermissionMode::Ask => self.ask,
            PermissionMode::ReadOnly => self.read_only,
        }
    }

    /// The login method to `authenticate` with in an environment whose variables `get` returns. `None` if it needs no such request.
    pub fn auth_method(&self, get: impl Fn(&str) -> Option<String>) -> Option<&'static str> {
        let selected = self.auth_methods.iter().find(|(variable, value, _)| get(variable).as_deref() == Some(*value));
        selected.map(|(.., method)| *method)
    }

    /// The value of [`Preset::config_variable`], which makes the agent ask and directs it to the model at `endpoint`, for one whose own
    /// configuration in that variable is `own`.
    /// `None` if `own` is not a JSON object.
    pub(super) fn asking_config(own: Option<&str>, endpoint: Option<&ModelEndpoint>) -> Option<String> {
        let mut config = match own.map(str::trim).filter(|own| !own.is_empty()) {
            None => Map::new(),
            Some(own) => match serde_json::from_str(own) {
                Ok(Value::Object(config)) => config,
                _ => return None,
            },
        };
        let permission = config.entry("permission").or_insert_with(|| json!({}));
        // A permission for all tools is a single word.
        if !permission.is_object() {
            *permission = json!({});
        }
        if let Some(permission) = permission.as_object_mut() {
            for tool in ["edit", "bash", "webfetch"] {
                permission.insert(tool.to_owned(), json!("ask"));
            }
            // Its question tool waits forever for an answer that the protocol does not carry.
            permission.insert("question".to_owned(), json!("deny"));
        }
        if let Some(ModelEndpoint { provider, base_url, key, scheme: _ }) = endpoint {
            // In place of the operator's providers, whose keys the agent is not to have.
            let entry = json!({ "options": { "baseURL": base_url, "apiKey": key.expose() } });
            config.insert("provider".to_owned(), json!({ (provider.as_str()): entry }));
        }
        Some(Value::Object(config).to_string())
    }
}
