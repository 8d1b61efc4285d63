//! How the demo agent is started.

use std::path::Path;

use async_trait::async_trait;

use super::parser::DemoParser;
use crate::agent::flags::Flag;
use crate::agent::probe::Prober;
use crate::agent::{Authenticated, Capabilities, Environment, Inspection, Installed, Invocation, Location, Parser, Program, Task};
use crate::types::Failure;

/// The hidden subcommand that is the demo agent.
pub const SUBCOMMAND: &str = "demo-agent";

/// The demo agent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Demo;

#[async_trait]
impl Program for Demo {
    fn name(&self) -> &'static str {
        "demo"
    }

    fn protocol(&self) -> &'static str {
        "demo"
    }

    fn location(&self) -> Location<'_> {
        Location::BuiltIn
    }

    fn install_command(&self) -> &'static str {
        ""
    }

    fn login_hint(&self) -> &'static str {
        ""
    }

    fn environment(&self) -> Environment {
        Environment::default()
    }

    fn flags(&self) -> &'static [Flag] {
        &[]
    }

    fn capabilities(&self, _variant: &str) -> Capabilities {
        Capabilities { permissions: true, ..Capabilities::default() }
    }

    async fn inspect(&self, _binary: &Path, _prober: &Prober) -> Inspection {
        let version = Some(env!("CARGO_PKG_VERSION").to_owned());
        Inspection { version, variant: "", authenticated: Authenticated::Yes, error: None }
    }

    fn invocation(&self, _task: &Task, _installed: &Installed) -> Result<Invocation, Failure> {
        Ok(Invocation { args: vec![SUBCOMMAND.to_owned()], env: vec![] })
    }

    fn parser(&self, task: &Task, _installed: &Installed) -> Box<dyn Parser> {
        Box::new(DemoParser::new(task.spec.prompt.clone()))
    }
}
