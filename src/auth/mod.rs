//! Who asks: logins, passwords and tokens.
//!
//! A token names a user and the generation of the user's password. What that user may do, and whether there is such a user at all, is
//! looked up for every request, so a token says nothing that could grow stale. Nothing here knows HTTP.

mod jwt;
mod key;
mod login;
mod password;
mod peer;

pub use key::{KeyError, SigningKey};
pub use login::{Auth, AuthError, LoginAnswer, LoginError, Principal, SetupError};
pub use password::HashError;
pub use peer::PeerFacts;

#[cfg(test)]
pub(crate) use login::tests;
