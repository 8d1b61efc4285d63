//! Claude Code: Anthropic's `claude` program, driven in its `stream-json` format.
//!
//! `command` starts it, `login` inspects the installation, `wire` has the format's types, and `parser` turns lines into events. The
//! program's behavior was recorded with version 2.1.330; comments that name a recording mean `tests/transcripts/claude_code/NAME`.

mod background;
mod command;
mod diff;
mod failure;
mod flags;
mod info;
mod login;
mod notices;
mod parser;
mod permissions;
mod plan;
mod tasks;
mod tools;
mod usage;
mod wire;

#[cfg(test)]
mod background_tests;
#[cfg(test)]
mod bounds_tests;
#[cfg(test)]
mod question_tests;
#[cfg(test)]
mod result_tests;
#[cfg(test)]
mod tests;

pub use command::ClaudeCode;
