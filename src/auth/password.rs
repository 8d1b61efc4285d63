//! Passwords: Argon2id, two hashes at a time, and equal work for unknown users.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Params, PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

use super::argon2id::Argon2id;
use crate::types::UserName;

/// Maximum number of concurrent hashes. Each takes 19 MiB and tens of milliseconds of CPU time; more would allow overloading the server.
const MAX_CONCURRENT: usize = 2;

/// Why a password could not be hashed or checked. No input causes this.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the password hash failed: {0}")]
pub struct HashError(String);

/// Allowed length of a password, in characters.
const LENGTH: std::ops::RangeInclusive<usize> = 8..=1024;

/// Why a password is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPassword {
    /// It is too short or too long.
    #[error("must have {} to {} characters", LENGTH.start(), LENGTH.end())]
    Length,
    /// It equals the user name, as the documented default passwords do.
    #[error("must differ from the user name")]
    EqualsName,
}

impl BadPassword {
    /// Checks whether `user` may have this password.
    pub(super) fn check(user: &UserName, password: &str) -> Result<(), Self> {
        // Counts only as many characters as needed.
        if !LENGTH.contains(&password.chars().take(LENGTH.end() + 1).count()) {
            return Err(Self::Length);
        }
        if password.eq_ignore_ascii_case(user.as_str()) { Err(Self::EqualsName) } else { Ok(()) }
    }
}

/// Hashes and checks passwords on blocking threads.
#[derive(Clone)]
pub(super) struct Passwords {
    argon2: Argon2id,
    slots: Arc<Semaphore>,
    /// A hash that no password matches, checked for unknown users.
    unknown_user: Arc<str>,
}

impl Passwords {
    /// Uses the cost that OWASP recommends for Argon2id: 19 MiB, two passes, one lane (the defaults of the `argon2` crate).
    pub(super) fn new() -> Result<Self, HashError> {
        Self::with(Argon2id::new(Params::DEFAULT))
    }

    fn with(argon2: Argon2id) -> Result<Self, HashError> {
        let unknown_user = argon2.unmatchable_hash().map_err(|error| HashError(error.to_string()))?;
        Ok(Self { argon2, slots: Arc::new(Semaphore::new(MAX_CONCURRENT)), unknown_user: unknown_user.to_string().into() })
    }

    /// Hashes a password, in PHC format with a random salt.
    pub(super) async fn hash(&self, password: &str) -> Result<String, HashError> {
        let (argon2, password) = (self.argon2.clone(), password.as_bytes().to_vec());
        self.run_blocking(move || {
            argon2.hash_password(&password).map(|hash: PasswordHash| hash.to_string()).map_err(|error| HashError(error.to_string()))
        })
        .await
    }

    /// A hash that no password matches.
    pub(super) fn unmatchable(&self) -> &str {
        &self.unknown_user
    }

    /// Whether `password` matches `hash`. Without a hash the same work is done, and the result is false.
    pub(super) async fn matches(&self, password: &str, hash: Option<&str>) -> Result<bool, HashError> {
        let user_exists = hash.is_some();
        let hash = hash.unwrap_or(&self.unknown_user).to_owned();
        let password = password.as_bytes().to_vec();
        let argon2 = self.argon2.clone();
        let matches = self
            .run_blocking(move || {
                let hash = PasswordHash::new(&hash).map_err(|error| HashError(error.to_string()))?;
                Ok(argon2.verify_password(&password, &hash).is_ok())
            })
            .await?;
        Ok(matches && user_exists)
    }

    async fn run_blocking<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T, HashError> + Send + 'static) -> Result<T, HashError> {
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(|error| HashError(error.to_string()))?;
        let result = tokio::task::spawn_blocking(move || {
            // Moved into the task, so that a client that disconnects does not release the slot early.
            let _slot = slot;
            work()
        });
        result.await.map_err(|error| HashError(error.to_string()))?
    }

    /// The cheapest that the algorithm allows, for tests that are not about passwords.
    #[cfg(test)]
    pub(super) fn cheap() -> Self {
        Self::with(Argon2id::new(Params::new(8, 1, 1, None).unwrap())).unwrap()
    }
}

#[cfg(test)]
mod tests {
    //! Rules: D8, I7.

    use super::*;

    #[tokio::test]
    async fn passwords_are_stored_as_argon2id_with_a_salt_each() {
        let passwords = Passwords::new().unwrap();
        let (one, other) = (passwords.hash("secret").await.unwrap(), passwords.hash("secret").await.unwrap());
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        assert_ne!(one, other);
        assert!(passwords.matches("secret", Some(&one)).await.unwrap());
        assert!(!passwords.matches("Secret", Some(&one)).await.unwrap());
    }

    #[tokio::test]
    async fn unknown_users_cost_the_same_hash() {
        let passwords = Passwords::new().unwrap();
        assert!(passwords.unknown_user.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(!passwords.matches("", None).await.unwrap());
        assert!(!passwords.matches("admin", None).await.unwrap());
    }

    #[tokio::test]
    async fn at_most_two_hashes_run_concurrently() {
        let passwords = Passwords::cheap();
        let _both = passwords.slots.clone().acquire_many_owned(2).await.unwrap();
        let waiting = passwords.hash("third");
        tokio::pin!(waiting);
        assert!(futures_util::poll!(waiting).is_pending());
        assert_eq!(passwords.slots.available_permits(), 0);
    }

    #[tokio::test]
    async fn a_damaged_hash_never_matches() {
        let passwords = Passwords::cheap();
        for damaged in ["", "admin", "$argon2id$v=19$m=1,t=1,p=1$", "$2b$12$abcdefghijklmnopqrstuv"] {
            assert!(!matches!(passwords.matches("admin", Some(damaged)).await, Ok(true)), "{damaged}");
        }
    }
}
