//! Runs: their life, their log and where both are kept.

mod admission;
mod driver;
pub mod events;
mod handle;
mod manager;
mod request;
mod state;
pub mod store;
mod view;
mod workspace;

pub use crate::agent::{AgentReport, AgentSummary};
pub use manager::{CreateError, DeleteError, FindError, RunManager, RunSettings};
pub use request::{BadRun, DEFAULT_TIMEOUT, MAX_TIMEOUT, NewRun};
pub use state::{Input, Outcome, RunState, StopReason, WrongInput};
pub use view::{RunEnd, RunView};
pub use workspace::WorkspaceError;
