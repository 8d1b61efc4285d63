//! `openrunner run cancel`

use clap::Args;

use crate::cli::client::resolve_run;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::format::words;

/// Arguments of `run cancel`.
#[derive(Debug, Args)]
pub(in crate::cli) struct CancelArgs {
    /// Runs: ids, starts of ids, or `last`
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<String>,
}

/// Cancels runs. Runs that have ended stay as they are.
pub(in crate::cli) async fn cancel(context: &Context, args: CancelArgs) -> anyhow::Result<Exit> {
    let client = context.connect().await?;
    for name in &args.runs {
        let id = resolve_run(&client, name).await?;
        let run = client.post(&format!("/api/runs/{id}/cancel"), None).await?;
        context.output.confirm(&format!("{id} {}", words(&run, "status")), &run)?;
    }
    Ok(Exit::Success)
}
