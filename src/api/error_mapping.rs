//! Which error response each error of the layers below becomes.

use axum::http::StatusCode;
use rustix::io::Errno;

use super::error::{ApiError, FaultCode, FieldError, RETRY_AFTER_SECS};
use crate::auth::{AuthError, BadKey, LoginError, LogoutError, NewKeyError, NotServerAccount, PasswordError, RevokeError, UserError};
use crate::run::store::StoreError;
use crate::run::{
    AnswerError, AnswerRejected, BadAnswer, BadAttachment, BadIsolation, BadPattern, BadRun, BadSchema, ChangesError, CreateError,
    DeleteError, FilesError, FindError, MessageError, MessageRejected, OverBudget, ProfileError, RetryError, RevertError, SearchError,
    SessionError, SessionWorkspaceError, UploadError, WorkspaceError,
};
use crate::types::UserName;
use crate::workspace::files::FileError;
use crate::workspace::{RepositoryError, WorktreeError};

/// `Retry-After` of a quota that is reached. Nothing happens by itself, so clients that retry without a person must not do it often.
const QUOTA_RETRY_AFTER_SECS: u32 = 3600;

impl ApiError {
    /// Disk space (507) or file descriptors (503) are exhausted.
    fn exhausted(cause: &std::io::Error) -> Self {
        if matches!(Errno::from_io_error(cause), Some(Errno::MFILE | Errno::NFILE)) {
            Self::overloaded(cause)
        } else {
            Self::hidden(StatusCode::INSUFFICIENT_STORAGE, "storage", "the server cannot write to disk", cause)
        }
    }

    /// File descriptors are exhausted (503).
    fn overloaded(cause: &dyn std::error::Error) -> Self {
        Self::hidden(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "the server cannot open more files", cause)
            .retry_after(RETRY_AFTER_SECS)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Write(_) | StoreError::Closed => {
                Self::hidden(StatusCode::INSUFFICIENT_STORAGE, "storage", "the server cannot write to disk", &error)
            }
            StoreError::NoReader(_) => Self::overloaded(&error),
            StoreError::SearchTimeout(_) => {
                let detail = format!("{error}; search for longer words, or filter by `since` or `status`");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "search_timeout", detail)
            }
            StoreError::OverQuota(over) if over.quota.is_bytes() => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "storage_quota_exceeded", over.to_string())
            }
            StoreError::OverQuota(over) => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "quota_exceeded", over.to_string()).retry_after(QUOTA_RETRY_AFTER_SECS)
            }
            StoreError::Damaged { .. } => {
                Self::hidden(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the stored record is damaged", &error)
            }
            // The callers that can cause the others handle them.
            StoreError::Read(_)
            | StoreError::Internal(_)
            | StoreError::NotNext { .. }
            | StoreError::LeaseLost { .. }
            | StoreError::Ended { .. }
            | StoreError::NoRun(_)
            | StoreError::NoSession(_)
            | StoreError::KeyUsed(_) => Self::internal(&error),
        }
    }
}

/// The names of the parts of a new run in a request, for errors.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunFields {
    pub(super) prompt: &'static str,
    pub(super) agent: &'static str,
    pub(super) model: &'static str,
    /// Prefix of all other fields.
    pub(super) prefix: &'static str,
}

