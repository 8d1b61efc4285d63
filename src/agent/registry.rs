//! The set of agents of a server, fixed when it starts.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Agent, Program};

/// The agents of a server, by name.
#[derive(Clone, Default)]
pub struct Registry {
    agents: BTreeMap<String, Entry>,
}

/// How an agent is run.
#[derive(Clone)]
pub(super) enum Entry {
    /// In this process.
    InProcess(Arc<dyn Agent>),
    /// As a program.
    Program(Arc<dyn Program>),
}

impl Registry {
    /// Adds an agent that runs in this process. Replaces an agent of the same name.
    #[must_use]
    pub fn with_agent(mut self, agent: impl Agent) -> Self {
        self.agents.insert(agent.name().to_owned(), Entry::InProcess(Arc::new(agent)));
        self
    }

    /// Adds an agent that is a program. Replaces an agent of the same name.
    #[must_use]
    pub fn with_program(mut self, program: impl Program) -> Self {
        self.agents.insert(program.info().name.clone().into_owned(), Entry::Program(Arc::new(program)));
        self
    }

    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.agents.keys().map(String::as_str)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.agents.iter().map(|(name, entry)| (name.as_str(), entry))
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}
