//! What an exit without a result means, from what the program left on stderr.

use crate::agent::acp::from_words;
use crate::process::Exit;
use crate::types::{Cause, Failure};

/// How both programs begin an error.
const ERROR: &str = "Error: ";

/// Reads the end of stderr. `None` where it says nothing that helps.
pub(super) fn diagnose(exit: Exit, stderr_tail: &str) -> Option<Failure> {
    if !matches!(exit, Exit::Code(code) if code != 0) {
        return None;
    }
    let said = without_colours(stderr_tail);
    // Only its log tells this cause; the event that it prints says "Unexpected server error" (`opencode/unknown_model_print_logs`).
    if let Some(at) = said.find("ProviderModelNotFoundError: ") {
        let message = said[at..].lines().next().unwrap_or_default().split(['"', ')']).next().unwrap_or_default();
        return Some(Failure::new(Cause::ModelNotFound, message));
    }
    // Words for a person begin a line; what follows them belongs to them, up to the next line of the log.
    let mut lines =
        said.lines().map(str::trim).skip_while(|line| !line.starts_with(ERROR)).take_while(|line| !line.starts_with("timestamp="));
    if let Some(first) = lines.next() {
        let message = lines.fold(first[ERROR.len()..].to_owned(), |message, line| format!("{message} {line}"));
        return Some(Failure::new(cause(&message), message.trim()));
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
