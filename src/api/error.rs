//! How a refusal looks on the wire: problem+json (RFC 9457) with a `code` that stays the same for ever.

use std::sync::Arc;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rustix::io::Errno;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::{AuthError, LoginError, LogoutError, NewKeyError, PasswordError, RevokeError, UserError};
use crate::run::store::StoreError;
use crate::run::{
    AnswerError, AnswerRejected, BadAnswer, BadRun, CreateError, DeleteError, FindError, MessageError, MessageRejected, OverBudget,
    SessionError, WorkspaceError,
};

/// Longest `detail`, in characters. A message may quote what the caller sent, but need not send all of it back.
const MAX_DETAIL: usize = 500;

/// An answer that is not what was asked for.
///
/// It tells what the caller did wrong and never what this server looks like inside: faults of ours are logged once, under an id that
/// the answer carries.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    detail: String,
    field: Option<String>,
    // Boxed, since most refusals have none and every `Result` of a handler carries its size.
    header: Option<Box<(HeaderName, HeaderValue)>>,
}

/// A refusal, as RFC 9457 has it.
#[derive(Serialize, ToSchema)]
pub(super) struct Problem<'a> {
    /// Always `about:blank`: `code` tells more.
    r#type: &'static str,
    /// The status in words.
    title: &'a str,
    /// The status.
    status: u16,
    /// What is wrong, for a person. Its words may change.
    detail: &'a str,
    /// Which refusal it is, for programs.
    code: &'a str,
    /// The one field that is at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
}

impl ApiError {
    /// A refusal for a reason of the caller's. `code` is part of the API: once given out it keeps its meaning.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: shorten(detail.into()), field: None, header: None }
    }

    /// A body or query whose `field` is not what it should be (422).
    pub fn invalid_field(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { field: Some(shorten(field.into())), ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_field", detail) }
    }

    /// The same refusal, with the field that it is about.
    #[must_use]
    pub fn of_field(self, field: impl Into<String>) -> Self {
        Self { field: Some(shorten(field.into())), ..self }
    }

    /// There is no such thing, or none that the caller may know of (404).
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// Nobody is known to ask (401), with the challenge that RFC 6750 wants.
    pub(crate) fn unauthorized(code: &'static str, detail: impl Into<String>) -> Self {
        let challenge = HeaderValue::from_static(match code {
            "token_invalid" | "token_expired" => "Bearer realm=\"openrunner\", error=\"invalid_token\"",
            _ => "Bearer realm=\"openrunner\"",
        });
        Self { header: Some(Box::new((header::WWW_AUTHENTICATE, challenge))), ..Self::new(StatusCode::UNAUTHORIZED, code, detail) }
    }

    /// A fault of ours (500). The cause goes to the log, its id to the caller.
    pub fn internal(cause: &dyn std::error::Error) -> Self {
        Self::hidden(StatusCode::INTERNAL_SERVER_ERROR, "internal", "this server made a mistake", cause)
    }

    /// Says after how many seconds it may be worth trying again: for a queue that is full, or a server that is going away.
    #[must_use]
    pub fn retry_after(self, secs: u32) -> Self {
        Self { header: Some(Box::new((header::RETRY_AFTER, HeaderValue::from(secs)))), ..self }
    }

    /// The status that will be answered.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// What is wrong, for a person.
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// The field that is wrong, where one is.
    pub fn field_name(&self) -> Option<&str> {
        self.field.as_deref()
    }

    fn hidden(status: StatusCode, code: &'static str, told: &str, cause: &dyn std::error::Error) -> Self {
        let id = Uuid::now_v7().simple();
        let mut whole = cause.to_string();
        let mut next = cause.source();
        while let Some(cause) = next {
            whole = format!("{whole}: {cause}");
            next = cause.source();
        }
        tracing::error!(error.id = %id, error.cause = whole, "a request failed by a fault of this server");
        Self::new(status, code, format!("{told}; its log tells more under the id {id}"))
    }
}

/// Cuts at a character, and says so by an ellipsis.
fn shorten(text: String) -> String {
    match text.char_indices().nth(MAX_DETAIL) {
        Some((end, _char)) => format!("{}…", &text[..end]),
        None => text,
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", self.status.as_u16(), self.code, self.detail)
    }
}

