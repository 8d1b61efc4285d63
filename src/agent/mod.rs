//! Agents: finding, starting and parsing each program, and the traits for adding one.

pub mod acp;
mod agents;
pub mod claude_code;
pub mod codex;
mod common;
pub mod configured;
pub mod demo;
mod detect;
mod env;
pub mod flags;
pub mod handle;
mod input_files;
mod isolation;
mod login_hint;
mod message;
pub mod opencode;
mod output_schema;
mod prepared;
pub mod presets;
mod private_home;
pub mod probe;
mod program_info;
mod project_files;
mod registry;
#[cfg(test)]
#[path = "../../tests/replay/mod.rs"]
pub(crate) mod replay;
mod state_file;
mod traits;
mod versions;

pub use agents::{AgentReport, AgentSummary, Agents, Host, Start};
pub use env::is_kept_from_agents;
pub use isolation::{BadIsolation, IsolationPolicy};
pub use message::{FilePath, Image, Message, UserMessage};
pub use prepared::PreparedAgent;
pub use private_home::LoginFile;
pub use program_info::{Capabilities, Environment, Install, Location, ProgramInfo, ReportInterval, UsageReports};
pub use registry::Registry;
pub use traits::{
    Agent, Authenticated, ControlRequest, InputFile, Inspection, Installed, Invocation, Item, LineOutcome, Mode, Output, Parser, Program,
    Result, Started, Task,
};

/// Registers in-process agents. Add your own here: `registry.with_agent(MyAgent {})`. See [`Agent`].
pub fn register_in_process(registry: Registry) -> Registry {
    registry
}
