//! The closed list of error codes.

/// An error code.
pub(super) struct Code {
    /// Its HTTP status.
    pub(super) status: u16,
    /// The code.
    pub(super) name: &'static str,
    /// When it occurs.
    pub(super) when: &'static str,
}

const fn code(status: u16, name: &'static str, when: &'static str) -> Code {
    Code { status, name, when }
}

/// All codes, by status. A test compares the list with those that the code uses.
pub(super) const ALL: &[Code] = &[
    code(400, "malformed_json", "the body is not valid JSON"),
    code(400, "body_missing", "the body is missing"),
    code(400, "body_unreadable", "the body is incomplete or has the wrong encoding"),
    code(400, "bad_argument", "`extra_args` contains a flag that OpenRunner sets itself, or an invalid element"),
    code(400, "unknown_model", "no agent has this name"),
    code(400, "unsupported_parameter", "agents do not support the parameter, such as tools, images or response formats"),
    code(401, "token_missing", "the token is missing"),
    code(401, "token_invalid", "the token is invalid"),
    code(401, "token_expired", "the token has expired"),
    code(401, "wrong_credentials", "the user name or password is wrong"),
    code(403, "default_password", "a default password, or a token obtained with one, is used from another machine or account"),
    code(403, "origin_not_allowed", "web pages of this origin may not call the server"),
    code(403, "cross_site", "web pages of other sites may not change anything on the server"),
    code(403, "admin_only", "the route, or a value in the request, requires an admin"),
    code(403, "scope_missing", "the API key lacks the required scope, or the route requires a login"),
    code(403, "own_password_needed", "users with a default password cannot create API keys"),
    code(403, "wrong_password", "the current password is wrong"),
    code(403, "env_not_allowed", "the user may not set this variable, or it is reserved"),
    code(403, "working_dir_not_allowed", "the working directory is outside the allowed roots, or may be chosen by local users only"),
    code(403, "isolation_required", "the operator requires a higher isolation level"),
    code(404, "not_found", "the resource does not exist, or belongs to another user"),
    code(404, "model_not_found", "the provider does not know the model"),
    code(405, "method_not_allowed", "the route does not support the method; see `Allow`"),
    code(408, "body_timeout", "the body did not arrive in time"),
    code(409, "run_active", "the run has not ended"),
    code(409, "run_ended", "the run has ended"),
    code(409, "already_answered", "the request was already answered by a user or a rule, or has expired"),
    code(409, "session_busy", "the session has a live run, and `on_busy` is `reject`"),
    code(409, "cancelled", "the run was cancelled"),
    code(409, "user_exists", "the user name is taken"),
    code(409, "last_admin", "the last admin cannot be removed or demoted"),
    code(413, "body_too_large", "the body exceeds 2 MiB, or 16 KiB on routes that need no token"),
    code(415, "not_json", "the body is not declared as `application/json`"),
    code(421, "host_not_served", "the host in `Host` is not allowed"),
    code(422, "invalid_field", "one or more fields are missing, unknown, of the wrong type or out of range; see `errors`"),
    code(422, "unknown_agent", "the agent does not exist"),
    code(422, "bad_working_dir", "the working directory is not absolute, does not exist, is not a directory, or belongs to the server"),
    code(422, "session_mismatch", "the session uses another agent or working directory"),
    code(422, "cannot_resume", "the agent cannot continue a session"),
    code(422, "cannot_ask", "the agent does not ask for permissions, so only `permission_mode` `auto` without rules is possible"),
    code(422, "isolation_unavailable", "the server cannot hold the requested isolation level"),
    code(422, "messages_not_supported", "the agent accepts no messages after the prompt"),
    code(422, "idempotency_key_reused", "the idempotency key was used for another request"),
    code(429, "queue_full", "the queue is full"),
    code(429, "budget_exceeded", "the user's budget for the day (UTC) is used up"),
    code(429, "too_many_messages", "too many messages to the run are pending"),
    code(429, "too_many_logins", "too many failed logins from this client or for this user name"),
    code(429, "too_many_requests", "too many requests per minute by the user, or by the client without a token"),
    code(429, "too_many_streams", "the user has too many open streams"),
    code(429, "rate_limited", "the provider's rate or usage limit is reached"),
    code(500, "internal", "internal error; `detail` contains the id of the entry in the server's log"),
    code(502, "agent_error", "the agent, or the model behind it, reported an error"),
    code(502, "not_logged_in", "the agent is not logged in, or the provider rejected its key"),
    code(502, "not_installed", "the agent is not installed on the server"),
    code(502, "bad_arguments", "the agent rejected its arguments"),
    code(502, "crashed", "the agent exited without a result"),
    code(502, "killed", "the agent was killed by a signal that the server did not send"),
    code(502, "protocol", "the agent violated its protocol, or exited without reporting an outcome"),
    code(503, "node_lost", "the server that ran the agent died"),
    code(503, "shutting_down", "the server is shutting down"),
    code(503, "overloaded", "the server cannot open more files, or is receiving too many request bodies"),
    code(504, "timeout", "the run exceeded its time limit"),
    code(504, "startup_timeout", "the agent printed nothing within OPENRUNNER_STARTUP_TIMEOUT_SECS of its start"),
    code(504, "idle_timeout", "the agent printed nothing for longer than `idle_timeout_secs`"),
    code(507, "storage", "the server cannot write to disk"),
];
