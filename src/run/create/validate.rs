//! Validation of a new run: turns a caller's [`NewRun`] into a [`RunSpec`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;

use super::worktree;
use crate::agent::{Agents, Capabilities};
use crate::egress::{EgressPolicy, remote_hosts};
use crate::run::attachments;
use crate::run::config::RunConfig;
use crate::run::output_schema::OutputSchema;
use crate::run::policy::{BadRules, Rule};
use crate::run::request::{
    BadRun, DEFAULT_TIMEOUT, MAX_EGRESS, MAX_ENV_BYTES, MAX_ENV_NAME, MAX_ENV_VALUE, MAX_ENV_VARS, MAX_INSTRUCTIONS, MAX_LABEL_NAME,
    MAX_LABEL_VALUE, MAX_LABELS, MAX_MODEL_BYTES, MAX_PROMPT, MAX_RULES, MAX_TIMEOUT, NewRun,
};
use crate::run::run_secrets::RunSecrets;
use crate::run::store::{NewWebhook, SessionRecord};
use crate::run::workspace::{DirectoryRequest, Requester, WorkspaceError, Workspaces};
use crate::types::{
    Caller, HostPattern, IsolationLevel, McpServer, McpTransport, OnRateLimit, PermissionMode, ProjectConfig, RuleSpec, RunId, RunSpec,
    SpendKind, SpendLimits, WorkspaceSpec,
};

/// Default of `agent_type`.
const DEFAULT_AGENT: &str = "claude_code";

/// What a run may do with the configuration in its working directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TrustRequest {
    requested: Option<ProjectConfig>,
    /// Whether the caller may trust any directory.
    may_trust: bool,
}

impl TrustRequest {
    /// An admin may trust a directory, and so may a user whose run is kept from the rest of the account.
    fn new(requested: Option<ProjectConfig>, caller: &Caller, level: Option<IsolationLevel>) -> Self {
        Self { requested, may_trust: caller.is_admin() || level >= Some(IsolationLevel::Sandbox) }
    }

    /// Decides for a working directory, given by its canonical path. Reads the file system.
    ///
    /// # Errors
    /// [`BadRun::TrustNeedsAdmin`] if the run asks for trust that the caller may not give.
    pub(super) fn decide(self, working_dir: &Path, config: &RunConfig) -> Result<ProjectConfig, BadRun> {
        match self.requested {
            Some(ProjectConfig::Trust) if !self.may_trust && !config.trusts(working_dir) => Err(BadRun::TrustNeedsAdmin),
            Some(requested) => Ok(requested),
            None => Ok(if config.trusts(working_dir) { ProjectConfig::Trust } else { ProjectConfig::Ignore }),
        }
    }
}

/// What the run has from its profile, hence with the rights of an admin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Granted {
    /// How many of the MCP servers, from the first.
    pub(super) mcp_servers: usize,
    /// Whether the isolation level is that of the profile, or a higher one.
    pub(super) isolation: bool,
}

/// A validated request.
pub(super) struct Checked {
    /// The specification, with an empty working directory whose configuration is ignored.
    pub(super) spec: RunSpec,
    pub(super) directory: DirectoryRequest,
    pub(super) trust: TrustRequest,
    /// The content of the attachments in `spec`.
    pub(super) attachments: Vec<Bytes>,
    /// The directory that the session leaves. `None` if it stays.
    pub(super) moved_from: Option<PathBuf>,
    /// Fields and arguments that extend the agent's permissions.
    pub(super) widened: Vec<String>,
    pub(super) secrets: RunSecrets,
    pub(super) webhooks: Vec<NewWebhook>,
}

/// What a request is validated against.
pub(super) struct ValidationContext<'a> {
    pub(super) agents: &'a Agents,
    pub(super) workspaces: &'a Workspaces,
    pub(super) config: &'a RunConfig,
    /// What the request has from its profile.
    pub(super) granted: Granted,
    /// The workspace of the session that is continued.
    pub(super) inherited: Option<WorkspaceSpec>,
}

