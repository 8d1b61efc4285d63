//! `openrunner backup`

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::cli::args::DataArgs;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::format::count;
use crate::config::{self, Settings};
use crate::run::store::{BackupSummary, SqliteStore};

/// Arguments of `backup`.
#[derive(Debug, Args)]
pub(in crate::cli) struct BackupArgs {
    /// File to write; `-` for standard output
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Overwrite an existing file
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    data: DataArgs,
}

/// Copies the database into a file.
pub(in crate::cli) fn backup(context: &Context, args: BackupArgs) -> anyhow::Result<Exit> {
    let Settings { data_dir, database_url, .. } = config::load(args.data.into(), &|name| std::env::var_os(name))?;
    if database_url.is_some() {
        let hint = "use PostgreSQL's `pg_dump` with the database in OPENRUNNER_DATABASE_URL, and copy the data directory for files";
        return Err(CliError::usage("this command backs up a database in a data directory, not one in PostgreSQL").hint(hint).into());
    }
    if args.file != Path::new("-") {
        let BackupSummary { bytes, runs, live } = SqliteStore::back_up(&data_dir, &args.file, args.force)?;
        let message = format!("Wrote {}: {}", args.file.display(), summary(BackupSummary { bytes, runs, live }));
        context.output.confirm(&message, &json!({ "file": args.file, "bytes": bytes, "runs": runs, "live_runs": live }))?;
        return Ok(Exit::Success);
    }
    let mut out = io::stdout();
    if out.is_terminal() {
        return Err(CliError::usage("FILE: cannot write a backup to a terminal").hint("name a file, or redirect standard output").into());
    }
    let saved = SqliteStore::back_up_into(&data_dir, &mut out)?;
    context.output.note(&summary(saved));
    Ok(Exit::Success)
}

fn summary(BackupSummary { bytes, runs, live }: BackupSummary) -> String {
    let live = if live > 0 { format!(" ({live} live)") } else { String::new() };
    format!("{}{live}, {} MiB", count(runs, "run"), bytes.div_ceil(1024 * 1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_counts_runs() {
        assert_eq!(summary(BackupSummary { bytes: 1, runs: 1, live: 0 }), "1 run, 1 MiB");
        assert_eq!(summary(BackupSummary { bytes: 3 << 20, runs: 2, live: 1 }), "2 runs (1 live), 3 MiB");
    }
}
