//! Options of the run of a request, which OpenAI's clients send as an extra field of the body.

use std::path::PathBuf;

use serde::Deserialize;
use utoipa::ToSchema;

use crate::run::OnBusy;
use crate::types::{IsolationLevel, OnDisconnect, PermissionMode, ProjectConfig, SessionId};

/// Options of the run. Every field may be absent or null, which means its default.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RunOptions {
    /// The session to continue. Then only the messages after the last one of the assistant are sent, because the agent remembers the others.
    pub(super) session_id: Option<SessionId>,
    /// What to do if that session has a live run.
    pub(super) on_busy: Option<OnBusy>,
    /// Working directory: an absolute path without `..`. Default: the directory of the session, or a fresh one.
    #[schema(value_type = Option<String>)]
    pub(super) working_dir: Option<PathBuf>,
    /// How permission requests are decided.
    pub(super) permission_mode: Option<PermissionMode>,
    /// The isolation level. Default: that of the server. Only admins may choose a lower one.
    pub(super) isolation: Option<IsolationLevel>,
    /// Whether the agent's configuration in the working directory has an effect, as in `POST /api/runs`.
    pub(super) project_config: Option<ProjectConfig>,
    /// Time limit in seconds. Default: 300. Time spent waiting for answers does not count.
    #[schema(minimum = 1, maximum = 604_800)]
    pub(super) timeout_secs: Option<u64>,
    /// Time limit in seconds without any output of the agent.
    #[schema(minimum = 1, maximum = 604_800)]
    pub(super) idle_timeout_secs: Option<u64>,
    /// What to do if the client disconnects before the end. Default: that of the API key, else `cancel` for a streamed chat completion without
    /// an `Idempotency-Key`, which finds the run again; otherwise `continue`.
    pub(super) on_disconnect: Option<OnDisconnect>,
}
