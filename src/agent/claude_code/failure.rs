//! Why a turn, or the program, failed: the program's codes and words in the words of our closed list.

use super::wire::TurnResult;
use crate::process::Exit;
use crate::types::{Cause, Failure, TurnEnd};

/// How a turn ended. `code` is the word that the last `assistant` line of the turn had for an error, if any.
pub(super) fn turn_end(result: TurnResult, code: Option<&str>) -> TurnEnd {
    if !result.is_error.unwrap_or(result.subtype != "success") {
        return Ok(result.result.unwrap_or_default());
    }
    let said = match result.result {
        Some(text) if !text.is_empty() => text,
        _ => result.errors.join("; "),
    };
    let cause = cause(result.api_error_status, code, &said);
    let message = match result.terminal_reason.as_deref() {
        // What the program itself says then is for its own developers (seen in `bidi_interrupt_tool`).
        Some("aborted_streaming" | "aborted_tools") => "the turn was interrupted".to_owned(),
        _ if said.is_empty() => format!("the turn ended with {}", result.subtype),
        _ => said,
    };
    Err(Failure { cause, message })
}

/// The status code first, then the program's word, then its sentence.
fn cause(status: Option<u64>, code: Option<&str>, said: &str) -> Cause {
    match (status, code) {
        (Some(401 | 403), _) | (_, Some("authentication_failed" | "oauth_org_not_allowed")) => Cause::NotLoggedIn,
        (Some(429), _) | (_, Some("rate_limit")) => Cause::RateLimited,
        (_, Some("model_not_found")) => Cause::ModelNotFound,
        _ => words(said).unwrap_or(Cause::AgentError),
    }
}

/// Sentences that only ever mean one thing.
fn words(said: &str) -> Option<Cause> {
    const SENTENCES: [(&str, Cause); 6] = [
        ("Not logged in", Cause::NotLoggedIn),
        ("Please run /login", Cause::NotLoggedIn),
        ("Invalid API key", Cause::NotLoggedIn),
        ("limit reached", Cause::RateLimited),
        // An unknown id to continue, which is an argument (seen in `resume_unknown_id`).
        ("No conversation found with session ID", Cause::BadArguments),
        ("is already in use", Cause::BadArguments),
    ];
    SENTENCES.into_iter().find(|(sentence, _)| said.contains(sentence)).map(|(_, cause)| cause)
}

/// What an exit without a result means, by what stands at the end of the standard error.
pub(super) fn diagnose(exit: Exit, stderr_tail: &str) -> Option<Failure> {
    let last = stderr_tail.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    match exit {
        // It catches SIGTERM, ends its tools and exits like a shell would (seen in `sigterm_tool`).
        Exit::Code(143) => Some(Failure::new(Cause::Killed, "Claude Code was told to end by a SIGTERM")),
        Exit::Code(code) if code != 0 => {
            let cause = words(last).or_else(|| complaint(last))?;
            Some(Failure::new(cause, last))
        }
        Exit::Code(_) | Exit::Signal(_) => None,
    }
}

/// What the program says when it does not even begin.
fn complaint(line: &str) -> Option<Cause> {
    // About our lines on its stdin (seen in `bidi_bad_input`).
    if line.starts_with("Error parsing streaming input") {
        return Some(Cause::Protocol);
    }
    // Its command-line library begins with a small letter (`bad_flag`), its own checks with a large one (`text_no_verbose`) or with
    // the flag itself (`root_bypass_refused`).
    ["error: ", "Error: ", "--"].iter().any(|start| line.starts_with(start)).then_some(Cause::BadArguments)
}
