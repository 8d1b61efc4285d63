//! What an exit without a result means, from what the program left on stderr.

use crate::agent::acp::from_words;
use crate::process::Exit;
use crate::types::{Cause, Failure};

/// Reads the end of stderr. `None` where it says nothing that helps.
pub(super) fn diagnose(exit: Exit, stderr_tail: &str) -> Option<Failure> {
    if !matches!(exit, Exit::Code(code) if code != 0) {
        return None;
    }
    let said = without_colours(stderr_tail);
    // Only its log tells this cause; the event that it prints says "Unexpected server error" (`opencode/unknown_model_print_logs`).
    if let Some(at) = said.find("ProviderModelNotFoundError: ") {
        let message = said[at..].lines().next().unwrap_or_default().split('"').next().unwrap_or_default();
        return Some(Failure::new(Cause::ModelNotFound, message));
    }
    if let Some(at) = said.find("Error: ") {
        let message = said[at + "Error: ".len()..].trim();
        return Some(Failure::new(cause(message), message.lines().map(str::trim).collect::<Vec<_>>().join(" ")));
    }
    // A bad flag gets the help text, without a word on which flag (`opencode/bad_flag`).
    (said.contains("Options:") && said.contains("--help"))
        .then(|| Failure::new(Cause::BadArguments, "opencode does not know one of its arguments, and printed its help"))
}

fn cause(message: &str) -> Cause {
    if message.starts_with("Session not found") || message.starts_with("You must provide a message") {
        Cause::BadArguments
    } else {
        from_words(message).unwrap_or(Cause::AgentError)
    }
}

/// The text without terminal escape sequences.
fn without_colours(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}
