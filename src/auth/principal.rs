//! An authenticated caller, and the credential that was used.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::types::{Caller, KeyDefaults, KeyId, OnDisconnect, Scope, Timestamp, TokenId};

/// An authenticated caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The user with their role at the time of the request. An admin's key without the scope `admin` has the role of a plain user.
    pub caller: Caller,
    /// Remaining lifetime of the token or key; `None` if it does not expire. Streams opened with it end with it.
    pub expires_in: Option<Duration>,
    /// Whether the user has a default password. Then the credential is valid for local clients only.
    pub default_password: bool,
    /// The credential that was used.
    pub credential: Credential,
}

/// The credential of a caller, for checking later whether it is still valid. It contains no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// The token of a login.
    Token(TokenFacts),
    /// An API key, with its scopes as far as the owner's role allows them.
    Key {
        /// Id of the key.
        id: KeyId,
        /// Effective scopes.
        scopes: BTreeSet<Scope>,
        /// What requests get unless they state it themselves.
        defaults: Box<KeyDefaults>,
    },
}

/// The contents of a token besides the user name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenFacts {
    /// Id of the token.
    pub id: TokenId,
    /// When it expires.
    pub expires_at: Timestamp,
    /// Generation of the user's password at login.
    pub(super) generation: i64,
    /// Whether that was a default password.
    pub(super) default_password: bool,
}

impl Principal {
    /// Whether the credential has the scope. A login has all scopes.
    pub fn has_scope(&self, scope: Scope) -> bool {
        match &self.credential {
            Credential::Token(_) => true,
            Credential::Key { scopes, .. } => scopes.contains(&scope),
        }
    }

    /// What the credential gives to requests that do not state it themselves; `None` for a login.
    pub fn defaults(&self) -> Option<&KeyDefaults> {
        match &self.credential {
            Credential::Token(_) => None,
            Credential::Key { defaults, .. } => Some(defaults),
        }
    }

    /// What happens to a run whose client disconnects, if the credential states it.
    pub fn on_disconnect(&self) -> Option<OnDisconnect> {
        self.defaults().and_then(|defaults| defaults.on_disconnect)
    }

    /// The API key that was used, if any.
    pub fn key(&self) -> Option<KeyId> {
        match &self.credential {
            Credential::Token(_) => None,
            Credential::Key { id, .. } => Some(*id),
        }
    }
}
