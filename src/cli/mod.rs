//! What is typed: subcommands and what they print.

mod args;
mod client;
mod demo;
mod identity;
mod keys;
mod password;
mod render;
mod serve;
mod users;

pub use args::{Cli, Command, DataFlags, KeyCommand, UserCommand};

use std::process::ExitCode;

use crate::agent::demo::script;

/// Carries out a parsed command line. `umask` is the file mode mask that the process was started with, which agents get back.
///
/// # Errors
/// Anything that a person has to be told; the message says what to do about it.
pub fn run(cli: Cli, umask: rustix::fs::Mode) -> anyhow::Result<ExitCode> {
    match cli.command {
        None => serve::serve(cli.flags, umask),
        Some(Command::Serve { flags }) => serve::serve(flags, umask),
        Some(Command::Demo { prompt, dir }) => demo::demo(&prompt, dir, umask),
        Some(Command::User { command }) => users::user(command),
        Some(Command::Key { command }) => keys::key(command),
        Some(Command::DemoAgent) => Ok(script::play().map(|()| ExitCode::SUCCESS)?),
    }
}
