//! Maps the errors of a turn or of the process to a [`Cause`].

use super::wire::TurnResult;
use crate::process::Exit;
use crate::types::{Cause, Failure, TurnEnd};

/// The outcome of a turn. `code` is the error code of the turn's last `assistant` line, if any. `interrupted` states whether an interrupt
/// was sent.
pub(super) fn turn_end(result: TurnResult, code: Option<&str>, interrupted: bool) -> TurnEnd {
    if !result.is_error.unwrap_or(result.subtype != "success") {
        let text = result.result.filter(|text| !text.is_empty()).or(result.structured_output).unwrap_or_default();
        if text.is_empty() && result.stop_reason.as_deref() == Some("refusal") {
            return Err(Failure::new(Cause::AgentError, "the model refused to answer"));
        }
        return Ok(text);
    }
    if result.is_aborted() {
        // The program's own text is an internal diagnostic in this case (recording `bidi_interrupt_tool`).
        let cause = if interrupted { Cause::Cancelled } else { Cause::AgentError };
        return Err(Failure::new(cause, "the turn was interrupted"));
    }
    let text = match result.result {
        Some(text) if !text.is_empty() => text,
        _ => result.errors.join("; "),
    };
    let cause = match result.subtype.as_str() {
        "error_max_budget_usd" | "error_max_turns" => Cause::SpendLimit,
        _ => classify(result.api_error_status, code, &text),
    };
    let message = if text.is_empty() { format!("the turn ended with {}", result.subtype) } else { text };
    Err(Failure { cause, message })
}

/// The status code takes precedence over the program's error code, and both over the text.
fn classify(status: Option<u64>, code: Option<&str>, text: &str) -> Cause {
    match (status, code) {
        (Some(401 | 403), _) | (_, Some("authentication_failed" | "oauth_org_not_allowed")) => Cause::NotLoggedIn,
        (Some(429), _) | (_, Some("rate_limit")) => Cause::RateLimited,
        (_, Some("model_not_found")) => Cause::ModelNotFound,
        _ => cause_from_text(text).unwrap_or(Cause::AgentError),
    }
}

/// The cause of an unambiguous error text.
fn cause_from_text(text: &str) -> Option<Cause> {
    const SENTENCES: [(&str, Cause); 7] = [
        ("Not logged in", Cause::NotLoggedIn),
        ("Please run /login", Cause::NotLoggedIn),
        ("Invalid API key", Cause::NotLoggedIn),
        ("limit reached", Cause::RateLimited),
        // A subscription limit or a spend limit. Found in the program, but in no recording.
        ("You've hit your ", Cause::RateLimited),
        // An unknown conversation id, which is an argument (recording `resume_unknown_id`).
        ("No conversation found with session ID", Cause::BadArguments),
        ("is already in use", Cause::BadArguments),
    ];
    SENTENCES.into_iter().find(|(sentence, _)| text.contains(sentence)).map(|(_, cause)| cause)
}

/// When a limit resets, in seconds since 1970, if the text contains it in machine-readable form: `… limit reached|1795338000`. Newer
/// versions state it only in prose and in the user's time zone, but print a `rate_limit_event` line before.
pub(super) fn resets_at(text: &str) -> Option<i64> {
    let (_, after) = text.split_once("limit reached|")?;
    after.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The reason for an exit without a result, from the end of stderr.
pub(super) fn diagnose(exit: Exit, stderr_tail: &str) -> Option<Failure> {
    match exit {
        // The program catches SIGTERM, stops its tools and exits with the code that a shell would use (recording `sigterm_tool`).
        Exit::Code(143) => Some(Failure::new(Cause::Killed, "Claude Code received SIGTERM")),
        // Backwards, because warnings precede the error. Not only the last line, because a hint may follow it ("Did you mean").
        Exit::Code(code) if code != 0 => stderr_tail.lines().rev().map(str::trim).find_map(|line| {
            let cause = cause_from_text(line).or_else(|| startup_error(line))?;
            Some(Failure::new(cause, line))
        }),
        Exit::Code(_) | Exit::Signal(_) => None,
    }
}

/// The cause of an error at startup, before the first turn.
fn startup_error(line: &str) -> Option<Cause> {
    // The program rejected a line on its stdin (recording `bidi_bad_input`).
    if line.starts_with("Error parsing streaming input") {
        return Some(Cause::Protocol);
    }
    let is_parser_error =
        line.strip_prefix("error: ").is_some_and(|text| ["option", "argument", "command"].iter().any(|word| text.contains(word)));
    // The program's own checks name the flag (recordings `text_no_verbose`, `no_prompt`) or start with it (`root_bypass_refused`).
    let is_own_check = line.strip_prefix("Error: ").is_some_and(|text| text.contains(" --")) || line.starts_with("--");
    (is_parser_error || is_own_check).then_some(Cause::BadArguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnosed_cause(exit: Exit, stderr: &str) -> Option<Cause> {
        diagnose(exit, stderr).map(|failure| failure.cause)
    }

    #[test]
    fn an_invalid_flag_is_found_between_warnings_and_hints() {
        let stderr = "warming up\nerror: unknown option '--nope'\n(Did you mean --name?)\n";
        let failure = diagnose(Exit::Code(1), stderr).unwrap();
        assert_eq!((failure.cause, failure.message.as_str()), (Cause::BadArguments, "error: unknown option '--nope'"));
    }

    #[test]
    fn an_exit_without_a_known_error_text_has_no_diagnosis() {
        for stderr in ["", "some log line", "Error: ENOSPC: no space left on device", "error: out of memory"] {
            assert_eq!(diagnosed_cause(Exit::Code(1), stderr), None, "{stderr}");
        }
        for exit in [Exit::Code(0), Exit::Signal(9)] {
            assert_eq!(diagnosed_cause(exit, "error: unknown option '--nope'"), None, "{exit}");
        }
    }
}
