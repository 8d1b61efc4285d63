//! A configured agent as a [`Program`].

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::diagnose::diagnose;
use super::jsonl::Jsonl;
use super::text::Text;
use super::{Definition, WireFormat};
use crate::agent::acp::{Acp, Control, Dialect, SessionOptions, initialize_request, initialized};
use crate::agent::common::attachments;
use crate::agent::presets::{EndpointVariables, Preset};
use crate::agent::probe::Prober;
use crate::agent::{
    Authenticated, Capabilities, ControlRequest, Environment, Inspection, Install, Installed, Invocation, Location, Parser, Program,
    ProgramInfo, ReportInterval, Task, UsageReports,
};
use crate::process::probe_command::ProbeError;
use crate::redact::is_secret_name;
use crate::types::{Cause, Failure, ModelEndpoint, PermissionMode};

/// The variants of a preset's program, by what it states that it cannot do: continue a conversation, and take images.
const WITHOUT_SESSIONS: &str = "without_sessions";
const WITHOUT_IMAGES: &str = "without_images";
const WITHOUT_BOTH: &str = "without_sessions_and_images";
/// Maximum length of a conversation's id on a command line in bytes.
const MAX_SESSION_ID: usize = 256;

/// An agent that is defined in the settings.
///
/// Its flags are unknown, so `extra_args` are for admins only. Unless it is a preset, it is never run for an inspection, because an unknown
/// program might do anything when called with `--version`.
#[derive(Clone, Debug)]
pub struct Configured {
    definition: Definition,
    info: ProgramInfo,
    /// The configuration in the server's environment that a preset's own is added to.
    own_config: Option<String>,
}

impl Configured {
    /// The agent of `definition`.
    pub fn new(definition: Definition) -> Self {
        let info = info(&definition);
        Self { definition, info, own_config: None }
    }

    /// Sets the configuration that the agent has in the server's environment, for a preset that has one in a variable.
    #[must_use]
    pub fn with_own_config(mut self, own_config: Option<String>) -> Self {
        self.own_config = own_config;
        self
    }

    fn bad_arguments(&self, problem: &str) -> Failure {
        Failure::new(Cause::BadArguments, format!("agent {} {problem}", self.definition.name))
    }

    /// The variables to set, which direct the agent to the model at `endpoint`.
    fn variables(&self, endpoint: Option<&ModelEndpoint>) -> Result<BTreeMap<String, String>, Failure> {
        let mut env = self.definition.set_env.clone();
        env.extend(self.definition.secret_env.clone());
        if let Some(variable) = self.definition.preset.and_then(|preset| preset.config_variable) {
            let own = env.get(variable).map(String::as_str).or(self.own_config.as_deref());
            let config = Preset::asking_config(own, endpoint)
                .ok_or_else(|| self.bad_arguments(&format!("has a {variable} that is not a JSON object")))?;
            env.insert(variable.to_owned(), config);
        }
        if let Some(endpoint) = endpoint {
            // Other keys would take precedence, or would be sent as well.
            env.retain(|name, value| !is_secret_name(name) && !self.definition.secret_env.values().any(|secret| secret == value));
            if let Some(EndpointVariables::Named { key, url, .. }) = self.definition.preset.and_then(|preset| preset.endpoint) {
                env.insert(key.to_owned(), endpoint.key.expose().to_owned());
                env.insert(url.to_owned(), endpoint.base_url.clone());
            }
        }
        Ok(env)
    }

    /// Rejects a task that needs more than a prompt and an answer.
    fn check_one_shot(&self, task: &Task) -> Result<(), Failure> {
        if task.spec.permission_mode != PermissionMode::Auto {
            return Err(self.bad_arguments("uses tools without asking and supports only permission_mode `auto`"));
        }
        if !task.mcp_servers.is_empty() {
            return Err(self.bad_arguments("takes no mcp_servers"));
        }
        if task.spec.model.is_some() && self.definition.model_args.is_empty() {
            return Err(self.bad_arguments("takes no model; set `model_args` in its settings"));
        }
        if task.resume.is_some() && self.definition.resume_args.is_empty() {
            return Err(self.bad_arguments("cannot resume a conversation; set `resume_args` in its settings"));
        }
        // The id comes from the agent's output, so it must not be able to act as a flag.
        if task.resume.as_deref().is_some_and(|session| !is_safe_id(session)) {
            return Err(self.bad_arguments("has given the conversation an id that is not safe on a command line"));
        }
        Ok(())
    }
}

