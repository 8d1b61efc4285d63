//! Scopes of API keys.

use std::fmt;
use std::str::FromStr;

use utoipa::ToSchema;

use super::string_enum;

string_enum! {
    /// Scope of an API key. No scope includes another.
    #[derive(PartialOrd, Ord, ToSchema)]
    pub enum Scope {
        /// Read runs, their events and their open requests.
        RunsRead = "runs:read",
        /// Create, message, answer, cancel and delete runs.
        RunsWrite = "runs:write",
        /// Act as an admin: manage users and keys, read the audit log and, together with the other scopes, access all runs. Admins only.
        Admin = "admin",
        /// Read the server's metrics. Admins only.
        Metrics = "metrics",
    }
}

/// The name is not that of a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid scope; expected one of runs:read, runs:write, admin, metrics")]
pub struct BadScope;

impl Scope {
    /// Whether only keys of admins can have this scope, because it covers all users.
    pub fn is_for_admins(self) -> bool {
        matches!(self, Self::Admin | Self::Metrics)
    }
}

impl FromStr for Scope {
    type Err = BadScope;

    fn from_str(text: &str) -> Result<Self, BadScope> {
        Self::from_name(text).ok_or(BadScope)
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
    fn a_scope_is_parsed_from_its_name() {
        for scope in Scope::ALL {
            assert_eq!(scope.to_string().parse(), Ok(scope));
        }
        assert_eq!("runs".parse::<Scope>(), Err(BadScope));
    }
}