impl std::error::Error for ApiError {}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let problem = Problem {
            // No page describes a single code, and RFC 9457 says that a problem without one is this type.
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            field: self.field.as_deref(),
        };
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = (self.status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        if let Some((name, value)) = self.header.as_deref() {
            response.headers_mut().insert(name, value.clone());
        }
        // For a door that says it in other words.
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

impl ApiError {
    /// There is no room on the disk (507), or there are no descriptors (503): nobody's fault, and it may be better in a moment.
    fn short(cause: &std::io::Error) -> Self {
        if matches!(Errno::from_io_error(cause), Some(Errno::MFILE | Errno::NFILE)) {
            Self::overloaded(cause)
        } else {
            Self::hidden(StatusCode::INSUFFICIENT_STORAGE, "storage", "nothing can be stored at the moment", cause)
        }
    }

    /// There are no descriptors (503).
    fn overloaded(cause: &dyn std::error::Error) -> Self {
        Self::hidden(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "this server can open no more files at the moment", cause)
            .retry_after(TRY_AGAIN)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let unavailable = StatusCode::SERVICE_UNAVAILABLE;
        match &error {
            StoreError::Write(_) => {
                Self::hidden(StatusCode::INSUFFICIENT_STORAGE, "storage", "nothing can be stored at the moment", &error)
            }
            StoreError::NoReader(_) => Self::overloaded(&error),
            StoreError::Closed => Self::new(unavailable, "shutting_down", "this server is shutting down"),
            StoreError::Read(_) | StoreError::Damaged { .. } | StoreError::NotNext { .. } | StoreError::KeyUsed(_) => {
                Self::internal(&error)
            }
        }
    }
}

/// Seconds after which a full queue may have moved, or a restarted server be back.
const TRY_AGAIN: u32 = 5;

/// Where in a request's body the parts of a new run stand, for naming what is wrong.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunFields {
    pub(super) prompt: &'static str,
    pub(super) agent: &'static str,
    pub(super) model: &'static str,
    /// What stands before the names of all others.
    pub(super) prefix: &'static str,
}

impl ApiError {
    /// Why a run was not created, in the words of the request that asked for it.
    pub(super) fn of_create(error: CreateError, fields: RunFields) -> Self {
        let detail = error.to_string();
        let within = |name: &str| format!("{}{name}", fields.prefix);
        let bad = match error {
            CreateError::Bad(bad) => bad,
            CreateError::QueueFull { .. } => return Self::new(StatusCode::TOO_MANY_REQUESTS, "queue_full", detail).retry_after(TRY_AGAIN),
            CreateError::OverBudget(over) => return over_budget(&over),
            CreateError::Draining => return Self::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", detail).retry_after(TRY_AGAIN),
            CreateError::NoSession(_) => return Self { field: Some(within("session_id")), ..Self::not_found(detail) },
            CreateError::SessionBusy(_) => return Self::new(StatusCode::CONFLICT, "session_busy", detail),
            CreateError::KeyReused => return key_reused(detail),
            CreateError::Store(error) => return error.into(),
        };
        let named =
            |status: StatusCode, code: &'static str, field: String| Self { field: Some(field), ..Self::new(status, code, detail.clone()) };
        match bad {
            BadRun::PromptEmpty | BadRun::PromptNul => Self::invalid_field(fields.prompt, detail),
            BadRun::UnknownAgent { .. } => named(StatusCode::UNPROCESSABLE_ENTITY, "unknown_agent", fields.agent.to_owned()),
            BadRun::Model | BadRun::NoModel(_) => Self::invalid_field(fields.model, detail),
            // S4 of the threat model names this status.
            BadRun::Args(_) => named(StatusCode::BAD_REQUEST, "bad_argument", within("extra_args")),
            BadRun::ArgsNeedAdmin { .. } => named(StatusCode::FORBIDDEN, "admin_only", within("extra_args")),
            BadRun::WorkingDir(WorkspaceError::Exhausted(cause)) => Self::short(&cause),
            BadRun::WorkingDir(WorkspaceError::Io(cause)) => {
                tracing::warn!(error.cause = cause.to_string(), "a working folder cannot be used");
                named(StatusCode::UNPROCESSABLE_ENTITY, "bad_working_dir", within("working_dir"))
            }
            BadRun::WorkingDir(WorkspaceError::NotLocal | WorkspaceError::OutsideRoots) => {
                named(StatusCode::FORBIDDEN, "working_dir_not_allowed", within("working_dir"))
            }
            BadRun::WorkingDir(_) => named(StatusCode::UNPROCESSABLE_ENTITY, "bad_working_dir", within("working_dir")),
            BadRun::SessionAgent(_) => named(StatusCode::UNPROCESSABLE_ENTITY, "session_mismatch", fields.agent.to_owned()),
            BadRun::SessionDirectory => named(StatusCode::UNPROCESSABLE_ENTITY, "session_mismatch", within("working_dir")),
            BadRun::CannotResume(_) => named(StatusCode::UNPROCESSABLE_ENTITY, "cannot_resume", within("session_id")),
            BadRun::CannotAsk { .. } => named(StatusCode::UNPROCESSABLE_ENTITY, "cannot_ask", within("permission_mode")),
            BadRun::NoMcpServers(_) | BadRun::McpServer { .. } => Self::invalid_field(within("mcp_servers"), detail),
            BadRun::McpServersNeedAdmin => named(StatusCode::FORBIDDEN, "admin_only", within("mcp_servers")),
            BadRun::EnvNotAllowed(_) => named(StatusCode::FORBIDDEN, "env_not_allowed", within("env")),
            BadRun::Env(_) => Self::invalid_field(within("env"), detail),
            BadRun::Rule { .. } | BadRun::TooManyRules => Self::invalid_field(within("permission_rules"), detail),
            BadRun::Timeout { field } => Self::invalid_field(within(field), detail),
            BadRun::Labels => Self::invalid_field(within("labels"), detail),
            BadRun::Webhook(_) => Self::invalid_field(within("webhook"), detail),
        }
    }
}

