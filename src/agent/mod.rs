//! Agents: how each program is found, started and understood, and the traits to add one.

pub mod acp;
mod agents;
pub mod claude_code;
pub mod codex;
mod conceal;
pub mod configured;
pub mod demo;
mod detect;
mod env;
pub mod flags;
pub mod handle;
pub mod opencode;
pub mod probe;
mod registry;
#[cfg(test)]
pub(crate) mod replay;
mod state_file;
mod traits;
mod versions;

pub use agents::{AgentReport, AgentSummary, Agents, Host, Start};
pub use env::is_kept_from_agents;
pub use registry::Registry;
pub use traits::{
    Agent, Authenticated, Capabilities, Environment, Inspection, Installed, Invocation, Item, LineOutcome, Location, Mode, Output, Parser,
    Program, Result, Started, Task,
};

/// Adds the agents of your own that live in this process: register each here, as in `registry.with_agent(MyAgent {})`. See [`Agent`].
pub fn register_own(registry: Registry) -> Registry {
    registry
}
