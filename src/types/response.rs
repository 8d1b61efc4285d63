//! What is stored of a response of the OpenAI-compatible API beyond its run.

use serde::{Deserialize, Serialize};

use super::RunId;

/// How a run was requested as a response of the OpenAI-compatible API. Everything else of a response is part of its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseSpec {
    /// The run of the response that this one continues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<RunId>,
    /// Whether the client did not wait for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub background: bool,
    /// Whether the response can be retrieved and continued. The run is stored in any case.
    pub stored: bool,
}
