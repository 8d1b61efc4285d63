//! What a run does when its agent reaches a limit of the model's provider.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a run does when its agent reaches a rate or usage limit of the model's provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnRateLimit {
    /// Fail with cause `rate_limited`.
    #[default]
    Fail,
    /// Wait until the limit resets, and continue then.
    Wait,
}
