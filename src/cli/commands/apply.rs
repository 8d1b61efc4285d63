//! `openrunner run apply`

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;
use tokio::sync::mpsc;

use crate::cli::client::resolve_run;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::sanitize;
use crate::process::Exit as ProcessExit;
use crate::process::piped_command::PipedCommand;

/// Time limit of git.
const TIME: Duration = Duration::from_mins(5);

/// Address space of git, in bytes.
const MAX_MEMORY: u64 = 4 * 1024 * 1024 * 1024;

/// Variables that git gets.
const VARIABLES: [&str; 5] = ["HOME", "XDG_CONFIG_HOME", "LANG", "LC_ALL", "TMPDIR"];

/// Arguments of `run apply`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ApplyArgs {
    /// Run: an id, the start of one, or `last`
    #[arg(value_name = "RUN", default_value = "last")]
    run: String,
    /// Only the changes of this turn, counted from 1
    #[arg(long, value_name = "N")]
    turn: Option<u64>,
    /// Directory to apply the changes to (default: the current one)
    #[arg(long, short = 'C', value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Only check whether the changes can be applied
    #[arg(long)]
    check: bool,
    /// Undo the changes instead
    #[arg(long, short = 'R')]
    reverse: bool,
}

/// Applies what a run has changed to a directory, with `git apply`. All changes are applied, or none.
pub(in crate::cli) async fn apply(context: &Context, args: ApplyArgs) -> anyhow::Result<Exit> {
    let client = context.connect().await?;
    let id = resolve_run(&client, &args.run).await?;
    let query = [("turn", args.turn.map(|turn| turn.to_string()))];
    let patch = client.bytes(&format!("/api/runs/{id}/changes.patch"), &query).await?;
    let document = json!({ "run_id": id, "bytes": patch.len(), "check": args.check });
    if patch.is_empty() {
        context.output.confirm(&format!("{id} has changed nothing"), &document)?;
        return Ok(Exit::Success);
    }
    let dir = match args.dir {
        Some(dir) => dir,
        None => std::env::current_dir().context("cannot read the current directory")?,
    };
    let dir = dir.canonicalize().with_context(|| format!("--dir {}", dir.display()))?;
    let git = find_git().ok_or_else(|| CliError::not_found("git is not installed"))?;
    let mut command = vec!["apply", "--whitespace=nowarn"];
    command.extend(args.check.then_some("--check"));
    command.extend(args.reverse.then_some("--reverse"));
    let command: Vec<OsString> = command.into_iter().map(OsString::from).collect();
    let mut env: Vec<(&str, OsString)> = VARIABLES.iter().filter_map(|name| Some((*name, std::env::var_os(name)?))).collect();
    // The paths of the patch are relative to this directory, even if it is inside a repository.
    env.push(("GIT_CEILING_DIRECTORIES", dir.parent().unwrap_or(&dir).into()));
    let (sender, input) = mpsc::channel(1);
    // There is room for one.
    let _ = sender.try_send(patch.into());
    drop(sender);
    let command = PipedCommand { program: &git, args: &command, env: &env, dir: &dir, time: TIME, output: 1024 * 1024, memory: MAX_MEMORY };
    let done = command.run(Some(input)).await.context("git apply")?;
    if done.exit != ProcessExit::Code(0) {
        anyhow::bail!("git apply failed, and nothing was changed:\n{}", sanitize::text(done.stderr.trim()));
    }
    let done = if args.check { "can be applied" } else { "applied" };
    context.output.confirm(&format!("Changes of {id} {done} to {}", dir.display()), &document)?;
    Ok(Exit::Success)
}

/// Git, in one of the absolute directories of `PATH`: never one that lies in the directory.
fn find_git() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut found = std::env::split_paths(&path).filter(|dir| dir.is_absolute()).map(|dir| dir.join("git"));
    found.find(|git| git.is_file())
}