fn info(definition: &Definition) -> ProgramInfo {
    ProgramInfo {
        name: Cow::Owned(definition.name.clone()),
        protocol: definition.wire_format.as_str(),
        location: match &definition.program {
            path if path.starts_with('/') => Location::At(PathBuf::from(path)),
            name => Location::Named(Cow::Owned(name.clone())),
        },
        install: match (&definition.install, definition.preset) {
            (Some(command), _) => Install::Command(command.clone()),
            (None, Some(_)) => Install::Listed,
            (None, None) => Install::Unknown,
        },
        login_hint: Cow::Owned(definition.login.clone().unwrap_or_default()),
        environment: Environment { configured: definition.pass_env.clone(), ..Environment::default() },
        flags: Some(&[]),
        // For ACP, those of the protocol: which of them the agent supports is known only once it has started.
        capabilities: match definition.wire_format {
            WireFormat::Acp => Capabilities {
                resume: definition.preset.is_none_or(|preset| preset.resumes),
                // Many keep their conversations by directory.
                move_session: false,
                messages: true,
                steer: false,
                interrupt: true,
                permissions: definition.asks_at_all(),
                questions: true,
                models: true,
                mcp_servers: definition.preset.is_none_or(|preset| preset.mcp_servers),
                // The protocol has no field for them.
                instructions: false,
                images: true,
                files: true,
                usage: definition.preset.map_or(UsageReports::NONE, |preset| preset.dialect.usage),
            },
            WireFormat::Text => base_capabilities(definition),
            WireFormat::Jsonl(_) => Capabilities { usage: jsonl_usage(&definition.wire_format), ..base_capabilities(definition) },
        },
    }
}

fn base_capabilities(definition: &Definition) -> Capabilities {
    Capabilities { resume: !definition.resume_args.is_empty(), models: !definition.model_args.is_empty(), ..Capabilities::NONE }
}

/// What lines report whose fields are configured: totals, whenever they contain them.
fn jsonl_usage(format: &WireFormat) -> UsageReports {
    let WireFormat::Jsonl(fields) = format else { return UsageReports::NONE };
    let interval = |is_reported| if is_reported { ReportInterval::Turn } else { ReportInterval::Never };
    UsageReports {
        cost: interval(fields.cost_usd.is_some()),
        tokens: interval(fields.input_tokens.is_some() && fields.output_tokens.is_some()),
        continued_cost: true,
        ..UsageReports::NONE
    }
}

#[async_trait]
impl Program for Configured {
    fn info(&self) -> &ProgramInfo {
        &self.info
    }

    fn is_optional(&self) -> bool {
        self.definition.preset.is_some()
    }

    async fn inspect(&self, binary: &Path, prober: &Prober) -> Inspection {
        if let Some(error) = prober.missing_interpreter(binary).await {
            return Inspection { version: None, variant: "", authenticated: Authenticated::Unknown, error: Some(error) };
        }
        match self.definition.preset {
            Some(preset) => inspect_preset(&self.definition, preset, binary, prober).await,
            None => Inspection { version: None, variant: "", authenticated: Authenticated::Unknown, error: None },
        }
    }

