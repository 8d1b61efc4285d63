//! The command line's form.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::commands::ClientCommand;
use crate::config::Flags;

/// One durable HTTP service over the coding agents of this machine
#[derive(Debug, Parser)]
#[command(name = "openrunner", version, max_term_width = 110, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do; without it, serve.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Settings for serving.
    #[command(flatten)]
    pub flags: Flags,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the API; the same as no command at all
    Serve {
        /// Settings.
        #[command(flatten)]
        flags: Flags,
    },
    /// Show a whole run with the built-in agent, which needs nothing installed
    Demo {
        /// What the agent is to do
        #[arg(default_value = "create hello.py")]
        prompt: String,
        /// Folder that it works in (default: a fresh one in the temporary folder)
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Speaks with a server, or looks at this machine
    #[command(flatten)]
    Client(ClientCommand),
    /// Be the demo agent: started by the server, not by people
    #[command(hide = true, name = "demo-agent")]
    DemoAgent,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_command_serves_and_takes_the_same_flags() {
        let bare = Cli::parse_from(["openrunner", "--addr", "127.0.0.1:0"]);
        assert!(bare.command.is_none() && bare.flags.addr.is_some());
        let serve = Cli::parse_from(["openrunner", "serve", "--addr", "127.0.0.1:0"]);
        assert!(matches!(serve.command, Some(Command::Serve { flags }) if flags.addr.is_some()));
    }
}
