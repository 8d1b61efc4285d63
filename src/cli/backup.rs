//! `openrunner backup` and `openrunner restore`: on the data folder itself, like `user` and `key`.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;

use super::DataFlags;
use super::exit::Stop;
use crate::config;
use crate::run::store::{BackupSummary, RestoreSummary, SqliteStore};

/// Carries out `openrunner backup`.
pub(super) fn backup(to: &Path, force: bool, data: DataFlags) -> anyhow::Result<ExitCode> {
    let data_dir = config::load(data.into(), &|name| std::env::var_os(name))?.data_dir;
    if to != Path::new("-") {
        let saved = SqliteStore::back_up(&data_dir, to, force)?;
        anstream::println!("{}: {}", to.display(), told(saved));
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = io::stdout();
    if out.is_terminal() {
        return Err(Stop::usage("a backup is not for a terminal; name a file, or pipe it somewhere").into());
    }
    let saved = SqliteStore::back_up_into(&data_dir, &mut out)?;
    anstream::eprintln!("{}", told(saved));
    Ok(ExitCode::SUCCESS)
}

/// Carries out `openrunner restore`.
pub(super) fn restore(from: &Path, force: bool, data: DataFlags) -> anyhow::Result<ExitCode> {
    let data_dir = config::load(data.into(), &|name| std::env::var_os(name))?.data_dir;
    let RestoreSummary { runs, live, replaced } = SqliteStore::restore(from, &data_dir, force)?;
    anstream::println!("{} has the {runs} runs of {} now", data_dir.display(), from.display());
    if live > 0 {
        anstream::println!("{live} of them were live when the backup was made; the next start ends them as interrupted");
    }
    if let Some(replaced) = replaced {
        anstream::println!("the database that was there is {} now; remove it when all is well", replaced.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn told(BackupSummary { bytes, runs, live }: BackupSummary) -> String {
    let mebibytes = bytes.div_ceil(1024 * 1024);
    format!("{runs} runs, {live} of them live, in {mebibytes} MiB")
}
