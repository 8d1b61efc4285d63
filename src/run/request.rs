//! What a caller may ask of a new run, and the check that makes a [`RunSpec`] of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::driver::RunSecrets;
use super::policy::{BadRule, Rule};
use super::store::{NewWebhook, SessionRecord};
use super::webhooks::{BadWebhook, WebhookRequest, WebhookRules};
use super::workspace::{Chooser, WorkspaceError, Workspaces};
use crate::agent::flags::BadArgs;
use crate::agent::{Agents, Capabilities};
use crate::types::{Caller, McpServer, McpTransport, PermissionMode, RuleSpec, RunId, RunSpec, SessionId, TraceParent};

/// The agent of a run that names none.
const DEFAULT_AGENT: &str = "claude_code";
/// Most permission rules of a run.
const MAX_RULES: usize = 256;
/// Most variables of a run.
const MAX_ENV: usize = 64;
/// Longest value of a variable, in bytes.
const MAX_ENV_VALUE: usize = 32 * 1024;

/// Default of `timeout_secs`.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_mins(5);
/// Longest `timeout_secs` and `idle_timeout_secs`: a week.
pub const MAX_TIMEOUT: Duration = Duration::from_hours(7 * 24);
/// Most labels of a run.
const MAX_LABELS: usize = 32;
/// Longest name and value of a label, in bytes.
const MAX_LABEL: usize = 256;
/// Longest name of a model, in bytes.
const MAX_MODEL: usize = 128;

/// A new run as the caller words it. Nothing in it has been checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewRun {
    /// Which agent; `None` for the session's, or else for Claude Code.
    pub agent_type: Option<String>,
    /// What it is to do.
    pub prompt: String,
    /// Where; `None` for the session's folder, or else for a fresh one.
    pub working_dir: Option<PathBuf>,
    /// The conversation to go on with; `None` for a new one.
    pub session: Option<SessionId>,
    /// What to do if that conversation has a live run.
    pub on_busy: OnBusy,
    /// Which model; `None` for the agent's own choice.
    pub model: Option<String>,
    /// Further command-line elements.
    pub extra_args: Vec<String>,
    /// Who decides on permissions.
    pub permission_mode: PermissionMode,
    /// Rules that count before the mode, but after the operator's.
    pub permission_rules: Vec<RuleSpec>,
    /// Variables for the agent's environment.
    pub env: BTreeMap<String, String>,
    /// MCP servers for the agent.
    pub mcp_servers: Vec<McpServer>,
    /// Wall-clock limit; `None` for 300 s.
    pub timeout: Option<Duration>,
    /// Limit of silence; `None` for none.
    pub idle_timeout: Option<Duration>,
    /// The caller's own marks.
    pub labels: BTreeMap<String, String>,
    /// The span of the caller's own trace that the run belongs to.
    pub trace_parent: Option<TraceParent>,
    /// Where its events are sent, beside the operator's own place.
    pub webhook: Option<WebhookRequest>,
    /// Whether the caller is on this machine.
    pub from_this_machine: bool,
    /// Whether a default password is enough to speak for the caller, so that an agent could answer its own requests.
    pub default_passwords: bool,
}

/// What a new run does if its session has a live one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnBusy {
    /// It waits until that has ended.
    #[default]
    Queue,
    /// It is refused.
    Reject,
    /// That one is cancelled, and this one follows.
    Interrupt,
}

