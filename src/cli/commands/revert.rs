//! `openrunner run revert`

use clap::Args;
use serde_json::{Value, json};

use crate::cli::client::resolve_run;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::format::{count, field};
use crate::cli::sanitize;

/// Arguments of `run revert`.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("state").required(true).args(["turn", "snapshot"])))]
pub(in crate::cli) struct RevertArgs {
    /// Run: an id, the start of one, or `last`
    #[arg(value_name = "RUN")]
    run: String,
    /// Only these files and directories, relative to the run's directory (default: all)
    #[arg(value_name = "PATH")]
    paths: Vec<String>,
    /// To the state after this turn, counted from 1; 0 for the start of the run
    #[arg(long, value_name = "N")]
    turn: Option<u64>,
    /// To a snapshot of the run, such as the one with which a revert is undone
    #[arg(long, value_name = "ID")]
    snapshot: Option<String>,
}

/// Reverts the directory of a run to an earlier state.
pub(in crate::cli) async fn revert(context: &Context, args: RevertArgs) -> anyhow::Result<Exit> {
    let client = context.connect().await?;
    let id = resolve_run(&client, &args.run).await?;
    let mut body = match (args.turn, args.snapshot) {
        (Some(turn), _) => json!({ "turn": turn }),
        (None, snapshot) => json!({ "snapshot": snapshot }),
    };
    if !args.paths.is_empty() {
        body["paths"] = args.paths.into();
    }
    let done = client.post(&format!("/api/runs/{id}/revert"), Some(&body)).await?;
    let files = count(done["files"].as_u64().unwrap_or(0), "file");
    let message = format!("Reverted {files}; undo it with `openrunner revert {id} --snapshot {}`", field(&done, "undo"));
    context.output.confirm(&message, &done)?;
    for file in done["untouched"].as_array().into_iter().flatten() {
        context.output.note(&format!("left as it is: {} ({})", sanitize::exact(&field(file, "path")), reason(file)));
    }
    Ok(Exit::Success)
}

fn reason(file: &Value) -> &'static str {
    match file["reason"].as_str() {
        Some("denied") => "the server may not write there",
        _ => "its present content is in no snapshot",
    }
}