impl ApiError {
    /// Why a run was not created, with the field names of the request.
    pub(super) fn from_create(error: CreateError, fields: RunFields) -> Self {
        let detail = error.to_string();
        match error {
            CreateError::Invalid(faults) => Self::from_bad_run(faults, fields),
            CreateError::QueueFull { .. } | CreateError::UserQueueFull { .. } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "queue_full", detail).retry_after(RETRY_AFTER_SECS)
            }
            CreateError::OverBudget(over) => over_budget(&over),
            CreateError::Draining => Self::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", detail).retry_after(RETRY_AFTER_SECS),
            CreateError::NoSession(_) => Self::not_found(detail).with_field(format!("{}session_id", fields.prefix), FaultCode::NotFound),
            CreateError::SessionBusy(_) => Self::new(StatusCode::CONFLICT, "session_busy", detail),
            CreateError::KeyReused => key_reused(detail),
            CreateError::Store(error) => error.into(),
        }
    }

    /// All faults of a new run. The first decides on status and code.
    fn from_bad_run(faults: Vec<BadRun>, fields: RunFields) -> Self {
        let (mut first, mut errors) = (None, Vec::new());
        for fault in faults {
            match fault {
                BadRun::WorkingDir(WorkspaceError::Exhausted(cause)) => return Self::exhausted(&cause),
                BadRun::WorkingDir(WorkspaceError::Io(cause)) => {
                    tracing::warn!(error.cause = cause.to_string(), "cannot use a working directory");
                    let error =
                        FieldError::new(format!("{}working_dir", fields.prefix), FaultCode::Invalid, WorkspaceError::Io(cause).to_string());
                    first.get_or_insert_with(|| Self::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_working_dir", ""));
                    errors.push(error);
                }
                fault => {
                    let (error, field, code) = describe_fault(&fault, fields);
                    first.get_or_insert(error);
                    errors.push(FieldError::new(field, code, fault.to_string()));
                }
            }
        }
        first.unwrap_or_else(|| Self::invalid_fields(Vec::new())).with_errors(errors)
    }
}