/// What is wrong with a [`NewRun`]. Nothing was made or started.
#[derive(Debug, thiserror::Error)]
pub enum BadRun {
    /// There is nothing to do.
    #[error("there is nothing to do: it is empty")]
    PromptEmpty,
    /// A text that no program's input can carry.
    #[error("it contains a NUL character, which agents do not take; leave it out")]
    PromptNul,
    /// No such agent.
    #[error("there is no agent {name:?}; there are: {known}")]
    UnknownAgent {
        /// What was asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// Not the name of a model.
    #[error("not the name of a model: at most {MAX_MODEL} of letters, digits and . _ : / @ + [ ] -, the first a letter or digit")]
    Model,
    /// Arguments that nobody may use.
    #[error("{0}")]
    Args(#[from] BadArgs),
    /// Arguments that only an admin may use.
    #[error("only an admin may use {}: it can widen what the agent may do", flags.join(", "))]
    ArgsNeedAdmin {
        /// The flags.
        flags: Vec<String>,
    },
    /// A folder that cannot be worked in.
    #[error("{0}")]
    WorkingDir(#[from] WorkspaceError),
    /// A time limit outside of what is possible.
    #[error("must be from 1 to {} seconds", MAX_TIMEOUT.as_secs())]
    Timeout {
        /// The field's name.
        field: &'static str,
    },
    /// The session is another agent's.
    #[error("this session is one of {0}; leave agent_type out or give that")]
    SessionAgent(String),
    /// The session works in another folder.
    #[error("this session works in another folder; leave working_dir out or give that")]
    SessionFolder,
    /// The agent cannot continue a conversation.
    #[error("agent {0} cannot continue a session; start a new one")]
    CannotResume(String),
    /// The agent uses its tools without asking.
    #[error("agent {agent} uses its tools without asking, so permission_mode can only be auto and there can be no rules")]
    CannotAsk {
        /// The agent.
        agent: String,
    },
    /// The agent has no way to be given MCP servers.
    #[error("agent {0} takes no MCP servers")]
    NoMcpServers(String),
    /// Something that only an admin may ask for.
    #[error("only an admin may set it: it makes the agent run other programs")]
    McpServersNeedAdmin,
    /// An MCP server that cannot be given to an agent.
    #[error("MCP server {name:?}: {problem}")]
    McpServer {
        /// Its name.
        name: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// A variable that this caller may not set.
    #[error("the variable {0} is not one that you may set; the operator lists those in OPENRUNNER_RUN_ENV")]
    EnvNotAllowed(String),
    /// Something that is no variable.
    #[error("{0:?} is no variable: at most 64 of them, names of letters, digits and _, values without NUL and of at most 32 KiB")]
    Env(String),
    /// A permission rule that is none.
    #[error("rule {number}: {problem}")]
    Rule {
        /// Which one, from 1.
        number: usize,
        /// What is wrong with it.
        problem: BadRule,
    },
    /// More rules than can be judged in a moment.
    #[error("at most {MAX_RULES} rules")]
    TooManyRules,
    /// Labels that are too many or too long.
    #[error("at most {MAX_LABELS} labels, each name and value at most {MAX_LABEL} bytes, and no name empty")]
    Labels,
    /// A place that nothing can be sent to.
    #[error("{0}")]
    Webhook(#[from] BadWebhook),
}

/// What a checked request comes to.
pub(super) struct Checked {
    pub(super) spec: RunSpec,
    /// What in it widens what the agent may do.
    pub(super) widened: Vec<String>,
    /// The run's own rules.
    pub(super) rules: Vec<Rule>,
    pub(super) private: RunSecrets,
    /// Where its events are sent.
    pub(super) webhooks: Vec<NewWebhook>,
}

/// What a request is checked against.
pub(super) struct Checks<'a> {
    pub(super) agents: &'a Agents,
    pub(super) workspaces: &'a Workspaces,
    /// Variables that users may set.
    pub(super) user_env: &'a [String],
    /// Where events may be sent.
    pub(super) webhooks: &'a WebhookRules,
}

/// Checks `new` and makes the run's working folder if that is missing.
pub(super) fn check(
    new: NewRun,
    id: RunId,
    caller: &Caller,
    session: Option<&SessionRecord>,
    capabilities: Capabilities,
    checks: &Checks<'_>,
) -> Result<Checked, BadRun> {
    if new.prompt.trim().is_empty() {
        return Err(BadRun::PromptEmpty);
    }
    if new.prompt.contains('\0') {
        return Err(BadRun::PromptNul);
    }
    let agent_type = agent_of(&new, session).to_owned();
    if !checks.agents.contains(&agent_type) {
        return Err(BadRun::UnknownAgent { name: agent_type, known: checks.agents.names().collect::<Vec<_>>().join(", ") });
    }
    if let Some(session) = session {
        fits_session(&agent_type, new.working_dir.as_deref(), session, capabilities)?;
    }
    if new.model.as_deref().is_some_and(|model| !is_model(model)) {
        return Err(BadRun::Model);
    }
    let mut widened = checks.agents.judge_args(&agent_type, &new.extra_args)?.0;
    if !widened.is_empty() && !caller.is_admin() {
        return Err(BadRun::ArgsNeedAdmin { flags: widened });
    }
    if (new.permission_mode != PermissionMode::Auto || !new.permission_rules.is_empty()) && !capabilities.permissions {
        return Err(BadRun::CannotAsk { agent: agent_type });
    }
    let rules = rules_of(&new.permission_rules)?;
    check_env(&new.env, caller, checks.user_env)?;
    if !new.mcp_servers.is_empty() {
        check_mcp_servers(&new.mcp_servers, &agent_type, caller, capabilities)?;
        widened.push("mcp_servers".to_owned());
    }
    let possible = |limit: Duration| !limit.is_zero() && limit <= MAX_TIMEOUT;
    if !new.timeout.is_none_or(possible) {
        return Err(BadRun::Timeout { field: "timeout_secs" });
    }
    if !new.idle_timeout.is_none_or(possible) {
        return Err(BadRun::Timeout { field: "idle_timeout_secs" });
    }
    let label_fits = |(name, value): (&String, &String)| !name.is_empty() && name.len() <= MAX_LABEL && value.len() <= MAX_LABEL;
    if new.labels.len() > MAX_LABELS || !new.labels.iter().all(label_fits) {
        return Err(BadRun::Labels);
    }
    let webhooks = checks.webhooks.places(new.webhook)?;
    // Last, since it may make a folder.
    let working_dir = match (session, &new.working_dir) {
        (Some(session), _) => {
            checks.workspaces.check_again(&session.working_dir, caller.is_admin())?;
            session.working_dir.clone()
        }
        (None, Some(wanted)) => checks.workspaces.check(wanted, Chooser { admin: caller.is_admin(), local: new.from_this_machine })?,
        (None, None) => checks.workspaces.fresh(id)?,
    };
    let spec = RunSpec {
        agent_type,
        prompt: new.prompt,
        working_dir,
        model: new.model,
        extra_args: new.extra_args,
        permission_mode: new.permission_mode,
        permission_rules: new.permission_rules,
        env: new.env.keys().cloned().collect(),
        mcp_servers: new.mcp_servers.iter().map(|server| server.name.clone()).collect(),
        timeout: new.timeout.unwrap_or(DEFAULT_TIMEOUT),
        idle_timeout: new.idle_timeout,
        labels: new.labels,
        trace_parent: new.trace_parent,
    };
    Ok(Checked { spec, widened, rules, private: RunSecrets { env: new.env, mcp_servers: new.mcp_servers }, webhooks })
}

/// Whether a request asks for something that not every agent can do. Only then are the capabilities looked at.
pub(super) fn relies_on_capabilities(new: &NewRun) -> bool {
    new.session.is_some() || new.permission_mode != PermissionMode::Auto || !new.permission_rules.is_empty() || !new.mcp_servers.is_empty()
}

/// The agent that a request means.
pub(super) fn agent_of<'a>(new: &'a NewRun, session: Option<&'a SessionRecord>) -> &'a str {
    new.agent_type.as_deref().or(session.map(|session| session.agent_type.as_str())).unwrap_or(DEFAULT_AGENT)
}

fn fits_session(agent_type: &str, folder: Option<&Path>, session: &SessionRecord, capabilities: Capabilities) -> Result<(), BadRun> {
    if agent_type != session.agent_type {
        return Err(BadRun::SessionAgent(session.agent_type.clone()));
    }
    if !capabilities.resume {
        return Err(BadRun::CannotResume(agent_type.to_owned()));
    }
    // Agents keep their conversations by folder: OpenCode hangs when it is to continue one from another (recorded).
    if folder
        .is_some_and(|folder| folder != session.working_dir && !folder.canonicalize().is_ok_and(|folder| folder == session.working_dir))
    {
        return Err(BadRun::SessionFolder);
    }
    Ok(())
}

fn rules_of(specs: &[RuleSpec]) -> Result<Vec<Rule>, BadRun> {
    if specs.len() > MAX_RULES {
        return Err(BadRun::TooManyRules);
    }
    let numbered = specs.iter().zip(1..);
    numbered.map(|(spec, number)| Rule::new(spec.clone()).map_err(|problem| BadRun::Rule { number, problem })).collect()
}

fn check_env(env: &BTreeMap<String, String>, caller: &Caller, user_env: &[String]) -> Result<(), BadRun> {
    if env.len() > MAX_ENV {
        return Err(BadRun::Env(format!("{} variables", env.len())));
    }
    for (name, value) in env {
        let first_is_plain = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        let is_name = first_is_plain && name.len() <= 128 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_name || value.contains('\0') || value.len() > MAX_ENV_VALUE {
            return Err(BadRun::Env(name.clone()));
        }
        let may_set = caller.is_admin() || user_env.contains(name);
        if !may_set || crate::agent::is_kept_from_agents(name) {
            return Err(BadRun::EnvNotAllowed(name.clone()));
        }
    }
    Ok(())
}

fn check_mcp_servers(servers: &[McpServer], agent: &str, caller: &Caller, capabilities: Capabilities) -> Result<(), BadRun> {
    if !capabilities.mcp_servers {
        return Err(BadRun::NoMcpServers(agent.to_owned()));
    }
    // S4 of the threat model: what they are is code that the agent's account runs.
    if !caller.is_admin() {
        return Err(BadRun::McpServersNeedAdmin);
    }
    let mut seen = std::collections::BTreeSet::new();
    for server in servers {
        let bad = |problem| Err(BadRun::McpServer { name: server.name.clone(), problem });
        let is_name = !server.name.is_empty()
            && server.name.len() <= 64
            && server.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        if !is_name {
            return bad("the name must be 1 to 64 of letters, digits, _ and -");
        }
        if !seen.insert(&server.name) {
            return bad("the name is there twice");
        }
        match &server.transport {
            McpTransport::Stdio { command, .. } if command.is_empty() => return bad("command is empty"),
            McpTransport::Http { url, .. } if !(url.starts_with("http://") || url.starts_with("https://")) => {
                return bad("url must begin with http:// or https://");
            }
            McpTransport::Stdio { .. } | McpTransport::Http { .. } => {}
        }
    }
    Ok(())
}

/// S3 of the threat model: a model's name can never be read as a flag, a path upwards or two words.
fn is_model(text: &str) -> bool {
    let first_is_plain = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/@+[]-".contains(&byte);
    first_is_plain && text.len() <= MAX_MODEL && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s3_a_models_name_can_never_be_a_flag() {
        for good in ["opus", "claude-opus-4-5[1m]", "openrouter/anthropic/claude:beta", "gpt-5.5", "o3", "accounts/x@y+z"] {
            assert!(is_model(good), "{good}");
        }
        for bad in ["", "-m", "--model", "a b", "a\n", "a\0", "ä", "$(x)", "a;b", "=x", &"x".repeat(129)] {
            assert!(!is_model(bad), "{bad}");
        }
    }
}
