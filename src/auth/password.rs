//! Passwords: Argon2id, two at a time, and the same work whether there is such a user or not.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Params, PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

use super::argon2id::Argon2id;
use crate::types::UserName;

/// Hashes made at once. Each takes 19 MiB and tens of milliseconds of a core: more of them at a time would be a way to stop the server.
const AT_ONCE: usize = 2;

/// Why a password could be neither hashed nor checked. Nobody's input brings this about.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the password hash failed: {0}")]
pub struct HashError(String);

/// Fewest and most characters of a password.
const CHARACTERS: std::ops::RangeInclusive<usize> = 8..=1024;

/// Why a password is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPassword {
    /// It is too short or too long.
    #[error("a password has {} to {} characters", CHARACTERS.start(), CHARACTERS.end())]
    Length,
    /// It is the user's name, which is what the documented default passwords are.
    #[error("a password must not be the user's name")]
    IsTheName,
}

impl BadPassword {
    /// Whether `user` may have this password.
    pub(super) fn check(user: &UserName, password: &str) -> Result<(), Self> {
        // No more characters are counted than decide.
        if !CHARACTERS.contains(&password.chars().take(CHARACTERS.end() + 1).count()) {
            return Err(Self::Length);
        }
        if password.eq_ignore_ascii_case(user.as_str()) { Err(Self::IsTheName) } else { Ok(()) }
    }
}

/// Hashes and checks passwords, away from the threads that serve requests.
#[derive(Clone)]
pub(super) struct Passwords {
    argon2: Argon2id,
    places: Arc<Semaphore>,
    /// A hash that no password has, checked for users who do not exist.
    nobody: Arc<str>,
}

impl Passwords {
    /// With the cost that OWASP names for Argon2id: 19 MiB, two passes, one lane (the defaults of the `argon2` crate).
    pub(super) fn new() -> Result<Self, HashError> {
        Self::with(Argon2id::new(Params::DEFAULT))
    }

    fn with(argon2: Argon2id) -> Result<Self, HashError> {
        let nobody = argon2.of_nobody().map_err(|error| HashError(error.to_string()))?;
        Ok(Self { argon2, places: Arc::new(Semaphore::new(AT_ONCE)), nobody: nobody.to_string().into() })
    }

    /// The hash of a password, in PHC form, with a salt of its own.
    pub(super) async fn hash(&self, password: &str) -> Result<String, HashError> {
        let (argon2, password) = (self.argon2.clone(), password.as_bytes().to_vec());
        self.work(move || {
            argon2.hash_password(&password).map(|hash: PasswordHash| hash.to_string()).map_err(|error| HashError(error.to_string()))
        })
        .await
    }

    /// Whether `password` is the one that was hashed. Without a hash the same work is done, and the answer is no.
    pub(super) async fn matches(&self, password: &str, hash: Option<&str>) -> Result<bool, HashError> {
        let there_is_one = hash.is_some();
        let hash = hash.unwrap_or(&self.nobody).to_owned();
        let password = password.as_bytes().to_vec();
        let argon2 = self.argon2.clone();
        let matches = self
            .work(move || {
                let hash = PasswordHash::new(&hash).map_err(|error| HashError(error.to_string()))?;
                Ok(argon2.verify_password(&password, &hash).is_ok())
            })
            .await?;
        Ok(matches && there_is_one)
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T, HashError> + Send + 'static) -> Result<T, HashError> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|error| HashError(error.to_string()))?;
        let done = tokio::task::spawn_blocking(move || {
            // The place goes along: a client that leaves does not free it before the work is done.
            let _place = place;
            work()
        });
        done.await.map_err(|error| HashError(error.to_string()))?
    }

    /// The cheapest that the algorithm allows, for tests that are not about passwords.
    #[cfg(test)]
    pub(super) fn cheap() -> Self {
        Self::with(Argon2id::new(Params::new(8, 1, 1, None).unwrap())).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn i7_passwords_are_kept_as_argon2id_with_a_salt_each() {
        let passwords = Passwords::new().unwrap();
        let (one, other) = (passwords.hash("secret").await.unwrap(), passwords.hash("secret").await.unwrap());
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        assert_ne!(one, other);
        assert!(passwords.matches("secret", Some(&one)).await.unwrap());
        assert!(!passwords.matches("Secret", Some(&one)).await.unwrap());
    }

    #[tokio::test]
    async fn i7_an_unknown_user_costs_the_same_hash_as_a_known_one() {
        let passwords = Passwords::new().unwrap();
        assert!(passwords.nobody.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(!passwords.matches("", None).await.unwrap());
        assert!(!passwords.matches("admin", None).await.unwrap());
    }

    #[tokio::test]
    async fn d8_no_more_than_two_hashes_are_made_at_once() {
        let passwords = Passwords::cheap();
        let _both = passwords.places.clone().acquire_many_owned(2).await.unwrap();
        let waiting = passwords.hash("third");
        tokio::pin!(waiting);
        assert!(futures_util::poll!(waiting).is_pending());
        assert_eq!(passwords.places.available_permits(), 0);
    }

    #[tokio::test]
    async fn a_damaged_hash_is_an_error_and_not_a_login() {
        let passwords = Passwords::cheap();
        for damaged in ["", "admin", "$argon2id$v=19$m=1,t=1,p=1$", "$2b$12$abcdefghijklmnopqrstuv"] {
            assert!(!matches!(passwords.matches("admin", Some(damaged)).await, Ok(true)), "{damaged}");
        }
    }
}
