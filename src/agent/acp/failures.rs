//! Failed model calls that an agent reports as text in a turn that ends normally.

use super::causes::cause_from_text;
use crate::types::{Cause, Failure};

/// Maximum length in bytes of a text that counts as an error message.
const MAX_ERROR: usize = 4096;

/// What a turn looks like that the agent has ended normally.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, read by name")]
pub(super) struct Signs<'a> {
    /// The turn's last message.
    pub(super) text: &'a str,
    /// Whether the agent reported the usage of a model call.
    pub(super) has_usage: bool,
    /// Whether the agent reports it for every turn in which the model has answered.
    pub(super) reports_usage: bool,
    /// Whether the agent's last status was an error.
    pub(super) system_error: bool,
    /// Whether the turn had any output.
    pub(super) has_output: bool,
    /// Whether the agent ends a turn without output if the model cannot be called.
    pub(super) fails_silently: bool,
}

impl Signs<'_> {
    /// The failure of a turn whose model call has failed. `None` if the turn may be what it says.
    ///
    /// A text alone proves nothing, because an answer may begin like an error message. In addition the turn must have no usage, and either
    /// the agent always reports it, or the text names a cause.
    pub(super) fn failure(self) -> Option<Failure> {
        if self.has_usage {
            return None;
        }
        let text = self.text.trim();
        let cause = || if text.len() <= MAX_ERROR { cause_from_text(text) } else { None };
        if self.system_error {
            let message = if text.is_empty() { "the agent reported an error of the model's service" } else { text };
            return Some(Failure::new(cause().unwrap_or(Cause::AgentError), message));
        }
        if text.len() <= MAX_ERROR && begins_like_an_error(text) {
            let cause = cause().or(self.reports_usage.then_some(Cause::AgentError))?;
            return Some(Failure::new(cause, text));
        }
        (self.fails_silently && !self.has_output).then(|| {
            let message = "the agent ended the turn without an answer; its model could not be called, for example because of a missing or \
                           rejected login";
            Failure::new(Cause::AgentError, message)
        })
    }
}

/// Whether a text has the form of an error message: `Error: …`, `API call failed after …`, or `HTTP 401: …`.
fn begins_like_an_error(text: &str) -> bool {
    let status = text.strip_prefix("HTTP ").and_then(|rest| rest.get(..3).zip(rest.get(3..)));
    let is_status = status.is_some_and(|(code, rest)| {
        matches!(code.parse::<u16>(), Ok(400..=599)) && rest.chars().next().is_none_or(|next| next == ':' || next.is_whitespace())
    });
    is_status || text.starts_with("Error: ") || text.starts_with("API call failed after ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TURN: Signs<'_> =
        Signs { text: "", has_usage: false, reports_usage: false, system_error: false, has_output: true, fails_silently: false };

    fn cause(signs: Signs<'_>) -> Option<Cause> {
        signs.failure().map(|failure| failure.cause)
    }

    #[test]
    fn a_failed_model_call_is_recognized_by_all_signs_together() {
        for (text, expected) in [
            ("HTTP 401: mock error 401", Cause::NotLoggedIn),
            ("HTTP 429: slow down", Cause::RateLimited),
            ("\n\nError: Authentication failed with provider (HTTP 401).\n  Check your key.", Cause::NotLoggedIn),
            ("API call failed after 3 retries: HTTP 429: mock error 429", Cause::RateLimited),
        ] {
            assert_eq!(cause(Signs { text, ..TURN }), Some(expected), "{text}");
            assert_eq!(cause(Signs { text, has_usage: true, ..TURN }), None, "the model has answered: {text}");
        }
        for text in ["HTTP 500: mock error 500", "Error: the service is down", "API call failed after 3 retries: HTTP 500"] {
            assert_eq!(cause(Signs { text, ..TURN }), None, "an unknown agent may answer this: {text}");
            assert_eq!(cause(Signs { text, reports_usage: true, ..TURN }), Some(Cause::AgentError), "{text}");
        }
    }

    #[test]
    fn an_answer_that_speaks_of_errors_stays_a_success() {
        let long = format!("Error: HTTP 401. {}", "The reason is as follows. ".repeat(300));
        for text in [
            "The server answers HTTP 401 because the key is missing.",
            "HTTP 4011: is not a status",
            "HTTP 200: fine",
            "HTTP 40",
            "HTTP é01",
            "Errors: 401 and 403",
            &long,
            "",
        ] {
            assert_eq!(cause(Signs { text, reports_usage: true, ..TURN }), None, "{text}");
        }
    }

    #[test]
    fn a_status_of_the_agent_or_its_silence_is_a_sign_of_its_own() {
        let text = "exceeded retry limit, last status: 429 Too Many Requests";
        assert_eq!(cause(Signs { text, system_error: true, ..TURN }), Some(Cause::RateLimited));
        assert_eq!(cause(Signs { system_error: true, ..TURN }), Some(Cause::AgentError));
        assert_eq!(cause(Signs { text, ..TURN }), None);
        let silent = Signs { has_output: false, ..TURN };
        assert_eq!(cause(Signs { fails_silently: true, ..silent }), Some(Cause::AgentError));
        assert_eq!(cause(silent), None);
    }
}
