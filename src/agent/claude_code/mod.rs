//! Claude Code: Anthropic's `claude` program, spoken with in its `stream-json` format.
//!
//! `command` starts it and `login` looks at it, `wire` is its JSON, `parser` is what that JSON means. What the program really does
//! was recorded with version 2.1.330; comments that say "seen in NAME" mean `tests/transcripts/claude_code/NAME`.

mod command;
mod diff;
mod failure;
mod flags;
mod info;
mod login;
mod parser;
mod permissions;
mod plan;
mod tools;
mod usage;
mod wire;

#[cfg(test)]
mod tests;

pub use command::ClaudeCode;
