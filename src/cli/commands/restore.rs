//! `openrunner restore`

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::cli::args::DataArgs;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::format::count;
use crate::config::{self, Settings};
use crate::run::store::{RestoreSummary, SqliteStore};

/// Arguments of `restore`.
#[derive(Debug, Args)]
pub(in crate::cli) struct RestoreArgs {
    /// Backup to restore
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Replace an existing database, which is kept under another name
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    data: DataArgs,
}

/// Makes a backup the database of a data directory.
pub(in crate::cli) fn restore(context: &Context, args: RestoreArgs) -> anyhow::Result<Exit> {
    let Settings { data_dir, database_url, .. } = config::load(args.data.into(), &|name| std::env::var_os(name))?;
    if database_url.is_some() {
        let hint = "use PostgreSQL's `pg_restore` with the database in OPENRUNNER_DATABASE_URL, and copy the data directory for files";
        return Err(CliError::usage("this command restores a database in a data directory, not one in PostgreSQL").hint(hint).into());
    }
    let RestoreSummary { runs, live, replaced } = SqliteStore::restore(&args.file, &data_dir, args.force)?;
    if live > 0 {
        context.output.note(&format!("{} live at the time of the backup; the next start ends them as interrupted", count(live, "run")));
    }
    if let Some(replaced) = &replaced {
        context.output.note(&format!("the previous database is kept as {}; delete it when it is no longer needed", replaced.display()));
    }
    let message = format!("RestoreSummary {} from {} to {}", count(runs, "run"), args.file.display(), data_dir.display());
    let document = json!({ "data_dir": data_dir, "runs": runs, "live_runs": live, "previous_database": replaced });
    context.output.confirm(&message, &document)?;
    Ok(Exit::Success)
}
