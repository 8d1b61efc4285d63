//! `openrunner man`

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Command};

use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::format::count;

/// Arguments of `man`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ManArgs {
    /// Write one page per command into this directory
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Prints the manual of the command tree as one page, or writes a page for each command.
pub(in crate::cli) fn man(context: &Context, args: &ManArgs, mut command: Command) -> anyhow::Result<Exit> {
    command.build();
    let Some(dir) = &args.dir else {
        let mut manual = page(&command, "openrunner")?;
        write_sections(&command, "openrunner", &mut manual)?;
        io::stdout().write_all(&manual)?;
        return Ok(Exit::Success);
    };
    fs::create_dir_all(dir).with_context(|| format!("cannot create --dir {}", dir.display()))?;
    let pages = write_pages(&command, "openrunner", dir)?;
    let message = format!("Wrote {} to {}", count(pages, "page"), dir.display());
    context.output.confirm(&message, &serde_json::json!({ "pages": pages, "dir": dir }))?;
    Ok(Exit::Success)
}

/// Appends name, synopsis and options of each subcommand.
fn write_sections(command: &Command, name: &str, manual: &mut Vec<u8>) -> anyhow::Result<()> {
    for sub in visible(command) {
        let name = format!("{name} {}", sub.get_name());
        let man = clap_mangen::Man::new(sub.clone().display_name(&name));
        man.render_name_section(manual)?;
        man.render_synopsis_section(manual)?;
        man.render_options_section(manual)?;
        write_sections(sub, &name, manual)?;
    }
    Ok(())
}

/// Writes the page of a command and those of its subcommands: `openrunner-run-ls.1` for `openrunner run ls`.
fn write_pages(command: &Command, name: &str, dir: &Path) -> anyhow::Result<u64> {
    let path = dir.join(format!("{name}.1"));
    fs::write(&path, page(command, name)?).with_context(|| format!("cannot write {}", path.display()))?;
    let mut pages = 1;
    for sub in visible(command) {
        pages += write_pages(sub, &format!("{name}-{}", sub.get_name()), dir)?;
    }
    Ok(pages)
}

/// The subcommands that have a page.
fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help")
}

fn page(command: &Command, name: &str) -> anyhow::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone().display_name(name)).title(name).render(&mut page)?;
    Ok(page)
}
