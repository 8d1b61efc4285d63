//! `openrunner completions` and `openrunner man`: made from the command line's own form, so that they are never out of date.

use std::io::{self, Write};

use clap::CommandFactory;

use super::Cli;
use super::exit::Exit;

/// Prints a completion script.
pub(super) fn completions(shell: clap_complete::Shell) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "openrunner", &mut script);
    io::stdout().write_all(&script)?;
    Ok(Exit::Done)
}

/// Prints the manual page, with a section for each command.
pub(super) fn man() -> anyhow::Result<Exit> {
    let mut page = Vec::new();
    let mut command = Cli::command();
    command.build();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        // A page in a page: the name as it is typed, and the sections without another title line.
        let man = clap_mangen::Man::new(sub.clone().display_name(format!("openrunner {}", sub.get_name())));
        man.render_name_section(&mut page)?;
        man.render_synopsis_section(&mut page)?;
        man.render_options_section(&mut page)?;
    }
    io::stdout().write_all(&page)?;
    Ok(Exit::Done)
}