impl From<FindError> for ApiError {
    fn from(error: FindError) -> Self {
        match error {
            FindError::NotFound(_) => Self::not_found(error.to_string()),
            FindError::Store(error) => error.into(),
        }
    }
}

impl From<SessionError> for ApiError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::NotFound(_) => Self::not_found(error.to_string()),
            SessionError::Store(error) => error.into(),
        }
    }
}

impl From<AnswerError> for ApiError {
    fn from(error: AnswerError) -> Self {
        let detail = error.to_string();
        match error {
            AnswerError::Find(error) => error.into(),
            AnswerError::Ended(_) => Self::new(StatusCode::CONFLICT, "run_ended", detail),
            AnswerError::Rejected(AnswerRejected::Store(error)) => error.into(),
            AnswerError::Rejected(AnswerRejected::Bad(bad)) => match bad {
                BadAnswer::Unknown(_) => Self::not_found(detail),
                BadAnswer::AlreadyAnswered(_) => Self::new(StatusCode::CONFLICT, "already_answered", detail),
                BadAnswer::UnknownOption(_) => Self::invalid_field("decision", detail),
                BadAnswer::WrongKind { .. } | BadAnswer::WrongCount(_) => Self::invalid_field("answers", detail),
            },
        }
    }
}

impl From<MessageError> for ApiError {
    fn from(error: MessageError) -> Self {
        let detail = error.to_string();
        match error {
            MessageError::Find(error) => error.into(),
            MessageError::OverBudget(over) => over_budget(&over),
            MessageError::InvalidText => Self::invalid_field("text", detail),
            MessageError::NotSupported(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "messages_not_supported", detail),
            MessageError::Ended { .. } | MessageError::Rejected(MessageRejected::Ended) => {
                Self::new(StatusCode::CONFLICT, "run_ended", detail)
            }
            MessageError::KeyReused => key_reused(detail),
            MessageError::Rejected(MessageRejected::TooMany(_)) => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_messages", detail).retry_after(TRY_AGAIN)
            }
            MessageError::Rejected(MessageRejected::Store(error)) => error.into(),
        }
    }
}

/// The user's budget for the day is used up: a new one begins at midnight.
fn over_budget(over: &OverBudget) -> ApiError {
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "budget_exceeded", over.to_string()).retry_after(over.seconds_left())
}

fn key_reused(detail: String) -> ApiError {
    let refusal = ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", detail);
    refusal.of_field("Idempotency-Key")
}

impl From<DeleteError> for ApiError {
    fn from(error: DeleteError) -> Self {
        match error {
            DeleteError::Find(error) => error.into(),
            DeleteError::Live(_) => Self::new(StatusCode::CONFLICT, "run_active", error.to_string()),
        }
    }
}

/// What to do about a default password that is used from elsewhere.
fn default_password(user: &crate::types::UserName) -> ApiError {
    let detail = format!(
        "`{user}` still has the default password, which works on the server's own machine only: connect to 127.0.0.1 or localhost there, \
         without a proxy in between, or set another password there (`openrunner user passwd {user}`, or OPENRUNNER_ADMIN_PASSWORD for admin)"
    );
    ApiError::new(StatusCode::FORBIDDEN, "default_password", detail)
}

impl From<LoginError> for ApiError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::WrongCredentials => Self::unauthorized("wrong_credentials", error.to_string()),
            LoginError::DefaultPasswordFromElsewhere(user) => default_password(&user),
            LoginError::Store(error) => error.into(),
            LoginError::Hash(_) | LoginError::Sign => Self::internal(&error),
        }
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Expired => Self::unauthorized("token_expired", "the token has expired: log in again at POST /api/auth/login"),
            AuthError::Invalid => Self::unauthorized("token_invalid", "the token is not valid: log in again at POST /api/auth/login"),
            AuthError::DefaultPasswordFromElsewhere(user) => default_password(&user),
            AuthError::KeyInAddress => {
                let detail = "an API key does not belong in an address: send it as `Authorization: Bearer`, or ask for a ticket at POST /api/runs/{id}/ticket";
                Self::unauthorized("token_invalid", detail)
            }
            AuthError::Store(error) => error.into(),
        }
    }
}

