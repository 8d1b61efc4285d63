//! Diagnoses an exit without a result, from the end of stderr.

use crate::agent::acp::cause_from_text;
use crate::process::Exit;
use crate::types::{Cause, Failure};

/// The prefix of both programs' errors.
const ERROR: &str = "Error: ";

/// The failure that the end of stderr describes. `None` if it describes none.
pub(super) fn diagnose(exit: Exit, stderr_tail: &str) -> Option<Failure> {
    if !matches!(exit, Exit::Code(code) if code != 0) {
        return None;
    }
    let text = strip_escapes(stderr_tail);
    // Only the log contains this cause; the event says "Unexpected server error" (recording `opencode/unknown_model_print_logs`).
    if let Some(at) = text.find("ProviderModelNotFoundError: ") {
        let message = text[at..].lines().next().unwrap_or_default().split(['"', ')']).next().unwrap_or_default();
        return Some(Failure::new(Cause::ModelNotFound, message));
    }
    // An error starts a line and continues up to the next line of the log.
    let mut lines =
        text.lines().map(str::trim).skip_while(|line| !line.starts_with(ERROR)).take_while(|line| !line.starts_with("timestamp="));
    if let Some(first) = lines.next() {
        let message = lines.fold(first[ERROR.len()..].to_owned(), |message, line| format!("{message} {line}"));
        return Some(Failure::new(cause(&message), message.trim()));
    }
    // For an unknown flag it prints its help, without naming the flag (recording `opencode/bad_flag`).
    (text.contains("Options:") && text.contains("--help"))
        .then(|| Failure::new(Cause::BadArguments, "opencode rejected one of its arguments and printed its help"))
}

fn cause(message: &str) -> Cause {
    if message.starts_with("Session not found") || message.starts_with("You must provide a message") {
        Cause::BadArguments
    } else {
        cause_from_text(message).unwrap_or(Cause::AgentError)
    }
}

/// Removes terminal escape sequences.
fn strip_escapes(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}
