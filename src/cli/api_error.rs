//! Errors of requests to the API, in terms of the command line.

use serde::Deserialize;

use super::exit::Exit;
use super::sanitize;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// No connection, or it broke before the answer was complete.
    #[error("no server answers at {address}: {reason}")]
    Unreachable {
        /// The server's address.
        address: String,
        /// What failed.
        reason: String,
    },
    /// The server refused the request.
    #[error("{0}")]
    Refused(Problem),
    /// The answer is not one of this API.
    #[error("{address} does not answer like an OpenRunner server: {reason}")]
    UnexpectedResponse {
        /// The server's address.
        address: String,
        /// What is unexpected.
        reason: String,
    },
}

/// A problem document (RFC 9457).
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Problem {
    /// The HTTP status.
    #[serde(default)]
    pub(super) status: u16,
    /// The stable name of the error.
    #[serde(default)]
    pub(super) code: String,
    /// The explanation.
    #[serde(default)]
    detail: String,
    /// The fields that are wrong.
    #[serde(default)]
    errors: Vec<FieldError>,
}

/// One wrong field of a request.
#[derive(Clone, Debug, Default, Deserialize)]
struct FieldError {
    #[serde(default)]
    field: String,
    #[serde(default)]
    detail: String,
}

impl Problem {
    /// Parses a problem document of a response with this status. None if the body is not one.
    pub(super) fn parse(body: &str, status: u16) -> Option<Self> {
        serde_json::from_str(body).ok().map(|problem| Self { status, ..problem })
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = if self.errors.is_empty() {
            if self.detail.is_empty() { format!("the server refused the request with status {}", self.status) } else { self.detail.clone() }
        } else {
            let faults = self.errors.iter().map(|error| match argument(&error.field) {
                Some(argument) => format!("{argument}: {}", error.detail),
                None if matches!(error.field.as_str(), "" | "." | "body" | "query") => error.detail.clone(),
                None => format!("{}: {}", error.field, error.detail),
            });
            faults.collect::<Vec<_>>().join("; ")
        };
        f.write_str(&sanitize::line(&text))
    }
}

/// The command-line argument that sets a field of the API.
fn argument(field: &str) -> Option<&'static str> {
    let path = field.strip_prefix("metadata.").unwrap_or(field);
    Some(match path.split(['.', '[']).next().unwrap_or(path) {
        "input" if path.starts_with("input.parts") => "--attach",
        "input" => "PROMPT",
        "text" => "TEXT",
        "agent_type" => "--agent-type",
        "instructions" => "--instructions",
        "output_schema" => "--output-schema",
        "model" => "--model",
        "profile" => "--profile",
        "working_dir" | "cwd" => "--dir",
        "timeout_secs" => "--timeout",
        "permission_mode" => "--permission-mode",
        "isolation" => "--isolation",
        "project_config" => "--project-config",
        "session_id" => "--session",
        "labels" | "label" => "--label",
        "env" => "--env",
        "status" => "--status",
        "q" => "--search",
        "since" => "--since",
        "until" => "--until",
        "owner" => "--owner",
        "group_by" => "--by",
        "action" => "--action",
        "limit" => "--limit",
        "role" => "--role",
        "scopes" => "--scope",
        "name" => "--name",
        "expires_in" => "--expires-in-days",
        "tokens_per_day" => "--tokens-per-day",
        "cost_per_day_usd" => "--cost-per-day-usd",
        "tokens_per_run" => "--tokens-per-run",
        "cost_per_run_usd" => "--cost-per-run-usd",
        "turns_per_run" => "--turns-per-run",
        "decision" => "--allow, --always, --deny",
        "option_id" => "--option",
        "message" => "--message",
        "answers" => "--answer",
        "username" => "NAME",
        "password" | "new_password" => "password",
        "current_password" => "current password",
        _ => return None,
    })
}

impl ClientError {
    /// The exit code of a command that fails with this error.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Unreachable { .. } => Exit::Unreachable,
            Self::UnexpectedResponse { .. } => Exit::Failed,
            Self::Refused(problem) => match problem.status {
                401 | 403 => Exit::Denied,
                404 => Exit::NotFound,
                400 | 413 | 415 | 422 => Exit::Usage,
                _ => Exit::Failed,
            },
        }
    }

    /// The stable name of the error.
    pub(super) fn code(&self) -> &str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::UnexpectedResponse { .. } => "unexpected_response",
            Self::Refused(problem) if problem.code.is_empty() => "refused",
            Self::Refused(problem) => &problem.code,
        }
    }

    /// How to fix it.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Unreachable { .. } => {
                Some("start a server with `openrunner serve`, or choose another one with --server or OPENRUNNER_URL".to_owned())
            }
            Self::UnexpectedResponse { .. } => Some("check the address in --server or OPENRUNNER_URL".to_owned()),
            Self::Refused(problem) => match problem.code.as_str() {
                "unknown_agent" => Some("`openrunner agent ls` lists the agents of the server".to_owned()),
                "run_ended" => Some("`openrunner run --session SESSION` continues the conversation with a new run".to_owned()),
                "own_password_needed" => Some("set a password with `openrunner auth password`".to_owned()),
                _ if problem.status == 401 => Some("log in with `openrunner login`".to_owned()),
                _ => None,
            },
        }
    }

    /// Whether the same request may succeed a moment later: no connection, or the server is starting, stopping or overloaded.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused(problem) => matches!(problem.status, 429 | 500..),
            Self::UnexpectedResponse { .. } => false,
        }
    }

    pub(super) fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Refused(problem) if problem.status == 401)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(status: u16) -> ClientError {
        ClientError::Refused(Problem { status, detail: "no".into(), ..Problem::default() })
    }

    #[test]
    fn refusals_have_exit_codes_by_kind() {
        let exits = [401, 403, 404, 422, 409, 507].map(|status| refused(status).exit());
        assert_eq!(exits, [Exit::Denied, Exit::Denied, Exit::NotFound, Exit::Usage, Exit::Failed, Exit::Failed]);
        assert!(refused(401).hint().unwrap().contains("openrunner login"));
    }

    #[test]
    fn only_transient_errors_are_retried() {
        assert!(refused(503).is_transient() && refused(429).is_transient());
        assert!(!refused(401).is_transient() && !refused(404).is_transient());
    }

    #[test]
    fn fields_of_the_api_are_reported_as_the_flags_that_set_them() {
        let problem: Problem = serde_json::from_value(json!({
            "status": 422, "code": "invalid_request", "detail": "the request is invalid",
            "errors": [
                { "field": "metadata.agent_type", "code": "invalid", "detail": "unknown agent" },
                { "field": "metadata.labels.team", "code": "too_long", "detail": "at most 256 characters" },
                { "field": "input.text", "code": "required", "detail": "is empty" },
                { "field": "odd", "code": "unknown_field", "detail": "unknown" },
            ],
        }))
        .unwrap();
        let text = problem.to_string();
        assert_eq!(text, "--agent-type: unknown agent; --label: at most 256 characters; PROMPT: is empty; odd: unknown");
    }

    #[test]
    fn the_servers_text_cannot_control_the_terminal() {
        let problem = Problem { status: 422, detail: "\u{1b}[2Jx".into(), ..Problem::default() };
        assert!(!ClientError::Refused(problem).to_string().contains('\u{1b}'));
    }
}
