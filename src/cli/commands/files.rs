//! `openrunner run files`

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};

use crate::cli::client::resolve_run;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::format::field;
use crate::cli::output::print_json;
use crate::cli::{sanitize, table, terminal};
use crate::types::encode_path;

/// Arguments of `run files`.
#[derive(Debug, Args)]
pub(in crate::cli) struct FilesArgs {
    /// Run: an id, the start of one, or `last`
    #[arg(value_name = "RUN", default_value = "last")]
    run: String,
    /// Directory to list, or file to print; relative to the run's directory (default: that directory)
    #[arg(value_name = "PATH")]
    path: Option<String>,
    /// The state after this turn, counted from 1; 0 for the start of the run (default: now)
    #[arg(long, value_name = "N")]
    turn: Option<u64>,
    /// Write the file, or the directory as a tar.gz archive, to this file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// With --output: an archive of the files that the run has changed
    #[arg(long, requires = "output", conflicts_with_all = ["path", "turn"])]
    changed: bool,
}

/// Lists a directory of a run, or prints a file.
pub(in crate::cli) async fn files(context: &Context, args: FilesArgs) -> anyhow::Result<Exit> {
    let client = context.connect().await?;
    let id = resolve_run(&client, &args.run).await?;
    let archive = format!("/api/runs/{id}/archive");
    if let (true, Some(output)) = (args.changed, &args.output) {
        return save(context, output, &client.bytes(&archive, &[("changed", Some("true".to_owned()))]).await?);
    }
    let turn = args.turn.map(|turn| turn.to_string());
    let query = [("path", args.path.clone()), ("turn", turn.clone()), ("limit", Some("200".to_owned()))];
    let list = match (client.list(&format!("/api/runs/{id}/files"), &query, true).await, &args.path) {
        (Err(error), Some(path)) if error.code() == "wrong_file_type" => {
            let file = client.bytes(&format!("/api/runs/{id}/files/{}", encode_path(path)), &[("turn", turn)]).await?;
            return match &args.output {
                Some(output) => save(context, output, &file),
                None => print(&file),
            };
        }
        (list, _) => list?,
    };
    if let Some(output) = &args.output {
        if args.turn.is_some() {
            return Err(CliError::usage("--turn: earlier states of directories cannot be archived; omit it, or give a file").into());
        }
        return save(context, output, &client.bytes(&archive, &[("path", args.path.as_deref().map(encode_path))]).await?);
    }
    if context.output.json {
        return print_json(&list.to_json()).map(|()| Exit::Success);
    }
    let row = |file: &Value| [field(file, "path"), field(file, "type"), field(file, "size"), field(file, "modified_at")];
    let rows: Vec<_> = list.items.iter().map(row).collect();
    table::print(context.output, ["path", "type", "size", "modified"], &rows)?;
    Ok(Exit::Success)
}

/// Prints a file byte by byte, or to a terminal as text that cannot control it.
fn print(content: &[u8]) -> anyhow::Result<Exit> {
    if terminal::is_stdout() {
        anstream::print!("{}", sanitize::text(&String::from_utf8_lossy(content)));
    } else {
        let mut out = std::io::stdout().lock();
        out.write_all(content)?;
        out.flush()?;
    }
    Ok(Exit::Success)
}

fn save(context: &Context, output: &Path, file: &[u8]) -> anyhow::Result<Exit> {
    std::fs::write(output, file).with_context(|| format!("cannot write --output {}", output.display()))?;
    let document = json!({ "output": output.display().to_string(), "size": file.len() });
    context.output.confirm(&format!("Wrote {} ({} bytes)", output.display(), file.len()), &document)?;
    Ok(Exit::Success)
}
