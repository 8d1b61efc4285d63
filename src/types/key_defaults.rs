//! What an API key gives to requests that do not state it themselves.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ProfileName;

/// What to do with a run whose client disconnects before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnDisconnect {
    /// Cancel the run.
    Cancel,
    /// Let the run continue.
    Continue,
}

impl std::str::FromStr for OnDisconnect {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "cancel" => Ok(Self::Cancel),
            "continue" => Ok(Self::Continue),
            _ => Err("expected cancel or continue"),
        }
    }
}

/// The defaults of an API key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyDefaults {
    /// Profile of the runs that name none; absent for that of the server.
    #[serde(default, rename = "default_profile", skip_serializing_if = "Option::is_none")]
    pub profile: Option<ProfileName>,
    /// Session of requests of the OpenAI-compatible API that name none, as in the header `OpenRunner-Session`.
    #[serde(default, rename = "default_session", skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Working directory of requests of the OpenAI-compatible API that name none.
    #[serde(default, rename = "default_directory", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub directory: Option<PathBuf>,
    /// What happens to a run whose client disconnects while it waits for the answer, unless the request states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_disconnect: Option<OnDisconnect>,
}
