//! `demo`: a built-in agent that needs no model, for trying things out before a real agent is installed.
//!
//! It takes the same path as every other agent: OpenRunner starts its own executable as `openrunner demo-agent`, talks to it over stdin
//! and stdout, and is asked for permission before it uses a tool. Words in a message decide what it does, so that every event that an
//! agent can cause is available on request.
//!
//! `command` and `parser` run in the server. The agent's own process is `script`: `words` turns a message into steps, `turn` and
//! `output` carry a conversation, and `steps` carries out each step.

mod command;
mod conversation;
mod files;
mod output;
mod parser;
pub mod script;
mod steps;
#[cfg(test)]
mod tests;
mod tools;
mod turn;
mod wire;
mod words;

pub use command::Demo;
