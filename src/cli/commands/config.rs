//! `openrunner config`

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::output::print_json;
use crate::cli::table;
use crate::config::{self, Flags, resolve, template};

/// Arguments of `config show`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ShowArgs {
    #[command(flatten)]
    flags: Flags,
}

/// Shows the settings of the server. Secrets are masked.
pub(in crate::cli) fn show(context: &Context, args: ShowArgs) -> anyhow::Result<Exit> {
    let settings = resolve(args.flags, &|name| std::env::var_os(name))?;
    if context.output.json {
        return print_json(&json!({ "items": settings, "next_cursor": null })).map(|()| Exit::Success);
    }
    let rows: Vec<_> = settings
        .into_iter()
        .map(|setting| {
            let value = match setting.value {
                Value::String(text) => text,
                Value::Null => "none".to_owned(),
                other => other.to_string(),
            };
            [setting.name.to_owned(), value, setting.origin.to_string(), setting.variable.unwrap_or("file only").to_owned()]
        })
        .collect();
    table::print(context.output, ["setting", "value", "origin", "variable"], &rows)?;
    Ok(Exit::Success)
}

/// Arguments of `config init`.
#[derive(Debug, Args)]
pub(in crate::cli) struct InitArgs {
    /// File to write; `-` for standard output (default: openrunner.toml in the data directory)
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Overwrite an existing file
    #[arg(long)]
    force: bool,
    /// Data directory of the server [env: `OPENRUNNER_DATA_DIR`]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// Writes a settings file in which every setting is commented out.
pub(in crate::cli) fn init(context: &Context, args: InitArgs) -> anyhow::Result<Exit> {
    let path = match args.file {
        Some(path) if path == Path::new("-") => {
            io::stdout().write_all(template().as_bytes())?;
            return Ok(Exit::Success);
        }
        Some(path) => path,
        None => {
            let flags = Flags { data_dir: args.data_dir, ..Flags::default() };
            let data_dir = config::load(flags, &|name| std::env::var_os(name))?.data_dir;
            let create = DirBuilder::new().recursive(true).mode(0o700).create(&data_dir);
            create.with_context(|| format!("cannot create the directory {}", data_dir.display()))?;
            data_dir.join("openrunner.toml")
        }
    };
    // The file may get secrets.
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600).create(true).create_new(!args.force).truncate(args.force);
    let mut file = options.open(&path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => CliError::failed(format!("{} exists", path.display())).hint("overwrite it with --force").into(),
        _ => anyhow::Error::new(error).context(format!("cannot write {}", path.display())),
    })?;
    file.write_all(template().as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
    context.output.confirm(&format!("Wrote {}", path.display()), &json!({ "file": path }))?;
    Ok(Exit::Success)
}
