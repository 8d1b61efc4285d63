//! Who asks: logins, passwords, tokens, API keys, and the log of who did what.
//!
//! A token names a user and the generation of the user's password; a key names its owner. What that user may do, and whether there is such
//! a user at all, is looked up for every request, so neither says anything that could grow stale. Nothing here knows HTTP.

mod api_keys;
mod argon2id;
mod audit;
mod client_origin;
mod jwt;
mod key;
mod login;
mod password;
mod principal;
mod tickets;
mod users;

pub use api_keys::{BadKey, NewKey, NewKeyError, RevokeError};
pub use audit::{Audit, AuditEvent, Target};
pub use client_origin::ClientOrigin;
pub use key::{KeyError, SigningKey};
pub use login::{Auth, AuthError, IdentityStore, LoginError, LoginResult, LogoutError, SetupError};
pub use password::{BadPassword, HashError};
pub use principal::{Credential, Principal, TokenFacts};
pub use tickets::TICKET_SECS;
pub use users::{PasswordError, UserError};

#[cfg(test)]
pub(crate) use login::tests;
