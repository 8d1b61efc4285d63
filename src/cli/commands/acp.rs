//! `openrunner acp`

use clap::{Args, ValueEnum};

use crate::cli::acp::{Agent, Options, serve};
use crate::cli::context::Context;
use crate::cli::exit::{Exit, exit_codes};
use crate::types::ProfileName;

/// Arguments of `acp`.
#[derive(Debug, Args)]
#[command(after_help = exit_codes!())]
pub(in crate::cli) struct AcpArgs {
    /// Agent of new sessions (default: that of the server)
    #[arg(long, short, value_name = "NAME", alias = "agent")]
    agent_type: Option<String>,
    /// Model, by its name in the agent
    #[arg(long, short, value_name = "MODEL")]
    model: Option<String>,
    /// Profile of the runs
    #[arg(long, value_name = "NAME")]
    profile: Option<ProfileName>,
    /// How permissions are decided in new sessions
    #[arg(long, value_enum, default_value_t = Mode::Ask)]
    mode: Mode,
    /// Time limit of each turn in seconds; waiting for answers does not count
    #[arg(long, value_name = "SECS", default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..=604_800))]
    timeout: u64,
}

/// How permissions are decided.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Mode {
    /// Ask in the editor
    Ask,
    /// Allow everything
    Auto,
    /// Deny everything that changes something
    ReadOnly,
}

impl Mode {
    const fn name(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Auto => "auto",
            Self::ReadOnly => "read_only",
        }
    }
}

/// Serves an editor on standard input and output until the input ends. Runs go on without it.
///
/// # Errors
/// If no server can be reached at the start, or the input cannot be read.
pub(in crate::cli) async fn acp(context: &Context, args: AcpArgs) -> anyhow::Result<Exit> {
    let options = Options {
        agent_type: args.agent_type,
        model: args.model,
        profile: args.profile.map(|name| name.to_string()),
        mode: args.mode.name(),
        timeout_secs: args.timeout,
    };
    serve(Agent::new(context.connect().await?, options), tokio::io::stdin(), tokio::io::stdout()).await?;
    Ok(Exit::Success)
}