/// Validates `new`. Creates nothing.
///
/// # Errors
/// All faults of the request, at least one.
pub(super) fn validate(
    new: NewRun,
    id: RunId,
    caller: &Caller,
    session: Option<&SessionRecord>,
    capabilities: Capabilities,
    owner_limits: SpendLimits,
    context: &ValidationContext<'_>,
) -> Result<Checked, Vec<BadRun>> {
    let mut faults = Vec::from_iter(check_prompt(&new.prompt));
    let agent_type = agent_type_of(&new, session).to_owned();
    let requester = Requester { is_admin: caller.is_admin(), is_local: new.is_local };
    let known = context.agents.contains(&agent_type).then_some(capabilities);
    let attachments = attachments::check(&new.attachments, &agent_type, known);
    faults.extend(attachments.into_iter().map(|(index, problem)| BadRun::Attachment { index, problem }));
    let checks = check_agent(&new, &agent_type, caller, session, capabilities, context, &mut faults);
    let AgentChecks { widened, level, moves } = checks;
    if known.is_some() {
        faults.extend(check_wait(&new, &agent_type, capabilities, context.config.max_wait));
        check_spend_limits(new.spend_limits, owner_limits, &agent_type, session.is_some(), capabilities, &mut faults);
    }
    if new.model.as_deref().is_some_and(|model| !is_valid_model(model)) {
        faults.push(BadRun::Model);
    } else if new.model.is_some() && context.agents.contains(&agent_type) && !capabilities.models {
        faults.push(BadRun::NoModel(agent_type.clone()));
    }
    faults.extend(new.output_schema.as_ref().and_then(|schema| OutputSchema::compile(schema).err()).map(BadRun::from));
    check_rules(&new.permission_rules, &mut faults);
    check_env(&new.env, caller, &context.config.user_env, &mut faults);
    check_timeouts(&new, &mut faults);
    check_labels(&new.labels, &mut faults);
    let is_sandbox = level == Some(IsolationLevel::Sandbox);
    let egress = check_egress(new.egress.as_deref(), is_sandbox, &context.config.egress, &mut faults);
    let workspace = check_workspace(&new, session, session.is_some() && !moves, requester, context).unwrap_or_else(|fault| {
        faults.push(fault);
        None
    });
    let webhooks = context.config.webhooks.endpoints(new.webhook).unwrap_or_else(|error| {
        faults.push(error.into());
        Vec::new()
    });
    let stays_in = session.filter(|_| !moves).map(|session| session.working_dir.clone());
    // A worktree is made of the working directory.
    let working_dir = if new.workspace.is_some() { None } else { new.working_dir };
    let known_dir = stays_in.clone().or_else(|| working_dir.clone());
    let directory = match (stays_in, working_dir) {
        (Some(path), _) => DirectoryRequest::OfSession(path, requester),
        (None, Some(path)) => DirectoryRequest::Path(path, requester),
        (None, None) => DirectoryRequest::Fresh(id),
    };
    faults.extend(context.workspaces.check(&directory).err().map(|error| match (error, &directory) {
        (WorkspaceError::Gone(problem), DirectoryRequest::OfSession(path, _)) => {
            BadRun::SessionDirectoryGone { path: path.clone(), problem, can_move: capabilities.move_session }
        }
        (error, _) => error.into(),
    }));
    let trust = TrustRequest::new(new.project_config, caller, level);
    // Decided once more for the directory that is reserved, whose path may have changed by then.
    let path = match &directory {
        DirectoryRequest::OfSession(path, _) => path.clone(),
        DirectoryRequest::Path(path, _) => path.canonicalize().unwrap_or_default(),
        DirectoryRequest::Fresh(_) => PathBuf::new(),
    };
    faults.extend(trust.decide(&path, context.config).err());
    if !faults.is_empty() {
        return Err(faults);
    }
    let spec = RunSpec {
        agent_type,
        prompt: new.prompt,
        attachments: new.attachments.iter().map(|new| new.attachment.info.clone()).collect(),
        output_schema: new.output_schema,
        instructions: new.instructions,
        working_dir: PathBuf::new(),
        workspace,
        model: new.model,
        extra_args: new.extra_args,
        permission_mode: new.permission_mode.unwrap_or_default(),
        permission_rules: new.permission_rules,
        env: new.env.keys().cloned().collect(),
        mcp_servers: new.mcp_servers.iter().map(|server| server.name.clone()).collect(),
        timeout: new.timeout.unwrap_or(DEFAULT_TIMEOUT),
        idle_timeout: new.idle_timeout,
        max_wait: (new.on_rate_limit == OnRateLimit::Wait).then(|| new.max_wait.unwrap_or(context.config.max_wait)),
        spend_limits: new.spend_limits.stricter(owner_limits),
        isolation: new.isolation,
        // Decided once: the agent can change the configuration of its repository.
        egress: is_sandbox.then(|| egress.unwrap_or_else(|| default_egress(known_dir.as_deref(), &context.config.egress))),
        project_config: ProjectConfig::Ignore,
        labels: new.labels,
        profile: new.profile,
        trace_parent: new.trace_parent,
        response: new.response,
    };
    let moved_from = session.filter(|_| moves).map(|session| session.working_dir.clone());
    let attachments = new.attachments.into_iter().map(|new| new.attachment.content).collect();
    Ok(Checked {
        attachments,
        spec,
        directory,
        trust,
        moved_from,
        widened,
        secrets: RunSecrets { env: new.env, mcp_servers: new.mcp_servers },
        webhooks,
    })
}

