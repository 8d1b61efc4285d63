//! What commands print: results on standard output, notes on standard error.

use std::io::{IsTerminal, Write};

use anstyle::Style;
use serde_json::Value;

use super::args::OutputArgs;
use super::sanitize;

/// How to print, as the global flags say.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Output {
    /// Print JSON instead of text.
    pub(super) json: bool,
    /// No notes and no confirmations.
    pub(super) quiet: bool,
    /// Every request.
    pub(super) verbose: bool,
}

impl From<OutputArgs> for Output {
    fn from(args: OutputArgs) -> Self {
        Self { json: args.json, quiet: args.quiet, verbose: args.verbose }
    }
}

impl Output {
    /// Confirms what a command has done: as `document` with `--json`, as `message` otherwise, and not at all with `--quiet`.
    ///
    /// # Errors
    /// If standard output cannot be written.
    pub(super) fn confirm(self, message: &str, document: &Value) -> anyhow::Result<()> {
        match self {
            Self { json: true, .. } => print_json(document),
            Self { quiet: true, .. } => Ok(()),
            Self { .. } => print_line(message),
        }
    }

    /// Writes a line to standard error, unless `--quiet` or `--json` is given.
    pub(super) fn note(self, message: &str) {
        if !self.quiet && !self.json {
            let dim = Style::new().dimmed();
            anstream::eprintln!("{dim}{}{dim:#}", sanitize::line(message));
        }
    }

    /// The same for details that only a person at a terminal needs, or a script that asks for them with `--verbose`.
    pub(super) fn detail(self, message: &str) {
        if self.verbose || std::io::stderr().is_terminal() {
            self.note(message);
        }
    }

    /// Writes a warning to standard error, also with `--quiet`, but not beside JSON.
    pub(super) fn warn(self, message: &str) {
        if !self.json {
            let style = anstyle::AnsiColor::Yellow.on_default().bold();
            anstream::eprintln!("{style}warning:{style:#} {}", sanitize::line(message));
        }
    }
}

/// Prints a JSON document.
///
/// # Errors
/// If standard output cannot be written.
pub(super) fn print_json(value: &Value) -> anyhow::Result<()> {
    print_line(&serde_json::to_string_pretty(value)?)
}

/// Prints a line.
///
/// # Errors
/// If standard output cannot be written.
pub(super) fn print_line(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(anstream::stdout(), "{line}")?)
}