impl From<LogoutError> for ApiError {
    fn from(error: LogoutError) -> Self {
        match error {
            LogoutError::NotALogin => Self::new(StatusCode::FORBIDDEN, "scope_missing", error.to_string()),
            LogoutError::Store(error) => error.into(),
        }
    }
}

impl From<UserError> for ApiError {
    fn from(error: UserError) -> Self {
        let detail = error.to_string();
        match error {
            UserError::Exists(_) => Self::new(StatusCode::CONFLICT, "user_exists", detail).of_field("username"),
            UserError::NotFound(_) => Self::not_found(detail),
            UserError::LastAdmin(_) => Self::new(StatusCode::CONFLICT, "last_admin", detail),
            UserError::Password(_) => Self::invalid_field("password", detail),
            UserError::Hash(_) => Self::internal(&error),
            UserError::Store(error) => error.into(),
        }
    }
}

impl From<PasswordError> for ApiError {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::WrongPassword => {
                Self::new(StatusCode::FORBIDDEN, "wrong_password", error.to_string()).of_field("current_password")
            }
            PasswordError::Change(UserError::Password(bad)) => Self::invalid_field("new_password", bad.to_string()),
            PasswordError::Change(error) => error.into(),
            PasswordError::Login(error) => error.into(),
        }
    }
}

impl From<NewKeyError> for ApiError {
    fn from(error: NewKeyError) -> Self {
        let detail = error.to_string();
        match error {
            NewKeyError::Name => Self::invalid_field("name", detail),
            NewKeyError::NoScope => Self::invalid_field("scopes", detail),
            NewKeyError::AdminScope => Self::new(StatusCode::FORBIDDEN, "admin_only", detail).of_field("scopes"),
            NewKeyError::Lifetime => Self::invalid_field("expires_in", detail),
            NewKeyError::DefaultPassword(_) => Self::new(StatusCode::FORBIDDEN, "own_password_needed", detail),
            // Only if the owner was removed while this request was under way.
            NewKeyError::NoOwner(_) => Self::not_found(detail),
            NewKeyError::Random(_) => Self::internal(&error),
            NewKeyError::Store(error) => error.into(),
        }
    }
}

impl From<RevokeError> for ApiError {
    fn from(error: RevokeError) -> Self {
        match error {
            RevokeError::NotFound(_) => Self::not_found(error.to_string()),
            RevokeError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w8_a_fault_of_ours_tells_an_id_and_nothing_else() {
        let error = ApiError::internal(&std::io::Error::other("/home/someone/secret.db: SELECT broke"));
        assert_eq!((error.status().as_u16(), error.code()), (500, "internal"));
        assert!(!error.detail.contains("secret") && !error.detail.contains("SELECT"), "{}", error.detail);
        let error = ApiError::from(StoreError::Write("/var/lib/x: no space".to_owned()));
        assert_eq!((error.status().as_u16(), error.code()), (507, "storage"));
        assert!(!error.detail.contains("/var"), "{}", error.detail);
        assert_eq!(ApiError::from(StoreError::Closed).status(), StatusCode::SERVICE_UNAVAILABLE);
    }

    #[test]
    fn a_refusal_for_now_says_when_to_come_back() {
        let response = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "queue_full", "the queue is full").retry_after(5).into_response();
        assert_eq!((response.status().as_u16(), response.headers()["retry-after"].to_str().unwrap()), (429, "5"));
    }

    #[test]
    fn c1_who_finds_the_queue_full_or_the_server_leaving_is_told_when_to_come_again() {
        let fields = RunFields { prompt: "p", agent: "a", model: "m", prefix: "" };
        for (error, status, code) in
            [(CreateError::QueueFull { max_queue: 1 }, 429, "queue_full"), (CreateError::Draining, 503, "shutting_down")]
        {
            let response = ApiError::of_create(error, fields);
            assert_eq!((response.status().as_u16(), response.code()), (status, code));
            assert!(response.into_response().headers().contains_key("retry-after"));
        }
    }

    #[test]
    fn a_long_quotation_is_cut_at_a_character() {
        let error = ApiError::invalid_field("ö".repeat(600), "ä".repeat(600));
        assert_eq!(error.detail.chars().count(), MAX_DETAIL + 1);
        assert_eq!(error.field.map(|field| field.chars().count()), Some(MAX_DETAIL + 1));
    }
}
