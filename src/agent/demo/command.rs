//! Starts the demo agent.

use std::borrow::Cow;
use std::path::Path;

use async_trait::async_trait;

use super::parser::DemoParser;
use crate::agent::probe::Prober;
use crate::agent::{
    Authenticated, Capabilities, Environment, Inspection, Install, Installed, Invocation, Location, Parser, Program, ProgramInfo,
    ReportInterval, Task, UsageReports,
};
use crate::types::Failure;

/// The hidden subcommand that runs the demo agent.
pub const SUBCOMMAND: &str = "demo-agent";

/// The demo agent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Demo;

static INFO: ProgramInfo = ProgramInfo {
    name: Cow::Borrowed("demo"),
    protocol: "demo",
    location: Location::BuiltIn,
    install: Install::Unknown,
    login_hint: Cow::Borrowed(""),
    environment: Environment { prefixes: &[], names: &[], configured: Vec::new() },
    flags: None,
    capabilities: Capabilities {
        resume: true,
        messages: true,
        steer: true,
        interrupt: true,
        permissions: true,
        questions: true,
        move_session: true,
        instructions: true,
        usage: UsageReports {
            cost: ReportInterval::Call,
            tokens: ReportInterval::Turn,
            sub_agents: true,
            continued_cost: true,
            ..UsageReports::NONE
        },
        ..Capabilities::NONE
    },
};

#[async_trait]
impl Program for Demo {
    fn info(&self) -> &ProgramInfo {
        &INFO
    }

    async fn inspect(&self, _binary: &Path, _prober: &Prober) -> Inspection {
        let version = Some(env!("CARGO_PKG_VERSION").to_owned());
        Inspection { version, variant: "", authenticated: Authenticated::Yes, error: None }
    }

    fn invocation(&self, _task: &Task, _installed: &Installed) -> Result<Invocation, Failure> {
        Ok(Invocation { args: vec![SUBCOMMAND.to_owned()], ..Invocation::default() })
    }

    fn parser(&self, task: &Task, _installed: &Installed) -> Box<dyn Parser> {
        Box::new(DemoParser::new(&task.spec, task.resume.clone()))
    }
}
