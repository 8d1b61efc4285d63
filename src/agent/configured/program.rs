//! A configured agent as a [`Program`].

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::diagnose::diagnose;
use super::jsonl::Jsonl;
use super::text::Text;
use super::{Definition, WireFormat};
use crate::agent::acp::{Acp, Dialect, SessionOptions};
use crate::agent::probe::Prober;
use crate::agent::{
    Authenticated, Capabilities, Environment, Inspection, Install, Installed, Invocation, Location, Parser, Program, ProgramInfo, Task,
};
use crate::types::{Cause, Failure, PermissionMode};

/// Maximum length of a conversation's id on a command line in bytes.
const MAX_SESSION_ID: usize = 256;

/// An agent that is defined in the settings.
///
/// Its flags are unknown, so `extra_args` are for admins only. It is never run for an inspection, because an unknown program might do
/// anything when called with `--version`.
#[derive(Clone, Debug)]
pub struct Configured {
    definition: Definition,
    info: ProgramInfo,
}

impl Configured {
    /// The agent of `definition`.
    pub fn new(definition: Definition) -> Self {
        let info = info(&definition);
        Self { definition, info }
    }

    fn bad_arguments(&self, problem: &str) -> Failure {
        Failure::new(Cause::BadArguments, format!("agent {} {problem}", self.definition.name))
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
        install: definition.install.clone().map_or(Install::Unknown, Install::Command),
        login_hint: Cow::Owned(definition.login.clone().unwrap_or_default()),
        environment: Environment { configured: definition.pass_env.clone(), ..Environment::default() },
        flags: Some(&[]),
        // For ACP, those of the protocol: which of them the agent supports is known only once it has started.
        capabilities: match definition.wire_format {
            WireFormat::Acp => Capabilities {
                resume: true,
                messages: true,
                steer: false,
                interrupt: true,
                permissions: true,
                questions: false,
                models: true,
                mcp_servers: true,
            },
            WireFormat::Text | WireFormat::Jsonl(_) => {
                Capabilities { resume: !definition.resume_args.is_empty(), models: !definition.model_args.is_empty(), ..Capabilities::NONE }
            }
        },
    }
}

#[async_trait]
impl Program for Configured {
    fn info(&self) -> &ProgramInfo {
        &self.info
    }

    async fn inspect(&self, _binary: &Path, _prober: &Prober) -> Inspection {
        Inspection { version: None, variant: "", authenticated: Authenticated::Unknown, error: None }
    }

    fn invocation(&self, task: &Task, _installed: &Installed) -> Result<Invocation, Failure> {
        let mut args = self.definition.args.clone();
        if self.definition.wire_format == WireFormat::Acp {
            if task.spec.working_dir.to_str().is_none() {
                return Err(Failure::new(Cause::BadArguments, "the path of the working directory is not valid UTF-8"));
            }
        } else {
            self.check_one_shot(task)?;
            let model = task.spec.model.iter().flat_map(|model| fill(&self.definition.model_args, "{model}", model));
            let resume = task.resume.iter().flat_map(|session| fill(&self.definition.resume_args, "{session}", session));
            args.extend(model.chain(resume).collect::<Vec<_>>());
        }
        args.extend(task.spec.extra_args.iter().cloned());
        Ok(Invocation { args, env: self.definition.set_env.clone().into_iter().collect() })
    }

    fn parser(&self, task: &Task, _installed: &Installed) -> Box<dyn Parser> {
        match &self.definition.wire_format {
            WireFormat::Acp => {
                let dialect = Dialect { diagnose: Some(diagnose), ..Dialect::UNKNOWN };
                let mode = self.definition.session_mode.clone();
                Box::new(Acp::new(task, dialect).with_options(SessionOptions { mode, ..SessionOptions::default() }))
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
