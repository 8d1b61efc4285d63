//! What an API key may be used for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One thing that an API key may be used for. None contains another: a key has exactly those that it was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
pub enum Scope {
    /// Look at runs, their events and what their agents ask.
    #[serde(rename = "runs:read")]
    RunsRead,
    /// Make, steer, answer, stop and delete runs.
    #[serde(rename = "runs:write")]
    RunsWrite,
    /// Act as the admin that the owner is: on users, keys and the audit log and, together with the other scopes, on everyone's runs.
    #[serde(rename = "admin")]
    Admin,
    /// Read the server's metrics, and nothing else: for the program that collects them.
    #[serde(rename = "metrics")]
    Metrics,
}

/// A text that names no scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a scope: one of runs:read, runs:write, admin, metrics")]
pub struct BadScope;

impl Scope {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::RunsRead, Self::RunsWrite, Self::Admin, Self::Metrics];

    /// The name on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RunsRead => "runs:read",
            Self::RunsWrite => "runs:write",
            Self::Admin => "admin",
            Self::Metrics => "metrics",
        }
    }

    /// Whether only keys of admins can have it: what it lets in to tells of everyone.
    pub fn is_for_admins(self) -> bool {
        matches!(self, Self::Admin | Self::Metrics)
    }
}

impl FromStr for Scope {
    type Err = BadScope;

    fn from_str(text: &str) -> Result<Self, BadScope> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(BadScope)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_has_one_name_everywhere() {
        for scope in Scope::ALL {
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.as_str());
            assert_eq!(scope.as_str().parse(), Ok(scope));
        }
        assert_eq!("runs".parse::<Scope>(), Err(BadScope));
    }
}
