//! `demo`: a built-in agent that needs no model, for trying things out before a real agent is installed.
//!
//! It takes the same path as every other agent: OpenRunner starts its own executable as `openrunner demo-agent`, talks to it over stdin
//! and stdout, and is asked for permission before it writes a file.

mod command;
mod parser;
pub mod script;
mod wire;

pub use command::Demo;
