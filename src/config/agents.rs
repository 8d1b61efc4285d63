//! The tables `[agents.NAME]`: settings of the built-in agents, and agents of the operator's own.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;

use serde::Deserialize;

use super::{Secret, VariableName};
use crate::agent::Mode;
use crate::agent::configured::{Definition, Fields, WireFormat};

/// Names that a table cannot give to an agent: the built-in agent without settings, and the short name of another.
const TAKEN: [&str; 2] = ["demo", "claude"];
/// Longest name of an agent.
const MAX_NAME: usize = 32;

/// Settings of single agents, each a table of its own in the file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(try_from = "BTreeMap<String, Table>")]
pub struct AgentsSettings {
    /// Claude Code.
    pub claude_code: AgentSettings,
    /// Codex.
    pub codex: AgentSettings,
    /// `OpenCode`.
    pub opencode: AgentSettings,
    /// The operator's own agents, by name.
    pub configured: Vec<Definition>,
    /// Runs at once of an agent, for those that have such a bound, by name.
    pub max_runs: BTreeMap<String, NonZeroUsize>,
}

/// Settings of one built-in agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AgentSettings {
    /// How the program is driven: `two_way` or `one_shot`. Only in the file. Default `two_way`.
    pub mode: Mode,
}

/// Why a table describes no agent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("agents.{agent}: {problem}")]
pub struct BadAgent {
    agent: String,
    problem: String,
}

/// A table as it is written. Which keys may stand together depends on the agent.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    mode: Option<Mode>,
    max_runs: Option<NonZeroUsize>,
    protocol: Option<Protocol>,
    command: Option<Vec<String>>,
    model_args: Option<Vec<String>>,
    resume_args: Option<Vec<String>>,
    session_mode: Option<String>,
    pass_env: Option<Vec<VariableName>>,
    set_env: Option<HashMap<VariableName, Secret>>,
    install: Option<String>,
    login: Option<String>,
    fields: Option<Fields>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Protocol {
    Acp,
    Text,
    Jsonl,
}

impl TryFrom<BTreeMap<String, Table>> for AgentsSettings {
    type Error = BadAgent;

    fn try_from(tables: BTreeMap<String, Table>) -> Result<Self, BadAgent> {
        let mut settings = Self::default();
        for (agent, table) in tables {
            settings.max_runs.extend(table.max_runs.map(|most| (agent.clone(), most)));
            let built_in = match agent.as_str() {
                "claude_code" => Some(&mut settings.claude_code),
                "codex" => Some(&mut settings.codex),
                "opencode" => Some(&mut settings.opencode),
                _ => None,
            };
            let read = match built_in {
                Some(settings) => table.built_in().map(|read| *settings = read),
                None => table.configured(&agent).map(|read| settings.configured.push(read)),
            };
            read.map_err(|problem| BadAgent { agent, problem })?;
        }
        Ok(settings)
    }
}

impl Table {
    fn built_in(self) -> Result<AgentSettings, String> {
        let Self { mode, max_runs: _, protocol, command, model_args, resume_args, session_mode, pass_env, set_env, install, login, fields } =
            self;
        let others = [
            ("protocol", protocol.is_some()),
            ("command", command.is_some()),
            ("model_args", model_args.is_some()),
            ("resume_args", resume_args.is_some()),
            ("session_mode", session_mode.is_some()),
            ("pass_env", pass_env.is_some()),
            ("set_env", set_env.is_some()),
            ("install", install.is_some()),
            ("login", login.is_some()),
            ("fields", fields.is_some()),
        ];
        match others.iter().find(|(_, given)| *given) {
            Some((key, _)) => Err(format!(
                "`{key}` cannot be set, since this agent is built in; it takes `mode` and `max_runs` alone, an agent of yours needs another name"
            )),
            None => Ok(AgentSettings { mode: mode.unwrap_or_default() }),
        }
    }

    fn configured(self, name: &str) -> Result<Definition, String> {
        if !is_name(name) || TAKEN.contains(&name) {
            return Err(format!(
                "it cannot be the name of an agent of yours; give 1 to {MAX_NAME} of a-z, 0-9, _ and -, and none of {}",
                TAKEN.join(", ")
            ));
        }
        if self.mode.is_some() {
            return Err(
                "there is no built-in agent of that name, and `mode` is for those alone; an agent of yours needs `protocol` and `command`"
                    .to_owned(),
            );
        }
        let protocol = self.protocol.ok_or("`protocol` is missing; give `acp`, `text` or `jsonl`")?;
        let mut args = self.command.ok_or("`command` is missing; give the program and its arguments, such as [\"gemini\", \"--acp\"]")?;
        if args.iter().any(|element| element.contains('\0')) {
            return Err("`command` contains a NUL character".to_owned());
        }
        let program = if args.is_empty() { String::new() } else { args.remove(0) };
        if program.is_empty() || program.contains('/') && !program.starts_with('/') {
            return Err(format!("`command` begins with `{program}`, which is neither the name of a program nor an absolute path"));
        }
        let speaks = match (protocol, self.fields) {
            (Protocol::Acp, None) => WireFormat::Acp,
            (Protocol::Text, None) => WireFormat::Text,
            (Protocol::Jsonl, Some(fields)) if fields.token.is_some() || fields.message.is_some() || fields.result.is_some() => {
                WireFormat::Jsonl(Box::new(fields))
            }
            (Protocol::Jsonl, _) => return Err("`fields` must say where the text is: name `token`, `message` or `result`".to_owned()),
            (Protocol::Acp | Protocol::Text, Some(_)) => return Err("`fields` is for the protocol `jsonl` alone".to_owned()),
        };
        let (model_args, resume_args) = (self.model_args.unwrap_or_default(), self.resume_args.unwrap_or_default());
        for (key, place, elements) in [("model_args", "{model}", &model_args), ("resume_args", "{session}", &resume_args)] {
            if !elements.is_empty() && matches!(speaks, WireFormat::Acp) {
                return Err(format!("`{key}` is not for the protocol `acp`, which has its own way"));
            }
            if !elements.is_empty() && !elements.iter().any(|element| element.contains(place)) {
                return Err(format!("`{key}` does not contain {place}"));
            }
        }
        if self.session_mode.is_some() && speaks != WireFormat::Acp {
            return Err("`session_mode` is for the protocol `acp` alone".to_owned());
        }
        let tells_session = matches!(&speaks, WireFormat::Jsonl(fields) if fields.session.is_some());
        if !resume_args.is_empty() && !tells_session {
            return Err("`resume_args` needs to know the conversation's id: set `fields.session`".to_owned());
        }
        let pass_env = self.pass_env.unwrap_or_default();
        let set_env = self.set_env.unwrap_or_default();
        Ok(Definition {
            name: name.to_owned(),
            speaks,
            program,
            args,
            model_args,
            resume_args,
            session_mode: self.session_mode,
            pass_env: pass_env.iter().map(|name| name.as_str().to_owned()).collect(),
            set_env: set_env.iter().map(|(name, value)| (name.as_str().to_owned(), value.expose().to_owned())).collect(),
            install: self.install,
            login: self.login,
        })
    }
}

fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    !text.is_empty() && text.len() <= MAX_NAME && text.bytes().all(allowed)
}
