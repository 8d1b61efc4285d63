//! Authentication: logins, passwords, tokens and API keys, and the audit log.
//!
//! A token contains a user and the generation of the user's password; a key has an owner. Whether the user exists, and their role, is looked up
//! for every request, so tokens and keys contain nothing that can become outdated. This module does not depend on HTTP.

mod api_keys;
mod argon2id;
mod audit;
mod client_account;
mod client_origin;
mod digest;
mod failed_logins;
mod jwt;
mod key;
mod key_format;
mod login;
mod offline_changes;
mod password;
mod principal;
mod tickets;
mod users;

pub use api_keys::{BadKey, NewKey, NewKeyError, RevokeError};
pub use audit::{Audit, AuditEvent, Target};
pub use client_account::{ClientAccount, NotServerAccount};
pub use client_origin::{ClientOrigin, client_network};
pub use digest::KeyedDigest;
pub use key::{KeyError, SigningKey};
pub use login::{Auth, AuthError, IdentityStore, LoginError, LoginResult, LogoutError, SetupError};
pub use password::{BadPassword, HashError};
pub use principal::{Credential, Principal, TokenFacts};
pub use tickets::TICKET_SECS;
pub use users::{PasswordError, UserError};

#[cfg(test)]
pub(crate) use digest::digest_for_tests;
#[cfg(test)]
pub(crate) use login::tests;
