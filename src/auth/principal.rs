//! Someone who has passed the door, and by what.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::types::{Caller, KeyId, Scope, Timestamp, TokenId};

/// Someone who has passed the door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Who it is, and what they may do by the store's word at the time of the request. With a key that lacks the scope `admin` an
    /// admin is a user like others.
    pub caller: Caller,
    /// How long the token or key is still good; `None` without end. Whatever runs on it ends with it, such as a stream.
    pub expires_in: Option<Duration>,
    /// Whether the user's password is a default one. Then all this is good on this machine only.
    pub default_password: bool,
    /// What was shown at the door.
    pub credential: Credential,
}

/// What somebody was let in by. Kept for asking again whether it is still good, so it holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// The token of a login.
    Token(TokenFacts),
    /// An API key, with the scopes that it has and its owner's role allows.
    Key {
        /// Which key.
        id: KeyId,
        /// What it may be used for now.
        scopes: BTreeSet<Scope>,
    },
}

/// What a token says beside its user's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenFacts {
    /// Which token.
    pub id: TokenId,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The generation of the user's password that it was got with.
    pub(super) generation: i64,
    /// Whether that was a default password.
    pub(super) default_password: bool,
}

impl Principal {
    /// Whether this may be used for what needs the scope. A login may be used for everything that its user may do.
    pub fn has_scope(&self, scope: Scope) -> bool {
        match &self.credential {
            Credential::Token(_) => true,
            Credential::Key { scopes, .. } => scopes.contains(&scope),
        }
    }

    /// The key that is used, if it is one.
    pub fn key(&self) -> Option<KeyId> {
        match &self.credential {
            Credential::Token(_) => None,
            Credential::Key { id, .. } => Some(*id),
        }
    }
}
