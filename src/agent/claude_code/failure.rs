//! Why a turn, or the program, failed: the program's codes and words in the words of our closed list.

use super::wire::TurnResult;
use crate::process::Exit;
use crate::types::{Cause, Failure, TurnEnd};

/// How a turn ended. `code` is the word that the last `assistant` line of the turn had for an error, if any; `interrupted` tells
/// that we have asked for its end.
pub(super) fn turn_end(result: TurnResult, code: Option<&str>, interrupted: bool) -> TurnEnd {
    if !result.is_error.unwrap_or(result.subtype != "success") {
        return Ok(result.result.unwrap_or_default());
    }
    if result.is_aborted() {
        // What the program itself says then is for its own developers (seen in `bidi_interrupt_tool`).
        let cause = if interrupted { Cause::Cancelled } else { Cause::AgentError };
        return Err(Failure::new(cause, "the turn was interrupted"));
    }
    let said = match result.result {
        Some(text) if !text.is_empty() => text,
        _ => result.errors.join("; "),
    };
    let cause = cause(result.api_error_status, code, &said);
    let message = if said.is_empty() { format!("the turn ended with {}", result.subtype) } else { said };
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
    const SENTENCES: [(&str, Cause); 7] = [
        ("Not logged in", Cause::NotLoggedIn),
        ("Please run /login", Cause::NotLoggedIn),
        ("Invalid API key", Cause::NotLoggedIn),
        ("limit reached", Cause::RateLimited),
        // A subscription's, or of what may be spent. In the program, but in no recording.
        ("You've hit your ", Cause::RateLimited),
        // An unknown id to continue, which is an argument (seen in `resume_unknown_id`).
        ("No conversation found with session ID", Cause::BadArguments),
        ("is already in use", Cause::BadArguments),
    ];
    SENTENCES.into_iter().find(|(sentence, _)| said.contains(sentence)).map(|(_, cause)| cause)
}

/// When a limit ends, in seconds since 1970, where the sentence tells it for programs: `… limit reached|1795338000`. Newer ones tell
/// it only for people, in the user's time zone; then a `rate_limit_event` line has told it before.
pub(super) fn resets_at(said: &str) -> Option<i64> {
    let (_, after) = said.split_once("limit reached|")?;
    after.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// What an exit without a result means, by what stands at the end of the standard error.
pub(super) fn diagnose(exit: Exit, stderr_tail: &str) -> Option<Failure> {
    match exit {
        // It catches SIGTERM, ends its tools and exits like a shell would (seen in `sigterm_tool`).
        Exit::Code(143) => Some(Failure::new(Cause::Killed, "Claude Code was told to end by a SIGTERM")),
        // From the end, because warnings stand before; not only the last line, because a hint may follow ("Did you mean").
        Exit::Code(code) if code != 0 => stderr_tail.lines().rev().map(str::trim).find_map(|line| {
            let cause = words(line).or_else(|| complaint(line))?;
            Some(Failure::new(cause, line))
        }),
        Exit::Code(_) | Exit::Signal(_) => None,
    }
}

/// What the program says when it does not even begin.
fn complaint(line: &str) -> Option<Cause> {
    // About our lines on its stdin (seen in `bidi_bad_input`).
    if line.starts_with("Error parsing streaming input") {
        return Some(Cause::Protocol);
    }
    let library = line.strip_prefix("error: ").is_some_and(|text| ["option", "argument", "command"].iter().any(|word| text.contains(word)));
    // Its own checks name the flag (seen in `text_no_verbose`, `no_prompt`) or begin with it (`root_bypass_refused`).
    let own = line.strip_prefix("Error: ").is_some_and(|text| text.contains(" --")) || line.starts_with("--");
    (library || own).then_some(Cause::BadArguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnosed(exit: Exit, stderr: &str) -> Option<Cause> {
        diagnose(exit, stderr).map(|failure| failure.cause)
    }

    #[test]
    fn a_refused_flag_is_found_between_warnings_and_hints() {
        let stderr = "warming up\nerror: unknown option '--nope'\n(Did you mean --name?)\n";
        let failure = diagnose(Exit::Code(1), stderr).unwrap();
        assert_eq!((failure.cause, failure.message.as_str()), (Cause::BadArguments, "error: unknown option '--nope'"));
    }

    #[test]
    fn an_exit_without_telling_words_is_left_to_the_plain_facts() {
        for stderr in ["", "some log line", "Error: ENOSPC: no space left on device", "error: out of memory"] {
            assert_eq!(diagnosed(Exit::Code(1), stderr), None, "{stderr}");
        }
        for exit in [Exit::Code(0), Exit::Signal(9)] {
            assert_eq!(diagnosed(exit, "error: unknown option '--nope'"), None, "{exit}");
        }
    }
}
