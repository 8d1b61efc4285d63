//! The closed list of the codes that a refusal may carry.

/// One code.
pub(super) struct Code {
    /// The status that it comes with.
    pub(super) status: u16,
    /// The code.
    pub(super) name: &'static str,
    /// When it comes, for a person.
    pub(super) when: &'static str,
}

const fn code(status: u16, name: &'static str, when: &'static str) -> Code {
    Code { status, name, when }
}

/// Every code, by status. A test compares the list with what the handlers and layers answer with.
pub(super) const ALL: &[Code] = &[
    code(400, "malformed_json", "the body is not JSON"),
    code(400, "body_missing", "there is no body"),
    code(400, "body_unreadable", "the body broke off"),
    code(400, "bad_argument", "`extra_args` holds what OpenRunner sets itself, or what no flag can be"),
    code(400, "unknown_model", "no agent goes by that name"),
    code(400, "unsupported_parameter", "something that an agent cannot do, and that would be missed: tools, images, a form of the answer"),
    code(401, "token_missing", "there is no token"),
    code(401, "token_invalid", "the token is not good"),
    code(401, "token_expired", "the token is not good any more"),
    code(401, "wrong_credentials", "the name or the password is wrong"),
    code(403, "default_password", "a default password, or a token got with one, from another machine"),
    code(403, "origin_not_allowed", "a web page of this origin may not call this server"),
    code(403, "cross_site", "a web page of another site may not change anything on this server"),
    code(403, "admin_only", "this route, or what is asked for there, is for admins"),
    code(403, "scope_missing", "the API key lacks the scope for this, or this needs a login"),
    code(403, "own_password_needed", "a user with a default password cannot make API keys"),
    code(403, "wrong_password", "the present password is another one"),
    code(403, "env_not_allowed", "a variable that this user may not set, or nobody"),
    code(403, "working_dir_not_allowed", "the folder is not one that may be chosen, or not from there"),
    code(404, "not_found", "nothing of that name, or nothing that is yours"),
    code(404, "model_not_found", "the provider does not know the model"),
    code(405, "method_not_allowed", "the route has other methods; `Allow` lists them"),
    code(408, "body_timeout", "the body took too long"),
    code(409, "run_active", "the run has not ended"),
    code(409, "run_ended", "the run has ended"),
    code(409, "already_answered", "the request was answered already, by somebody, a rule or the clock"),
    code(409, "session_busy", "the conversation has a live run, and `on_busy` is `reject`"),
    code(409, "cancelled", "the run was cancelled"),
    code(409, "user_exists", "the name is taken"),
    code(409, "last_admin", "nobody would be left who can make users"),
    code(413, "body_too_large", "the body is over 2 MiB"),
    code(415, "not_json", "the body is not declared as `application/json`"),
    code(421, "host_not_served", "the server does not go by the name in `Host`"),
    code(422, "invalid_field", "`field` is missing, unknown, of another type or out of its bounds"),
    code(422, "unknown_agent", "there is no agent of that name"),
    code(422, "bad_working_dir", "the folder is not absolute, not there, not a folder, or the server's own"),
    code(422, "session_mismatch", "the conversation is another agent's, or works in another folder"),
    code(422, "cannot_resume", "the agent cannot go on with a conversation"),
    code(422, "cannot_ask", "the agent asks nobody, so `permission_mode` can only be `auto`, without rules"),
    code(422, "messages_not_supported", "the agent takes a prompt and nothing after it"),
    code(422, "idempotency_key_reused", "the key came before with another request"),
    code(429, "queue_full", "as many runs wait as may"),
    code(429, "budget_exceeded", "the user's budget for the day (UTC) is used up"),
    code(429, "too_many_messages", "as many messages to the run wait as may"),
    code(429, "too_many_logins", "too many logins of this client or for this user name have failed"),
    code(429, "too_many_requests", "the user, or the client without a token, has come too often in the last minute"),
    code(429, "too_many_streams", "as many streams of the user are open as may be"),
    code(429, "rate_limited", "the provider's rate or usage limit was reached"),
    code(500, "internal", "a fault of the server; its log tells more under the id that `detail` names"),
    code(502, "agent_error", "the agent, or the model behind it, reported an error"),
    code(502, "not_logged_in", "the agent has no login or key, or the provider refused it"),
    code(502, "not_installed", "the agent's program is not on the server's machine"),
    code(502, "bad_arguments", "the agent refused its arguments"),
    code(502, "crashed", "the agent's process ended by itself without a result"),
    code(502, "killed", "the agent's process died of a signal that was not ours"),
    code(502, "protocol", "the agent did not speak its protocol, or ended without saying how"),
    code(503, "node_lost", "the server that drove the run died"),
    code(503, "shutting_down", "the server is going down"),
    code(503, "overloaded", "the server can open no more files at the moment"),
    code(504, "timeout", "the run's time was over"),
    code(504, "startup_timeout", "the agent printed nothing within OPENRUNNER_STARTUP_TIMEOUT_SECS of its start"),
    code(504, "idle_timeout", "the agent printed nothing for longer than the run's idle_timeout_secs"),
    code(507, "storage", "nothing can be stored at the moment: a full disk, mostly"),
];