/// The workspace of a run: that of its session, or a new one.
fn check_workspace(
    new: &NewRun,
    session: Option<&SessionRecord>,
    stays: bool,
    requester: Requester,
    context: &ValidationContext<'_>,
) -> Result<Option<WorkspaceSpec>, BadRun> {
    match &new.workspace {
        Some(_) if session.is_some() => Err(BadRun::SessionWorkspace),
        Some(request) => worktree::check(request, new.working_dir.as_deref(), requester, context.workspaces, context.config).map(Some),
        None => Ok(context.inherited.clone().filter(|_| stays)),
    }
}

/// What the agent of a run determines.
#[derive(Default)]
struct AgentChecks {
    /// Fields and arguments that extend the agent's permissions.
    widened: Vec<String>,
    level: Option<IsolationLevel>,
    /// Whether the session moves to the directory of the request.
    moves: bool,
}

/// Checks what depends on the agent. Without the agent, nothing is known of its arguments and capabilities.
fn check_agent(
    new: &NewRun,
    agent_type: &str,
    caller: &Caller,
    session: Option<&SessionRecord>,
    capabilities: Capabilities,
    context: &ValidationContext<'_>,
    faults: &mut Vec<BadRun>,
) -> AgentChecks {
    if !context.agents.contains(agent_type) {
        faults.push(BadRun::UnknownAgent { name: agent_type.to_owned(), known: context.agents.names().collect::<Vec<_>>().join(", ") });
        return AgentChecks::default();
    }
    let (mut widened, mut level, mut moves) = (Vec::new(), None, false);
    if let Some(session) = session {
        match check_session(agent_type, new.working_dir.as_deref(), session, capabilities) {
            Ok(is_elsewhere) => moves = is_elsewhere,
            Err(fault) => faults.push(fault),
        }
    }
    match context.agents.classify_args(agent_type, &new.extra_args) {
        Ok(allowed) if !allowed.0.is_empty() && !caller.is_admin() => faults.push(BadRun::ArgsNeedAdmin { flags: allowed.0 }),
        Ok(allowed) => widened = allowed.0,
        Err(error) => faults.push(error.into()),
    }
    faults.extend(check_permissions(new, agent_type, capabilities, context.agents));
    let mode = new.permission_mode.unwrap_or_default();
    match context.agents.check_isolation(agent_type, mode, new.isolation, caller.is_admin() || context.granted.isolation) {
        Ok(isolation) => level = isolation.map(|isolation| isolation.level),
        Err(error) => faults.push(error.into()),
    }
    faults.extend(new.instructions.as_deref().and_then(|text| check_instructions(text, agent_type, capabilities).err()));
    if !new.mcp_servers.is_empty() {
        let has_own = new.mcp_servers.len() > context.granted.mcp_servers;
        check_mcp_servers(&new.mcp_servers, agent_type, caller.is_admin() || !has_own, capabilities, faults);
        widened.extend(has_own.then(|| "mcp_servers".to_owned()));
    }
    AgentChecks { widened, level, moves }
}

