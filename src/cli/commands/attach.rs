//! `openrunner run attach`

use std::sync::Arc;

use clap::Args;

use crate::cli::args::RangeArgs;
use crate::cli::client::{RunSummary, resolve_run};
use crate::cli::context::Context;
use crate::cli::exit::{Exit, exit_codes};
use crate::cli::watch::{DetachMode, Screen, Watch};

/// Arguments of `run attach`.
#[derive(Debug, Args)]
#[command(after_help = exit_codes!())]
pub(in crate::cli) struct AttachArgs {
    /// Run: an id, the start of one, or `last`
    #[arg(value_name = "RUN")]
    run: String,
    #[command(flatten)]
    range: RangeArgs,
}

/// Follows a run. The exit code is that of the run.
pub(in crate::cli) async fn attach(context: &Context, args: AttachArgs) -> anyhow::Result<Exit> {
    let client = Arc::new(context.connect().await?);
    let id = resolve_run(&client, &args.run).await?;
    let run = RunSummary::fetch(&client, &id).await?;
    let screen = Screen::new(context.output, run.age());
    let detach_mode = DetachMode::Continues(context.attach_command(&id));
    Watch::new(client, id, args.range.after(run.last_seq), screen, !context.output.json, detach_mode).run().await
}