/// The error, without its detail, and the field and code for a fault of a new run.
fn describe_fault(fault: &BadRun, fields: RunFields) -> (ApiError, String, FaultCode) {
    let within = |name: &str| format!("{}{name}", fields.prefix);
    let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
    let invalid = || ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_field", "");
    match fault {
        BadRun::PromptEmpty => (invalid(), fields.prompt.to_owned(), FaultCode::Required),
        BadRun::PromptTooLong => (invalid(), fields.prompt.to_owned(), FaultCode::TooLong),
        BadRun::Attachment { index, problem } => describe_bad_attachment("input.parts", *index, problem),
        BadRun::PromptNul => (invalid(), fields.prompt.to_owned(), FaultCode::Invalid),
        BadRun::UnknownAgent { .. } => {
            (ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "unknown_agent", ""), fields.agent.to_owned(), FaultCode::NotFound)
        }
        BadRun::UnknownProfile(_) => {
            (ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "unknown_profile", ""), within("profile"), FaultCode::NotFound)
        }
        BadRun::ProfileConflict { field, .. } => {
            (ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "profile_conflict", ""), within(field), FaultCode::Conflict)
        }
        BadRun::ProfileField { field, .. } => (invalid(), within(field), FaultCode::Invalid),
        BadRun::Model => (invalid(), fields.model.to_owned(), FaultCode::Invalid),
        BadRun::NoModel(_) => (invalid(), fields.model.to_owned(), FaultCode::NotSupported),
        // S4 of the threat model requires this status.
        BadRun::Args(error) => {
            let code = if error.is_unsupported() { FaultCode::NotSupported } else { FaultCode::Invalid };
            (ApiError::new(StatusCode::BAD_REQUEST, "bad_argument", ""), within("extra_args"), code)
        }
        BadRun::ArgsNeedAdmin { .. } => {
            (ApiError::new(StatusCode::FORBIDDEN, "admin_only", ""), within("extra_args"), FaultCode::NotAllowed)
        }
        BadRun::WorkingDir(WorkspaceError::NotLocal | WorkspaceError::OutsideRoots) => {
            (ApiError::new(StatusCode::FORBIDDEN, "working_dir_not_allowed", ""), within("working_dir"), FaultCode::NotAllowed)
        }
        BadRun::WorkingDir(_) => (ApiError::new(unprocessable, "bad_working_dir", ""), within("working_dir"), FaultCode::Invalid),
        BadRun::Workspace { field, is_allowed, .. } => describe_bad_workspace(within(&format!("workspace.{field}")), *is_allowed),
        BadRun::SessionWorkspace => (ApiError::new(unprocessable, "session_mismatch", ""), within("workspace"), FaultCode::Conflict),
        BadRun::SessionAgent(_) => {
            (ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "session_mismatch", ""), fields.agent.to_owned(), FaultCode::Conflict)
        }
        BadRun::SessionDirectory(_) => {
            (ApiError::new(unprocessable, "session_mismatch", ""), within("working_dir"), FaultCode::NotSupported)
        }
        BadRun::SessionDirectoryGone { .. } => {
            (ApiError::new(StatusCode::CONFLICT, "working_dir_gone", ""), within("working_dir"), FaultCode::Conflict)
        }
        BadRun::OutputSchema(BadSchema::TooLong) => (invalid(), within("output_schema"), FaultCode::TooLong),
        BadRun::OutputSchema(_) => (invalid(), within("output_schema"), FaultCode::Invalid),
        BadRun::Instructions => (invalid(), within("instructions"), FaultCode::Invalid),
        BadRun::InstructionsTooLong => (invalid(), within("instructions"), FaultCode::TooLong),
        BadRun::NoInstructions(_) => (invalid(), within("instructions"), FaultCode::NotSupported),
        BadRun::CannotResume(_) => {
            (ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "cannot_resume", ""), within("session_id"), FaultCode::NotSupported)
        }
        BadRun::CannotAsk { .. } | BadRun::CannotKeepMode { .. } => {
            (ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "cannot_ask", ""), within("permission_mode"), FaultCode::NotSupported)
        }
        BadRun::Isolation(BadIsolation::Unavailable { .. }) => {
            (ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "isolation_unavailable", ""), within("isolation"), FaultCode::NotSupported)
        }
        BadRun::Isolation(BadIsolation::NeedsAdmin(_)) => {
            (ApiError::new(StatusCode::FORBIDDEN, "admin_only", ""), within("isolation"), FaultCode::NotAllowed)
        }
        BadRun::Isolation(BadIsolation::BelowRequired(_)) => {
            (ApiError::new(StatusCode::FORBIDDEN, "isolation_required", ""), within("isolation"), FaultCode::NotAllowed)
        }
        BadRun::EgressLevel => (invalid(), within("egress"), FaultCode::NotSupported),
        BadRun::TooManyHosts => (invalid(), within("egress"), FaultCode::TooMany),
        BadRun::EgressHost { index, .. } => (invalid(), within(&format!("egress[{index}]")), FaultCode::NotAllowed),
        BadRun::TrustNeedsAdmin => {
            (ApiError::new(StatusCode::FORBIDDEN, "admin_only", ""), within("project_config"), FaultCode::NotAllowed)
        }
        BadRun::NoMcpServers(_) => (invalid(), within("mcp_servers"), FaultCode::NotSupported),
        BadRun::McpServersNeedAdmin => {
            (ApiError::new(StatusCode::FORBIDDEN, "admin_only", ""), within("mcp_servers"), FaultCode::NotAllowed)
        }
        BadRun::McpServer { index, .. } => (invalid(), within(&format!("mcp_servers[{index}]")), FaultCode::Invalid),
        BadRun::EnvNotAllowed(name) => {
            (ApiError::new(StatusCode::FORBIDDEN, "env_not_allowed", ""), within(&format!("env.{name}")), FaultCode::NotAllowed)
        }
        BadRun::EnvName(name) | BadRun::EnvValue(name) => (invalid(), within(&format!("env.{name}")), FaultCode::Invalid),
        BadRun::EnvTooLong => (invalid(), within("env"), FaultCode::TooLong),
        BadRun::TooManyEnvVars => (invalid(), within("env"), FaultCode::TooMany),
        BadRun::Rule { index, error } => {
            let code = if error.problem == BadPattern::TooLong { FaultCode::TooLong } else { FaultCode::Invalid };
            (invalid(), within(&format!("permission_rules[{index}].{}", error.field)), code)
        }
        BadRun::RulesTooLong => (invalid(), within("permission_rules"), FaultCode::TooLong),
        BadRun::TooManyRules => (invalid(), within("permission_rules"), FaultCode::TooMany),
        BadRun::Timeout { field } => (invalid(), within(field), FaultCode::OutOfRange),
        BadRun::MaxWait { .. } => (invalid(), within("max_wait_secs"), FaultCode::OutOfRange),
        BadRun::MaxWaitWithoutWait => (invalid(), within("max_wait_secs"), FaultCode::Conflict),
        BadRun::CannotWait(_) => (invalid(), within("on_rate_limit"), FaultCode::NotSupported),
        BadRun::ZeroSpendLimit(kind) => (invalid(), within(kind.limit_name()), FaultCode::OutOfRange),
        BadRun::SpendNotReported { kind, .. } => (invalid(), within(kind.limit_name()), FaultCode::NotSupported),
        BadRun::TooManyLabels => (invalid(), within("labels"), FaultCode::TooMany),
        BadRun::LabelName => (invalid(), within("labels"), FaultCode::Invalid),
        BadRun::LabelTooLong(name) => (invalid(), within(&format!("labels.{name}")), FaultCode::TooLong),
        BadRun::Webhook(_) => (invalid(), within("webhook"), FaultCode::Invalid),
    }
}

