//! `demo`: an agent that needs nothing, for seeing how everything works before any real agent is installed.
//!
//! It is a program like the others, only that the program is this one: `openrunner demo-agent` is started as any agent is, speaks over
//! its stdin and stdout, and asks for permission before it writes. It has no model behind it and says so.

mod command;
mod parser;
pub mod script;
mod wire;

pub use command::Demo;
