//! Parameters that several routes have, as the API's description shows them. The extractors read them.

use utoipa::IntoParams;

use crate::types::{KeyId, RunId, SessionId, UserName};

/// The run of a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only described, not read")]
pub(super) struct RunPath {
    /// The run.
    id: RunId,
}

/// The session of a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only described, not read")]
pub(super) struct SessionPath {
    /// The conversation.
    id: SessionId,
}

/// The user of a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only described, not read")]
pub(super) struct UserPath {
    /// The user's name.
    name: UserName,
}

/// The API key of a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only described, not read")]
pub(super) struct KeyPath {
    /// The key's id.
    id: KeyId,
}

/// A request of a run's agent.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only described, not read")]
pub(super) struct RequestPath {
    /// The run.
    id: RunId,
    /// What the agent has asked: its `id` in the listing and in the event.
    request: String,
}

/// What makes a request safe to repeat.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only described, not read")]
pub(super) struct RepeatHeader {
    /// The same key with the same body gets the same answer, and nothing is made twice.
    #[param(rename = "Idempotency-Key", min_length = 1, max_length = 255, pattern = "^[!-~]+$")]
    key: Option<String>,
}

/// What is not sent again to whoever has it.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only described, not read")]
pub(super) struct KnownHeader {
    /// The `ETag` of what the client has; if it is still the same, the answer is 304 without a body.
    #[param(rename = "If-None-Match")]
    tag: Option<String>,
}