impl From<ProfileError> for ApiError {
    fn from(error: ProfileError) -> Self {
        const FIELDS: RunFields = RunFields { prompt: "prompt", agent: "agent_type", model: "model", prefix: "" };
        let detail = error.to_string();
        match error {
            ProfileError::NotFound(_) => Self::not_found(detail),
            ProfileError::ReadOnly(_) => Self::new(StatusCode::CONFLICT, "profile_read_only", detail),
            ProfileError::TooMany => Self::new(StatusCode::CONFLICT, "too_many_profiles", detail),
            ProfileError::Invalid(faults) => Self::from_bad_run(faults, FIELDS),
            ProfileError::Store(error) => error.into(),
        }
    }
}

fn describe_bad_workspace(field: String, is_allowed: bool) -> (ApiError, String, FaultCode) {
    if is_allowed {
        (ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_workspace", ""), field, FaultCode::Invalid)
    } else {
        (ApiError::new(StatusCode::FORBIDDEN, "working_dir_not_allowed", ""), field, FaultCode::NotAllowed)
    }
}

fn describe_bad_attachment(parts: &str, index: usize, problem: &BadAttachment) -> (ApiError, String, FaultCode) {
    let code = match problem {
        BadAttachment::TooMany => FaultCode::TooMany,
        BadAttachment::TooLarge => FaultCode::TooLong,
        BadAttachment::Empty => FaultCode::Required,
        BadAttachment::Unsupported { .. } => FaultCode::NotSupported,
        BadAttachment::NameUsed => FaultCode::Conflict,
        BadAttachment::Name | BadAttachment::MediaType | BadAttachment::ImageType => FaultCode::Invalid,
    };
    let field = problem.field().map(|field| format!("[{index}].{field}")).unwrap_or_default();
    (ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_field", ""), format!("{parts}{field}"), code)
}

impl From<FindError> for ApiError {
    fn from(error: FindError) -> Self {
        match error {
            FindError::NotFound(_) => Self::not_found(error.to_string()),
            FindError::Store(error) => error.into(),
        }
    }
}

impl From<ChangesError> for ApiError {
    fn from(error: ChangesError) -> Self {
        match error {
            ChangesError::Find(error) => error.into(),
            ChangesError::NoSession(_) | ChangesError::NoTurn(_) | ChangesError::NoFile(_) => Self::not_found(error.to_string()),
            ChangesError::Unavailable(detail) => Self::new(StatusCode::CONFLICT, "changes_unavailable", detail),
            ChangesError::Private => Self::new(StatusCode::FORBIDDEN, "working_dir_not_allowed", error.to_string()),
        }
    }
}

impl From<RetryError> for ApiError {
    fn from(error: RetryError) -> Self {
        let detail = error.to_string();
        match error {
            RetryError::NotFound => Self::not_found(detail),
            RetryError::NotFailed(_) => Self::new(StatusCode::CONFLICT, "delivery_not_failed", detail),
            RetryError::Store(error) => error.into(),
        }
    }
}

impl From<FilesError> for ApiError {
    fn from(error: FilesError) -> Self {
        let detail = error.to_string();
        match error {
            FilesError::Changes(error) => error.into(),
            FilesError::Directory(WorkspaceError::Exhausted(cause)) => Self::exhausted(&cause),
            FilesError::Private | FilesError::Directory(WorkspaceError::OutsideRoots | WorkspaceError::NotLocal) => {
                Self::new(StatusCode::FORBIDDEN, "working_dir_not_allowed", detail)
            }
            FilesError::Directory(_) => Self::new(StatusCode::CONFLICT, "working_dir_gone", detail),
            FilesError::ReadOnly => Self::new(StatusCode::CONFLICT, "run_read_only", detail),
            FilesError::File { error, .. } => match error {
                FileError::NotFound => Self::not_found(detail),
                FileError::Link | FileError::Kind(_) => Self::new(StatusCode::CONFLICT, "wrong_file_type", detail),
                FileError::Denied | FileError::TooManyEntries => Self::new(StatusCode::CONFLICT, "file_inaccessible", detail),
                // The cause is that of the body.
                FileError::Incomplete => Self::new(StatusCode::BAD_REQUEST, "body_unreadable", detail),
                FileError::Exhausted(cause) => Self::exhausted(&cause),
                FileError::Io(cause) => Self::internal(&cause),
            },
        }
    }
}

impl From<UploadError> for ApiError {
    fn from(error: UploadError) -> Self {
        let detail = error.to_string();
        match error {
            UploadError::Name => Self::invalid_field("name", FaultCode::Invalid, detail),
            UploadError::Empty => Self::invalid_field("body", FaultCode::Required, detail),
            UploadError::Full | UploadError::ServerFull => Self::new(StatusCode::INSUFFICIENT_STORAGE, "storage_quota_exceeded", detail),
            UploadError::NotFound(_) => Self::not_found(detail),
            UploadError::Store(error) => error.into(),
            // The cause is that of the body.
            UploadError::Incomplete => Self::new(StatusCode::BAD_REQUEST, "body_unreadable", detail),
            UploadError::Exhausted(cause) => Self::exhausted(&cause),
            UploadError::Io(cause) => Self::internal(&cause),
        }
    }
}

impl From<RevertError> for ApiError {
    fn from(error: RevertError) -> Self {
        let detail = error.to_string();
        match error {
            RevertError::Files(error) => error.into(),
            RevertError::Busy(_) => Self::new(StatusCode::CONFLICT, "session_busy", detail),
            RevertError::NoSnapshot(_) => Self::not_found(detail),
        }
    }
}

impl From<SessionWorkspaceError> for ApiError {
    fn from(error: SessionWorkspaceError) -> Self {
        use SessionWorkspaceError as E;

        let detail = error.to_string();
        match error {
            E::Find(error) => error.into(),
            E::Live(_) => Self::new(StatusCode::CONFLICT, "session_busy", detail),
            E::NoWorktree => Self::new(StatusCode::CONFLICT, "no_worktree", detail),
            E::InPlace => Self::new(StatusCode::CONFLICT, "no_workspace", detail),
            E::Uncommitted => Self::new(StatusCode::CONFLICT, "uncommitted_work", detail),
            E::Push(_) => Self::new(StatusCode::CONFLICT, "push_failed", detail),
            E::Field { field, .. } => Self::invalid_field(field, FaultCode::Invalid, detail),
            E::Worktree(WorktreeError::Repository(RepositoryError::RefChanged(_))) => {
                Self::new(StatusCode::CONFLICT, "branch_changed", detail)
            }
            E::Worktree(WorktreeError::Io(cause) | WorktreeError::Repository(RepositoryError::Io(cause)))
                if matches!(cause.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded) =>
            {
                Self::exhausted(&cause)
            }
            E::Worktree(error) => {
                tracing::warn!(%error, "could not use a worktree");
                Self::new(StatusCode::CONFLICT, "workspace_unusable", detail)
            }
        }
    }
}

impl From<SearchError> for ApiError {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::TooMany(_) => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_searches", error.to_string()).retry_after(RETRY_AFTER_SECS)
            }
            SearchError::Store(error) => error.into(),
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
            AnswerError::Ended(_) | AnswerError::Rejected(AnswerRejected::Ended) => Self::new(StatusCode::CONFLICT, "run_ended", detail),
            AnswerError::Rejected(AnswerRejected::Store(error)) => error.into(),
            AnswerError::Rejected(AnswerRejected::Bad(bad)) => match bad {
                BadAnswer::Unknown(_) => Self::not_found(detail),
                BadAnswer::AlreadyAnswered(_) => Self::new(StatusCode::CONFLICT, "already_answered", detail),
                BadAnswer::UnknownOption(_) => Self::invalid_field("decision", FaultCode::Invalid, detail),
                BadAnswer::UnknownChoice(_) => Self::invalid_field("option_id", FaultCode::Invalid, detail),
                BadAnswer::WrongKind { .. } | BadAnswer::WrongCount(_) => Self::invalid_field("answers", FaultCode::Invalid, detail),
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
            MessageError::Attachments(faults) => {
                let fault = |(index, problem): (usize, BadAttachment)| {
                    let (_, field, code) = describe_bad_attachment("parts", index, &problem);
                    FieldError::new(field, code, problem.to_string())
                };
                Self::invalid_fields(faults.into_iter().map(fault).collect())
            }
            MessageError::InvalidText => Self::invalid_field("text", FaultCode::Invalid, detail),
            MessageError::NotSupported(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "messages_not_supported", detail),
            MessageError::Ended { .. } | MessageError::Rejected(MessageRejected::Ended) => {
                Self::new(StatusCode::CONFLICT, "run_ended", detail)
            }
            MessageError::KeyReused => key_reused(detail),
            MessageError::Rejected(MessageRejected::TooMany(_)) => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_messages", detail).retry_after(RETRY_AFTER_SECS)
            }
            MessageError::Rejected(MessageRejected::Store(error)) => error.into(),
        }
    }
}

