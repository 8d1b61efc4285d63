//! Agents: how each program is found, started and understood, and the traits to add one.

pub mod acp;
pub mod flags;
pub mod opencode;
pub mod probe;
mod registry;
#[cfg(test)]
pub(crate) mod replay;
mod traits;

pub use registry::Registry;
pub use traits::{
    Agent, Authenticated, Environment, Fate, Inspection, Installed, Invocation, Item, Location, Mode, Output, Parser, Program, Result,
    Started, Task,
};
