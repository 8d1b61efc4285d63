//! Parameters of several routes, for the API description. The extractors read them.

use utoipa::IntoParams;

use crate::types::{KeyId, ProfileName, RunId, SessionId, UploadId, UserName};

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
    /// The session.
    id: SessionId,
}

/// The uploaded file of a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only described, not read")]
pub(super) struct UploadPath {
    /// The uploaded file.
    id: UploadId,
}

/// The user of a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only described, not read")]
pub(super) struct UserPath {
    /// Name of the user.
    name: UserName,
}

/// The API key of a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only described, not read")]
pub(super) struct KeyPath {
    /// Id of the API key.
    id: KeyId,
}

/// The profile of a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only described, not read")]
pub(super) struct ProfilePath {
    /// Name of the profile.
    profile: ProfileName,
}

/// The profile of a new run, in a header.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only described, not read")]
pub(super) struct ProfileHeaderParam {
    /// Profile to use, as in the body; for clients whose body has a fixed form.
    #[param(rename = "OpenRunner-Profile")]
    profile: Option<ProfileName>,
}

/// A permission request or question of a run.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only described, not read")]
pub(super) struct RequestPath {
    /// The run.
    id: RunId,
    /// `id` of the request, as in the list and in the event.
    request: String,
}

/// A changed file of a run.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only described, not read")]
pub(super) struct ChangedFilePath {
    /// The run.
    id: RunId,
    /// Path of the file as in the list of changes. Slashes need no encoding.
    path: String,
}

/// A file in the working directory of a run.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only described, not read")]
pub(super) struct FilePathParam {
    /// The run.
    id: RunId,
    /// Path of the file, relative to the working directory. Slashes need no encoding.
    path: String,
}

/// The requested part of a response.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only described, not read")]
pub(super) struct RangeHeader {
    /// One range of bytes: `bytes=0-1023`. Several at once are answered with the whole.
    #[param(rename = "Range")]
    range: Option<String>,
}

/// The idempotency key.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only described, not read")]
pub(super) struct IdempotencyHeader {
    /// A repeated request with the same key and body returns the same response and creates nothing.
    #[param(rename = "Idempotency-Key", min_length = 1, max_length = 255, pattern = "^[!-~]+$")]
    key: Option<String>,
}

/// The condition for a cached response.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only described, not read")]
pub(super) struct ConditionalHeader {
    /// `ETag` of the cached response. If it is still current, the response is 304 without a body.
    #[param(rename = "If-None-Match")]
    tag: Option<String>,
}