/// The user's daily budget is used up until midnight UTC.
fn over_budget(over: &OverBudget) -> ApiError {
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "budget_exceeded", over.to_string()).retry_after(over.seconds_left())
}

fn key_reused(detail: String) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", detail).with_field("Idempotency-Key", FaultCode::Conflict)
}

impl From<DeleteError> for ApiError {
    fn from(error: DeleteError) -> Self {
        match error {
            DeleteError::Find(error) => error.into(),
            DeleteError::Live(_) => Self::new(StatusCode::CONFLICT, "run_active", error.to_string()),
        }
    }
}

/// A default password is used from another machine.
fn default_password(user: &UserName) -> ApiError {
    let detail = format!(
        "{user} still has the default password, which works only on the server's own machine without a proxy; \
         set a password there (`openrunner user set {user}`, or OPENRUNNER_ADMIN_PASSWORD for admin)"
    );
    ApiError::new(StatusCode::FORBIDDEN, "default_password", detail)
}

/// A default password is used by another account of the server's machine.
fn default_password_of_other(user: &UserName, cause: &NotServerAccount) -> ApiError {
    let detail = format!(
        "{user} still has the default password, which works only for the account that runs the server and for root, and {cause}; \
         set a password as the server's account (`openrunner user set {user} --password`, or OPENRUNNER_ADMIN_PASSWORD for admin)"
    );
    ApiError::new(StatusCode::FORBIDDEN, "default_password", detail)
}