    fn unsupported_mode(&self, mode: PermissionMode) -> Option<&'static str> {
        self.definition.unsupported_mode(mode)
    }

    fn command_files(&self) -> Vec<PathBuf> {
        self.definition.args.iter().map(PathBuf::from).filter(|path| path.is_absolute() && path.is_file()).collect()
    }

    fn capabilities(&self, variant: &str) -> Capabilities {
        let known = self.info.capabilities;
        let (resume, images) = match variant {
            WITHOUT_SESSIONS => (false, known.images),
            WITHOUT_IMAGES => (known.resume, false),
            WITHOUT_BOTH => (false, false),
            _ => (known.resume, known.images),
        };
        Capabilities { resume, images, ..known }
    }

    fn is_tested(&self, _variant: &str) -> bool {
        self.definition.preset.is_none_or(|preset| preset.tested)
    }

    fn reads_project_config(&self, _variant: &str) -> Option<&'static str> {
        Some("OpenRunner does not know how to make this agent ignore it")
    }

    fn secrets(&self) -> Vec<String> {
        let named = self.definition.set_env.iter().filter(|(name, _)| is_secret_name(name));
        named.chain(&self.definition.secret_env).map(|(_, value)| value.clone()).collect()
    }

    async fn control(&self, binary: &Path, prober: &Prober, request: ControlRequest<'_>) -> Result<bool, String> {
        if self.definition.wire_format != WireFormat::Acp {
            return Ok(false);
        }
        let args: Vec<&str> = self.definition.args.iter().map(String::as_str).collect();
        let prober = prober.clone().with_env(self.variables(None).map_err(|failure| failure.message)?);
        let mut control = Control::new(request, self.definition.auth_method.as_deref());
        let first = Control::open();
        match prober.hold_dialog(binary, &args, &first, |line| control.handle_line(line)).await {
            Ok(()) => control.outcome(),
            Err(ProbeError::TimedOut(limit)) => control.outcome().map_err(|error| format!("{error} within {} s", limit.as_secs())),
            Err(error) => Err(format!("it {error}")),
        }
    }

    fn invocation(&self, task: &Task, _installed: &Installed) -> Result<Invocation, Failure> {
        let mut args = self.definition.args.clone();
        if self.definition.wire_format == WireFormat::Acp {
            if task.spec.working_dir.to_str().is_none() {
                return Err(Failure::new(Cause::BadArguments, "the path of the working directory is not valid UTF-8"));
            }
            let mode = task.spec.permission_mode;
            if let Some(reason) = self.definition.unsupported_mode(mode) {
                return Err(self.bad_arguments(&format!("does not keep permission_mode {}: {reason}", mode_name(mode))));
            }
        } else {
            self.check_one_shot(task)?;
            let model = task.spec.model.iter().flat_map(|model| fill(&self.definition.model_args, "{model}", model));
            let resume = task.resume.iter().flat_map(|session| fill(&self.definition.resume_args, "{session}", session));
            args.extend(model.chain(resume).collect::<Vec<_>>());
        }
        args.extend(task.spec.extra_args.iter().cloned());
        let env = self.variables(task.endpoint.as_ref())?;
        Ok(Invocation { args, env: env.into_iter().collect(), files: attachments::input_files(task) })
    }

    fn parser(&self, task: &Task, _installed: &Installed) -> Box<dyn Parser> {
        match &self.definition.wire_format {
            WireFormat::Acp => {
                let known = self.definition.preset.map_or(Dialect::UNKNOWN, |preset| preset.dialect);
                let options = SessionOptions {
                    auth_method: self.definition.auth_method.clone(),
                    mode: self.definition.session_mode(task.spec.permission_mode),
                    config_options: self.definition.config_options.clone(),
                    login: self.definition.login.clone().unwrap_or_default(),
                    enforces_asking: true,
                };
                Box::new(Acp::new(task, Dialect { diagnose: Some(diagnose), ..known }).with_options(options))
            }
            WireFormat::Text => Box::new(Text::new(&task.spec.prompt)),
            WireFormat::Jsonl(fields) => Box::new(Jsonl::new(&task.spec.prompt, fields.as_ref().clone())),
        }
    }
}

fn fill(template: &[String], placeholder: &str, value: &str) -> Vec<String> {
    template.iter().map(|element| element.replace(placeholder, value)).collect()
}

fn is_safe_id(session: &str) -> bool {
    let first_is_plain = session.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    first_is_plain && session.len() <= MAX_SESSION_ID && session.bytes().all(allowed)
}

/// Asks a preset's program for its version and capabilities by `initialize`, which starts no session and calls no model.
async fn inspect_preset(definition: &Definition, preset: &Preset, binary: &Path, prober: &Prober) -> Inspection {
    let args: Vec<&str> = definition.args.iter().map(String::as_str).collect();
    let has_key = preset.keys.iter().any(|key| prober.var(key).is_some() || definition.secret_env.contains_key(*key));
    let authenticated = if has_key { Authenticated::Yes } else { Authenticated::Unknown };
    let request = initialize_request().to_string();
    let answer = prober.converse(binary, &args, &request, |line| initialized(line).is_some()).await;
    let (stated, error) = match answer {
        Ok(line) => match initialized(&line) {
            Some(Ok(stated)) => (Some(stated), None),
            Some(Err(error)) => (None, Some(error)),
            None => (None, None),
        },
        // It may be slow on a busy machine; a run has a time limit of its own.
        Err(ProbeError::TimedOut(_)) => (None, None),
        Err(error) => (None, Some(format!("it does not answer over the Agent Client Protocol: {error}"))),
    };
    let variant = match stated.as_ref().map(|stated| (stated.resumes, stated.images)) {
        // Without an answer it is known only when it starts.
        None | Some((true, true)) => "",
        Some((false, true)) => WITHOUT_SESSIONS,
        Some((true, false)) => WITHOUT_IMAGES,
        Some((false, false)) => WITHOUT_BOTH,
    };
    Inspection { version: stated.and_then(|stated| stated.version), variant, authenticated, error }
}

fn mode_name(mode: PermissionMode) -> &'static str {
    match mode {
        PermissionMode::Auto => "`auto`",
        PermissionMode::Ask => "`ask`",
        PermissionMode::ReadOnly => "`read_only`",
    }
}
