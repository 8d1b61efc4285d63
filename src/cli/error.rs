//! Errors of the command line: for a person as text, with `--json` as one JSON object.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde_json::json;

use super::api_error::ClientError;
use super::exit::Exit;
use super::sanitize;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default();

/// Why a command failed, with its exit code and how to fix it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct CliError {
    exit: Exit,
    code: &'static str,
    message: String,
    hint: Option<String>,
}

impl CliError {
    /// The arguments cannot be used as given.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, code: "usage", message: message.into(), hint: None }
    }

    /// The run, session, server or other object does not exist.
    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self { exit: Exit::NotFound, code: "not_found", message: message.into(), hint: None }
    }

    /// Not logged in, or not allowed.
    pub(super) fn denied(message: impl Into<String>) -> Self {
        Self { exit: Exit::Denied, code: "not_logged_in", message: message.into(), hint: None }
    }

    /// Something failed that has no exit code of its own.
    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self { exit: Exit::Failed, code: "failed", message: message.into(), hint: None }
    }

    /// Adds how to fix it.
    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// An error as it is reported.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Report {
    /// The exit code.
    pub(super) exit: Exit,
    /// A stable name of the error: the code of the API, or one of this command line.
    pub(super) code: String,
    /// What is wrong.
    pub(super) message: String,
    /// How to fix it.
    pub(super) hint: Option<String>,
}

impl From<&anyhow::Error> for Report {
    fn from(error: &anyhow::Error) -> Self {
        let message = without_os_codes(&format!("{error:#}"));
        for cause in error.chain() {
            if let Some(error) = cause.downcast_ref::<ClientError>() {
                return Self { exit: error.exit(), code: error.code().to_owned(), message, hint: error.hint() };
            }
            if let Some(error) = cause.downcast_ref::<CliError>() {
                return Self { exit: error.exit, code: error.code.to_owned(), message, hint: error.hint.clone() };
            }
        }
        Self { exit: Exit::Failed, code: "failed".to_owned(), message, hint: None }
    }
}

impl Report {
    /// The usage error that clap has found. None if it printed help or the version instead.
    pub(super) fn from_clap(error: &clap::Error) -> Option<Self> {
        if !error.use_stderr() {
            return None;
        }
        if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            let hint = Some("`--help` lists the commands".to_owned());
            return Some(Self { exit: Exit::Usage, code: "usage".to_owned(), message: "a command is required".to_owned(), hint });
        }
        let text = error.render().to_string();
        let mut paragraphs = text.trim().split("\n\n");
        let message = paragraphs.next().unwrap_or_default().trim_start_matches("error: ");
        let message = message.lines().map(str::trim).collect::<Vec<_>>().join(" ");
        let hint = paragraphs.find_map(|paragraph| paragraph.trim().strip_prefix("tip: ").map(str::to_owned));
        Some(Self { exit: Exit::Usage, code: "usage".to_owned(), message, hint })
    }

    /// Writes the error to standard error.
    pub(super) fn print(&self, is_json: bool) {
        let mut stderr = anstream::stderr().lock();
        // Nothing can be done if standard error is closed.
        let _ = if is_json { writeln!(stderr, "{}", self.to_json()) } else { self.write_text(&mut stderr) };
    }

    fn to_json(&self) -> serde_json::Value {
        json!({ "code": self.code, "message": self.message, "hint": self.hint })
    }

    fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{ERROR}error:{ERROR:#} {}", sanitize::text(&self.message))?;
        match &self.hint {
            Some(hint) => writeln!(out, "{HINT} hint:{HINT:#} {}", sanitize::text(hint)),
            None => Ok(()),
        }
    }
}

/// Removes ` (os error N)`, which the standard library appends to messages of the system.
pub(super) fn without_os_codes(message: &str) -> String {
    let mut rest = message;
    let mut cleaned = String::with_capacity(message.len());
    while let Some((before, after)) = rest.split_once(" (os error ") {
        cleaned.push_str(before);
        rest = after.split_once(')').map_or("", |(_code, after)| after);
    }
    cleaned.push_str(rest);
    cleaned
}

/// Whether the reader of standard output has closed it, as in `openrunner ls | head`.
pub(super) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_does_not_change_exit_code_and_hint() {
        let error = anyhow::Error::new(CliError::denied("not logged in").hint("run `openrunner login`")).context("cannot list runs");
        let report = Report::from(&error);
        assert_eq!((report.exit, report.message.as_str()), (Exit::Denied, "cannot list runs: not logged in"));
        assert_eq!(report.hint.as_deref(), Some("run `openrunner login`"));
        assert_eq!(Report::from(&anyhow::anyhow!("anything")).exit, Exit::Failed);
    }

    #[test]
    fn errors_are_json_objects_with_code_message_and_hint() {
        let report = Report::from(&CliError::usage("prompt is empty").into());
        assert_eq!(report.to_json(), json!({ "code": "usage", "message": "prompt is empty", "hint": null }));
    }

    #[test]
    fn the_systems_error_numbers_are_not_shown() {
        let error = anyhow::Error::new(io::Error::from_raw_os_error(2)).context("cannot read x");
        assert_eq!(Report::from(&error).message, "cannot read x: No such file or directory");
        assert_eq!(without_os_codes("a (os error 2): b (os error 13)"), "a: b");
    }

    #[test]
    fn a_closed_pipe_is_distinguished_from_other_errors() {
        let error = |kind| anyhow::Error::new(io::Error::from(kind)).context("cannot write");
        assert!(is_closed_pipe(&error(io::ErrorKind::BrokenPipe)));
        assert!(!is_closed_pipe(&error(io::ErrorKind::StorageFull)));
    }
}