impl From<LoginError> for ApiError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::WrongCredentials => Self::unauthorized("wrong_credentials", error.to_string()),
            LoginError::DefaultPasswordNotLocal(user) => default_password(&user),
            LoginError::DefaultPasswordOfOther { user, cause } => default_password_of_other(&user, &cause),
            LoginError::Store(error) => error.into(),
            LoginError::Hash(_) | LoginError::Sign => Self::internal(&error),
        }
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Expired => Self::unauthorized("token_expired", "the token has expired; log in again with POST /api/auth/login"),
            AuthError::Invalid => Self::unauthorized("token_invalid", "the token is invalid; log in again with POST /api/auth/login"),
            AuthError::DefaultPasswordNotLocal(user) => default_password(&user),
            AuthError::DefaultPasswordOfOther { user, cause } => default_password_of_other(&user, &cause),
            AuthError::KeyInQuery => {
                let detail = "API keys are not accepted in the query; send the key as `Authorization: Bearer`, or get a ticket with POST /api/runs/{id}/ticket";
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
            UserError::Exists(_) => Self::new(StatusCode::CONFLICT, "user_exists", detail).with_field("username", FaultCode::Conflict),
            UserError::NotFound(_) => Self::not_found(detail),
            UserError::LastAdmin(_) => Self::new(StatusCode::CONFLICT, "last_admin", detail),
            UserError::Password(_) => Self::invalid_field("password", FaultCode::Invalid, detail),
            UserError::Hash(_) => Self::internal(&error),
            UserError::Store(error) => error.into(),
        }
    }
}

