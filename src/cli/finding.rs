//! Results of checks, as `doctor` and `agent check` print them.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::sanitize;

/// The severity of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// Works, with a restriction.
    Warning,
    /// Does not work.
    Error,
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What was checked.
    pub(super) check: String,
    /// The severity.
    pub(super) level: Level,
    /// The result.
    pub(super) message: String,
    /// How to fix it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hint: Option<String>,
}

impl Finding {
    pub(super) fn ok(check: &str, message: impl Into<String>) -> Self {
        Self { check: check.to_owned(), level: Level::Ok, message: message.into(), hint: None }
    }

    pub(super) fn warning(check: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { check: check.to_owned(), level: Level::Warning, message: message.into(), hint: Some(hint.into()) }
    }

    pub(super) fn error(check: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { level: Level::Error, ..Self::warning(check, message, hint) }
    }
}

/// Prints findings, one line each, with the hint below.
///
/// # Errors
/// If standard output cannot be written.
pub(super) fn print(findings: &[Finding]) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    let dim = Style::new().dimmed();
    for Finding { check, level, message, hint } in findings {
        let (word, style) = match level {
            Level::Ok => ("ok", AnsiColor::Green.on_default()),
            Level::Warning => ("warning", AnsiColor::Yellow.on_default()),
            Level::Error => ("error", AnsiColor::Red.on_default()),
        };
        writeln!(out, "{style}{word:>7}{style:#}  {check:<14} {}", sanitize::line(message))?;
        if let Some(hint) = hint {
            writeln!(out, "{:24} {dim}{}{dim:#}", "", sanitize::line(hint))?;
        }
    }
    Ok(())
}

/// Whether no check failed.
pub(super) fn is_healthy(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.level != Level::Error)
}