/// Whether the request uses a feature that not every agent supports. Only then are the agent's capabilities needed.
pub(super) fn needs_capabilities(new: &NewRun) -> bool {
    new.session.is_some()
        || new.model.is_some()
        || new.permission_mode.unwrap_or_default() != PermissionMode::Auto
        || !new.permission_rules.is_empty()
        || !new.mcp_servers.is_empty()
        || new.instructions.is_some()
        || !new.spend_limits.is_empty()
        || !new.attachments.is_empty()
        || new.on_rate_limit == OnRateLimit::Wait
}

/// The agent of a request, with defaults applied.
pub(super) fn agent_type_of<'a>(new: &'a NewRun, session: Option<&'a SessionRecord>) -> &'a str {
    new.agent_type.as_deref().or(session.map(|session| session.agent_type.as_str())).unwrap_or(DEFAULT_AGENT)
}

/// Checks a run that continues a session. Returns whether the session moves to `working_dir`.
fn check_session(
    agent_type: &str,
    working_dir: Option<&Path>,
    session: &SessionRecord,
    capabilities: Capabilities,
) -> Result<bool, BadRun> {
    if agent_type != session.agent_type {
        return Err(BadRun::SessionAgent(session.agent_type.clone()));
    }
    if !capabilities.resume {
        return Err(BadRun::CannotResume(agent_type.to_owned()));
    }
    let is_same = |path: &Path| path == session.working_dir || path.canonicalize().is_ok_and(|path| path == session.working_dir);
    let moves = !working_dir.is_none_or(is_same);
    if moves && !capabilities.move_session {
        return Err(BadRun::SessionDirectory(agent_type.to_owned()));
    }
    Ok(moves)
}

fn check_instructions(text: &str, agent: &str, capabilities: Capabilities) -> Result<(), BadRun> {
    if !capabilities.instructions {
        return Err(BadRun::NoInstructions(agent.to_owned()));
    }
    check_text(text)
}

/// Checks instructions.
pub(super) fn check_text(text: &str) -> Result<(), BadRun> {
    match text {
        text if text.len() > MAX_INSTRUCTIONS => Err(BadRun::InstructionsTooLong),
        text if text.trim().is_empty() || text.contains('\0') => Err(BadRun::Instructions),
        _ => Ok(()),
    }
}

fn check_prompt(prompt: &str) -> Option<BadRun> {
    if prompt.trim().is_empty() {
        return Some(BadRun::PromptEmpty);
    }
    if prompt.len() > MAX_PROMPT {
        return Some(BadRun::PromptTooLong);
    }
    prompt.contains('\0').then_some(BadRun::PromptNul)
}

/// Checks that the agent keeps the permission mode and the rules.
fn check_permissions(new: &NewRun, agent: &str, capabilities: Capabilities, agents: &Agents) -> Option<BadRun> {
    if (new.permission_mode.unwrap_or_default() != PermissionMode::Auto || !new.permission_rules.is_empty()) && !capabilities.permissions {
        return Some(BadRun::CannotAsk { agent: agent.to_owned() });
    }
    let reason = agents.unsupported_mode(agent, new.permission_mode.unwrap_or_default())?;
    Some(BadRun::CannotKeepMode { agent: agent.to_owned(), reason })
}