impl From<PasswordError> for ApiError {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::WrongPassword => {
                Self::new(StatusCode::FORBIDDEN, "wrong_password", error.to_string()).with_field("current_password", FaultCode::Invalid)
            }
            PasswordError::Change(UserError::Password(bad)) => Self::invalid_field("new_password", FaultCode::Invalid, bad.to_string()),
            PasswordError::Change(error) => error.into(),
            PasswordError::Login(error) => error.into(),
        }
    }
}

impl From<NewKeyError> for ApiError {
    fn from(error: NewKeyError) -> Self {
        let detail = error.to_string();
        match error {
            NewKeyError::Invalid(faults) => Self::invalid_fields(faults.into_iter().map(FieldError::from).collect()),
            NewKeyError::AdminScope => Self::new(StatusCode::FORBIDDEN, "admin_only", detail).with_field("scopes", FaultCode::NotAllowed),
            NewKeyError::DefaultPassword(_) => Self::new(StatusCode::FORBIDDEN, "own_password_needed", detail),
            NewKeyError::NoOwner(_) => Self::not_found(detail),
            NewKeyError::OtherOwner => Self::new(StatusCode::FORBIDDEN, "admin_only", detail).with_field("owner", FaultCode::NotAllowed),
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

impl From<BadKey> for FieldError {
    fn from(bad: BadKey) -> Self {
        let (field, code) = match bad {
            BadKey::Name => ("name", FaultCode::Invalid),
            BadKey::NoScope => ("scopes", FaultCode::Required),
            BadKey::Lifetime => ("expires_in", FaultCode::OutOfRange),
            BadKey::Session => ("default_session", FaultCode::Invalid),
            BadKey::Directory => ("default_directory", FaultCode::Invalid),
        };
        Self::new(field, code, bad.to_string())
    }
}

#[cfg(test)]
mod tests {
    //! Rules: C1, W8.

    use axum::response::IntoResponse;

    use super::*;

    const FIELDS: RunFields =
        RunFields { prompt: "input.text", agent: "metadata.agent_type", model: "metadata.model", prefix: "metadata." };

    #[test]
    fn store_errors_reveal_nothing() {
        let error = ApiError::from(StoreError::Write("/var/lib/x: no space".to_owned()));
        assert_eq!((error.status().as_u16(), error.code()), (507, "storage"));
        assert!(!error.detail().contains("/var"), "{error}");
        assert_eq!(ApiError::from(StoreError::Closed).status(), StatusCode::INSUFFICIENT_STORAGE);
    }

    #[test]
    fn a_full_queue_and_a_draining_server_say_when_to_retry() {
        for (error, status, code) in [
            (CreateError::QueueFull { max_queue: 1 }, 429, "queue_full"),
            (CreateError::UserQueueFull { waiting: 1, max: 1 }, 429, "queue_full"),
            (CreateError::Draining, 503, "shutting_down"),
        ] {
            let error = ApiError::from_create(error, FIELDS);
            assert_eq!((error.status().as_u16(), error.code()), (status, code));
            assert!(error.into_response().headers().contains_key("retry-after"));
        }
    }

    #[test]
    fn all_faults_of_a_run_are_listed_and_the_first_decides_on_the_code() {
        let faults = vec![BadRun::McpServersNeedAdmin, BadRun::Model, BadRun::LabelTooLong("team".to_owned())];
        let error = ApiError::from_create(CreateError::Invalid(faults), FIELDS);
        assert_eq!((error.status().as_u16(), error.code()), (403, "admin_only"));
        let fields: Vec<_> = error.errors().iter().map(|error| (error.field.as_str(), error.code)).collect();
        assert_eq!(
            fields,
            [
                ("metadata.mcp_servers", FaultCode::NotAllowed),
                ("metadata.model", FaultCode::Invalid),
                ("metadata.labels.team", FaultCode::TooLong)
            ]
        );
        assert!(error.detail().starts_with("metadata.mcp_servers: ") && error.detail().contains("; metadata.model: "), "{error}");
    }
}
