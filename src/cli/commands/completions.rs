//! `openrunner completions`

use std::io::{self, Write};

use clap::{Args, Command};

use crate::cli::exit::Exit;

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub(in crate::cli) struct CompletionsArgs {
    /// Shell
    shell: clap_complete::Shell,
}

/// Prints a completion script for the command tree.
pub(in crate::cli) fn completions(args: &CompletionsArgs, mut command: Command) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "openrunner", &mut script);
    io::stdout().write_all(&script)?;
    Ok(Exit::Success)
}