fn check_timeouts(new: &NewRun, faults: &mut Vec<BadRun>) {
    let is_valid = |limit: Duration| !limit.is_zero() && limit <= MAX_TIMEOUT;
    for (field, limit) in [("timeout_secs", new.timeout), ("idle_timeout_secs", new.idle_timeout)] {
        if !limit.is_none_or(is_valid) {
            faults.push(BadRun::Timeout { field });
        }
    }
}

/// Checks whether the run can wait for a limit to reset. `max` is the operator's maximum.
fn check_wait(new: &NewRun, agent: &str, capabilities: Capabilities, max: Duration) -> Option<BadRun> {
    match (new.on_rate_limit, new.max_wait) {
        (OnRateLimit::Fail, Some(_)) => Some(BadRun::MaxWaitWithoutWait),
        (OnRateLimit::Wait, _) if !capabilities.resume => Some(BadRun::CannotWait(agent.to_owned())),
        (OnRateLimit::Wait, Some(wait)) if wait.is_zero() || wait > max => Some(BadRun::MaxWait { max }),
        (OnRateLimit::Fail | OnRateLimit::Wait, _) => None,
    }
}

/// Checks that the agent reports what the limits of the request and of the owner count.
fn check_spend_limits(
    requested: SpendLimits,
    of_owner: SpendLimits,
    agent: &str,
    continues: bool,
    capabilities: Capabilities,
    faults: &mut Vec<BadRun>,
) {
    faults.extend(requested.zero().map(BadRun::ZeroSpendLimit));
    let limits = requested.stricter(of_owner);
    let unreported = SpendKind::ALL.into_iter().filter(|kind| limits.has(*kind) && !capabilities.usage.covers(*kind, continues));
    faults.extend(unreported.map(|kind| BadRun::SpendNotReported { agent: agent.to_owned(), kind, is_requested: requested.has(kind) }));
}

/// Compiles the rules. They are compiled again when the run starts: compiled ones of all queued runs would take much memory.
pub(super) fn check_rules(specs: &[RuleSpec], faults: &mut Vec<BadRun>) {
    if specs.len() > MAX_RULES {
        faults.push(BadRun::TooManyRules);
    } else if let Err(problems) = Rule::compile(specs) {
        faults.extend(problems.into_iter().map(|problem| match problem {
            BadRules::Rule { index, error } => BadRun::Rule { index, error },
            BadRules::TooLong => BadRun::RulesTooLong,
        }));
    }
}

fn check_env(env: &BTreeMap<String, String>, caller: &Caller, user_env: &[String], faults: &mut Vec<BadRun>) {
    if env.len() > MAX_ENV_VARS {
        faults.push(BadRun::TooManyEnvVars);
        return;
    }
    if env.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > MAX_ENV_BYTES {
        faults.push(BadRun::EnvTooLong);
    }
    for (name, value) in env {
        let starts_valid = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        let is_valid_name =
            starts_valid && name.len() <= MAX_ENV_NAME && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let may_set = caller.is_admin() || user_env.contains(name);
        if !is_valid_name {
            faults.push(BadRun::EnvName(name.clone()));
        } else if value.contains('\0') || value.len() > MAX_ENV_VALUE {
            faults.push(BadRun::EnvValue(name.clone()));
        } else if !may_set || crate::agent::is_kept_from_agents(name) {
            faults.push(BadRun::EnvNotAllowed(name.clone()));
        }
    }
}

