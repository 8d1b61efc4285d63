//! `openrunner store migrate`

#[cfg(feature = "postgres")]
use std::path::PathBuf;

use clap::Args;
#[cfg(feature = "postgres")]
use serde_json::json;

use crate::cli::args::DataArgs;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
#[cfg(feature = "postgres")]
use crate::cli::format::count;
#[cfg(feature = "postgres")]
use crate::config;
#[cfg(feature = "postgres")]
use crate::run::store::{Progress, transfer_from_sqlite, transfer_to_sqlite};

/// Arguments of `store migrate`.
#[derive(Debug, Args)]
pub(in crate::cli) struct StoreMigrateArgs {
    /// Where to: the URL of an empty PostgreSQL database, or a data directory without a database
    #[arg(long, value_name = "URL|DIR")]
    to: String,
    #[command(flatten)]
    data: DataArgs,
}

/// Moves the content of the database in the data directory to PostgreSQL, or that of the database in the settings to a data directory.
#[cfg(feature = "postgres")]
pub(in crate::cli) async fn migrate(context: &Context, args: StoreMigrateArgs) -> anyhow::Result<Exit> {
    let settings = config::load(args.data.into(), &|name| std::env::var_os(name))?;
    let mut last: Option<Progress> = None;
    let progress = |now: Progress| {
        if let Some(done) = last.filter(|last| last.table != now.table) {
            context.output.note(&format!("{}: {}", done.table, count(done.rows, "row")));
        }
        last = Some(now);
    };
    let (moved, next) = if args.to.starts_with("postgres://") || args.to.starts_with("postgresql://") {
        let moved = transfer_from_sqlite(&settings.data_dir, &args.to, progress).await?;
        (moved, "set OPENRUNNER_DATABASE_URL to this URL, and keep the data directory: it holds the files of runs".to_owned())
    } else {
        let Some(url) = &settings.database_url else {
            let hint = "to move to PostgreSQL, pass its URL as --to; to move from it, set OPENRUNNER_DATABASE_URL";
            return Err(CliError::usage("--to is no URL, and the settings name no database to move from").hint(hint).into());
        };
        let directory = PathBuf::from(&args.to);
        let moved = transfer_to_sqlite(url.expose(), &directory, progress).await?;
        let remedy = format!("unset OPENRUNNER_DATABASE_URL, and use {} with the files of runs as the data directory", directory.display());
        (moved, remedy)
    };
    let message = format!("Moved {} of {}, verified by checksums", count(moved.rows, "row"), count(moved.runs, "run"));
    context.output.confirm(&message, &json!({ "rows": moved.rows, "runs": moved.runs }))?;
    context.output.note(&next);
    Ok(Exit::Success)
}

/// This program has no PostgreSQL.
#[cfg(not(feature = "postgres"))]
pub(in crate::cli) async fn migrate(_context: &Context, _args: StoreMigrateArgs) -> anyhow::Result<Exit> {
    std::future::ready(Err(CliError::usage("this program was built without PostgreSQL (feature `postgres`)").into())).await
}
