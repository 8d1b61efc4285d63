//! The command line's form.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::commands::ClientCommand;
use crate::config::Flags;
use crate::types::{KeyId, Limit, LimitChange, Money, Scope, Tokens, UserName, UserRole};

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
    /// Copy the server's database into a file, also while the server runs
    Backup {
        /// The file; `-` for the standard output
        #[arg(value_name = "FILE")]
        to: PathBuf,
        /// Overwrite a file that is there
        #[arg(long)]
        force: bool,
        /// Which server's database.
        #[command(flatten)]
        data: DataFlags,
    },
    /// Make a backup the database of a data folder; no server may run on it
    Restore {
        /// The backup
        #[arg(value_name = "FILE")]
        from: PathBuf,
        /// Replace a database that is there; it is kept under another name
        #[arg(long)]
        force: bool,
        /// Which data folder.
        #[command(flatten)]
        data: DataFlags,
    },
    /// Make, change, list and remove users; a server that runs meanwhile sees it at once
    User {
        /// What to do with them.
        #[command(subcommand)]
        command: UserCommand,
    },
    /// Make, list and revoke API keys; a server that runs meanwhile sees it at once
    Key {
        /// What to do with them.
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Be the demo agent: started by the server, not by people
    #[command(hide = true, name = "demo-agent")]
    DemoAgent,
}

/// What to do with users. Passwords are asked for, or taken from a pipe; never from the command line, which others can see.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Make a user; the password is asked for, or the first line of standard input
    Add {
        /// Name
        name: UserName,
        /// What the user may do: user or admin
        #[arg(long, default_value = "user", value_parser = role)]
        role: UserRole,
        /// Which server's users.
        #[command(flatten)]
        data: DataFlags,
    },
    /// Set a user's password, which ends all tokens of the user
    Passwd {
        /// Name
        name: UserName,
        /// Which server's users.
        #[command(flatten)]
        data: DataFlags,
    },
    /// Set what a user may use in a day (UTC); what is not given stays as it is
    Budget {
        /// Name
        name: UserName,
        /// So many tokens, `unlimited`, or `default` for what the server's settings say
        #[arg(long, value_name = "N", value_parser = bound::<Tokens>, default_value = KEEP, hide_default_value = true)]
        tokens_per_day: LimitChange<Tokens>,
        /// So many US dollars, `unlimited`, or `default`
        #[arg(long, value_name = "USD", value_parser = bound::<Money>, default_value = KEEP, hide_default_value = true)]
        cost_per_day_usd: LimitChange<Money>,
        /// Which server's users.
        #[command(flatten)]
        data: DataFlags,
    },
    /// List all users
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
        /// Which server's users.
        #[command(flatten)]
        data: DataFlags,
    },
    /// Remove a user with all tokens and keys; the user's runs stay
    Remove {
        /// Name
        name: UserName,
        /// Which server's users.
        #[command(flatten)]
        data: DataFlags,
    },
}

/// What to do with API keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key and print it; it cannot be shown again
    Create {
        /// Whose it is to be
        #[arg(long)]
        user: UserName,
        /// What to call it
        #[arg(long)]
        name: String,
        /// What it may be used for: runs:read, runs:write, admin, metrics; may be given more than once
        #[arg(long = "scope", required = true, value_name = "SCOPE")]
        scopes: Vec<Scope>,
        /// Days until it ends (default: it lives until it is revoked)
        #[arg(long, value_name = "DAYS")]
        expires_in_days: Option<u32>,
        /// Which server's keys.
        #[command(flatten)]
        data: DataFlags,
    },
    /// List keys, newest first
    List {
        /// Only this user's
        #[arg(long)]
        user: Option<UserName>,
        /// As JSON
        #[arg(long)]
        json: bool,
        /// Which server's keys.
        #[command(flatten)]
        data: DataFlags,
    },
    /// Revoke a key
    Revoke {
        /// Its id: key_ and 32 digits
        id: KeyId,
        /// Which server's keys.
        #[command(flatten)]
        data: DataFlags,
    },
}

/// Where the data is that a command works on.
#[derive(Clone, Debug, Args)]
pub struct DataFlags {
    /// Settings file of the server (default: openrunner.toml in the data folder; also `OPENRUNNER_CONFIG`)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Data folder of the server (also `OPENRUNNER_DATA_DIR`)
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

impl From<DataFlags> for Flags {
    fn from(flags: DataFlags) -> Self {
        Self { config: flags.config, data_dir: flags.data_dir, ..Self::default() }
    }
}

/// What is not given. Nobody can type it by accident.
const KEEP: &str = "";

fn bound<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<LimitChange<T>, String> {
    match text {
        KEEP => Ok(LimitChange::Keep),
        "default" => Ok(LimitChange::Reset),
        "unlimited" => Ok(LimitChange::Set(Limit::NONE)),
        number => {
            let amount = number.parse().map_err(|error: T::Err| format!("{error}; or `unlimited`, or `default`"))?;
            Ok(LimitChange::Set(Limit::At(amount)))
        }
    }
}

fn role(text: &str) -> Result<UserRole, String> {
    UserRole::from_name(text).ok_or_else(|| "not a role: user or admin".to_owned())
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
