//! `openrunner run rm`

use clap::Args;
use serde_json::json;

use crate::cli::client::resolve_run;
use crate::cli::context::Context;
use crate::cli::exit::Exit;

/// Arguments of `run rm`.
#[derive(Debug, Args)]
pub(in crate::cli) struct RmArgs {
    /// Runs: ids, starts of ids, or `last`
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<String>,
    /// Cancel live runs first
    #[arg(long)]
    force: bool,
}

/// Deletes ended runs with their events.
pub(in crate::cli) async fn rm(context: &Context, args: RmArgs) -> anyhow::Result<Exit> {
    let client = context.connect().await?;
    for name in &args.runs {
        let id = resolve_run(&client, name).await?;
        let path = format!("/api/runs/{id}");
        if args.force {
            client.post(&format!("{path}/cancel"), None).await?;
            // The end takes at most the grace periods of a stop.
            client.get(&format!("{path}?wait=60")).await?;
        }
        client.delete(&path).await?;
        context.output.confirm(&format!("Deleted {id}"), &json!({ "run_id": id }))?;
    }
    Ok(Exit::Success)
}