/// The list of hosts that a run asks for, if it does.
fn check_egress(
    requested: Option<&[String]>,
    is_sandbox: bool,
    policy: &EgressPolicy,
    faults: &mut Vec<BadRun>,
) -> Option<Vec<HostPattern>> {
    let requested = requested?;
    if requested.len() > MAX_EGRESS {
        faults.push(BadRun::TooManyHosts);
        return None;
    }
    if !is_sandbox && !requested.is_empty() {
        faults.push(BadRun::EgressLevel);
        return None;
    }
    let mut hosts: Vec<HostPattern> = Vec::new();
    for (index, text) in requested.iter().enumerate() {
        let checked = text.parse::<HostPattern>().map_err(|bad| bad.to_string());
        match checked.and_then(|host| policy.check(&host).map(|()| host).map_err(|error| error.to_string())) {
            Ok(host) => hosts.push(host),
            Err(problem) => faults.push(BadRun::EgressHost { index, problem }),
        }
    }
    Some(hosts)
}

/// The hosts of the git remotes of a directory, as far as the operator allows them.
fn default_egress(dir: Option<&Path>, policy: &EgressPolicy) -> Vec<HostPattern> {
    policy.covered(dir.map(remote_hosts).unwrap_or_default())
}

fn check_labels(labels: &BTreeMap<String, String>, faults: &mut Vec<BadRun>) {
    if labels.len() > MAX_LABELS {
        faults.push(BadRun::TooManyLabels);
        return;
    }
    for (name, value) in labels {
        if name.is_empty() {
            faults.push(BadRun::LabelName);
        } else if name.len() > MAX_LABEL_NAME || value.len() > MAX_LABEL_VALUE {
            faults.push(BadRun::LabelTooLong(name.clone()));
        }
    }
}

fn check_mcp_servers(servers: &[McpServer], agent: &str, may_add: bool, capabilities: Capabilities, faults: &mut Vec<BadRun>) {
    if !capabilities.mcp_servers {
        return faults.push(BadRun::NoMcpServers(agent.to_owned()));
    }
    // Rule S4: an MCP server is code that runs under the agent's account.
    if !may_add {
        return faults.push(BadRun::McpServersNeedAdmin);
    }
    check_servers(servers, faults);
}

/// Checks names, commands and URLs.
pub(super) fn check_servers(servers: &[McpServer], faults: &mut Vec<BadRun>) {
    let mut names = std::collections::BTreeSet::new();
    for (index, server) in servers.iter().enumerate() {
        let is_valid_name = !server.name.is_empty()
            && server.name.len() <= 64
            && server.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        let problem = match &server.transport {
            _ if !is_valid_name => Some("the name must consist of 1 to 64 letters, digits, _ and -"),
            _ if !names.insert(&server.name) => Some("the name is used twice"),
            McpTransport::Stdio { command, .. } if command.is_empty() => Some("command is empty"),
            McpTransport::Http { url, .. } if !(url.starts_with("http://") || url.starts_with("https://")) => {
                Some("url must start with http:// or https://")
            }
            McpTransport::Stdio { .. } | McpTransport::Http { .. } => None,
        };
        faults.extend(problem.map(|problem| BadRun::McpServer { index, problem }));
    }
}

/// Rule S3: a model name cannot be taken for a flag, a parent path or two arguments.
pub(super) fn is_valid_model(text: &str) -> bool {
    let starts_valid = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/@+[]-".contains(&byte);
    starts_valid && text.len() <= MAX_MODEL_BYTES && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    //! Rules: S3.

    use super::*;

    #[test]
    fn a_model_name_cannot_be_a_flag() {
        for good in ["opus", "claude-opus-4-5[1m]", "openrouter/anthropic/claude:beta", "gpt-5.5", "o3", "accounts/x@y+z"] {
            assert!(is_valid_model(good), "{good}");
        }
        for bad in ["", "-m", "--model", "a b", "a\n", "a\0", "ä", "$(x)", "a;b", "=x", &"x".repeat(129)] {
            assert!(!is_valid_model(bad), "{bad}");
        }
    }
}
