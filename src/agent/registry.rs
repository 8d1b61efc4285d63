//! Which agents there are: a closed set, fixed when the server starts.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Agent, Program};

/// The agents of a server, by name.
#[derive(Clone, Default)]
pub struct Registry {
    agents: BTreeMap<String, Entry>,
}

/// How one agent is carried out.
#[derive(Clone)]
pub(super) enum Entry {
    /// In this process.
    InProcess(Arc<dyn Agent>),
    /// By a program.
    Program(Arc<dyn Program>),
}

impl Registry {
    /// Adds an agent that lives in this process. One of the same name is replaced.
    #[must_use]
    pub fn with_agent(mut self, agent: impl Agent) -> Self {
        self.agents.insert(agent.name().to_owned(), Entry::InProcess(Arc::new(agent)));
        self
    }

    /// Adds an agent that is a program. One of the same name is replaced.
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
