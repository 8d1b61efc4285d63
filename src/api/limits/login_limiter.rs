//! Logins that fail are counted, so that nobody can try passwords for long.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::TooMany;
use super::rate_meter::{RateMeter, Wait};
use crate::api::ApiError;
use crate::api::client_origin::ClientAddress;
use crate::types::UserName;

/// Logins looked at together. Their passwords are hashed two at a time anyway; more of them under way could all see the same last
/// free try, and so pass the limit together.
const AT_ONCE: usize = 2;

/// Counts the logins that failed, by client and by user name.
#[derive(Debug)]
pub(in crate::api) struct LoginLimiter {
    failed: RateMeter<AttemptKey>,
    desk: Semaphore,
}

/// What tries are counted by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum AttemptKey {
    Client(Option<IpAddr>),
    /// Tries on this machine count apart: somebody on the network must not be able to lock out the person who sits here.
    User {
        user: UserName,
        on_this_machine: bool,
    },
}

impl LoginLimiter {
    pub(super) fn new(per_minute: NonZeroU32) -> Self {
        Self { failed: RateMeter::new(per_minute), desk: Semaphore::new(AT_ONCE) }
    }

    /// Begins an attempt of `client` to log in as `name`, or anything else that tries a password, unless too many have failed. It takes
    /// no place and counts nothing yet.
    ///
    /// # Errors
    /// [`TooMany::LoginLimiter`].
    pub(in crate::api) fn attempt(self: &Arc<Self>, client: ClientAddress, name: &str, on_this_machine: bool) -> Result<Attempt, TooMany> {
        // A text that cannot be a name is nobody's, so there is nobody to protect.
        let named = name.parse().ok().map(|user| AttemptKey::User { user, on_this_machine });
        let tried = [AttemptKey::Client(client.network())].into_iter().chain(named).collect();
        let attempt = Attempt { login_limiter: Arc::clone(self), tried };
        attempt.peek()?;
        Ok(attempt)
    }

    pub(super) fn tidy(&self) {
        self.failed.tidy();
    }
}

/// One attempt, which may be carried out in a task of its own: a client who leaves in the middle has tried nevertheless.
#[derive(Debug)]
pub(in crate::api) struct Attempt {
    login_limiter: Arc<LoginLimiter>,
    tried: Vec<AttemptKey>,
}

impl Attempt {
    /// Carries out `login`. What is refused as 401 or 403 counts as failed: what succeeds counts nothing, and neither does a fault of ours.
    /// Dropping the future drops the login, and nothing is counted.
    ///
    /// # Errors
    /// The login's own, or 429 (`too_many_logins`) if others have failed since the attempt began.
    pub(in crate::api) async fn admit<T, E: Into<ApiError>>(self, login: impl Future<Output = Result<T, E>>) -> Result<T, ApiError> {
        let _place = self.login_limiter.desk.acquire().await.map_err(|closed| ApiError::internal(&closed))?;
        self.peek()?;
        let answer = login.await.map_err(Into::into);
        if answer.as_ref().is_err_and(|refusal: &ApiError| matches!(refusal.status().as_u16(), 401 | 403)) {
            for key in self.tried {
                // One that is used up already needs no more.
                let _ = self.login_limiter.failed.count(key);
            }
        }
        answer
    }

    fn peek(&self) -> Result<(), TooMany> {
        for key in &self.tried {
            self.login_limiter.failed.peek(key.clone()).map_err(|Wait(wait)| TooMany::LoginLimiter(wait))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::LoginError;

    struct Desk(Arc<LoginLimiter>);

    impl Desk {
        async fn login(&self, from: &str, name: &str, on_this_machine: bool, good: bool) -> &'static str {
            let login = async { if good { Ok(()) } else { Err(LoginError::WrongCredentials) } };
            let client = ClientAddress::from(from.parse::<IpAddr>().unwrap());
            match self.0.attempt(client, name, on_this_machine) {
                Ok(attempt) => attempt.admit(login).await.map_or_else(|error| error.code(), |()| "in"),
                Err(too_many) => ApiError::from(too_many).code(),
            }
        }
    }

    fn desk() -> Desk {
        Desk(Arc::new(LoginLimiter::new(NonZeroU32::new(3).unwrap())))
    }

    #[tokio::test]
    async fn d8_after_too_many_failures_not_even_the_right_password_is_tried() {
        let desk = desk();
        for name in ["a", "b", "c"] {
            assert_eq!(desk.login("10.0.0.1", name, false, false).await, "wrong_credentials");
        }
        assert_eq!(desk.login("10.0.0.1", "d", false, true).await, "too_many_logins");
        assert_eq!(desk.login("10.0.0.2", "d", false, true).await, "in");
    }

    #[tokio::test]
    async fn d8_a_name_is_protected_from_many_clients_and_its_owner_on_this_machine_from_them() {
        let desk = desk();
        for from in ["10.0.0.1", "10.0.0.2", "10.0.0.3"] {
            assert_eq!(desk.login(from, "admin", false, false).await, "wrong_credentials");
        }
        assert_eq!(desk.login("10.0.0.4", "admin", false, true).await, "too_many_logins");
        assert_eq!(desk.login("10.0.0.4", "user", false, true).await, "in");
        assert_eq!(desk.login("127.0.0.1", "admin", true, true).await, "in");
    }

    #[tokio::test]
    async fn d8_logins_that_succeed_are_never_too_many() {
        let desk = desk();
        let login_limiter = (0..50).map(|_| desk.login("10.0.0.1", "admin", false, true));
        assert!(futures_util::future::join_all(login_limiter).await.into_iter().all(|answer| answer == "in"));
    }

    #[tokio::test]
    async fn d8_tries_that_come_together_do_not_pass_the_limit_together() {
        let desk = desk();
        let login = || async {
            let fails = async {
                tokio::task::yield_now().await;
                Err::<(), _>(LoginError::WrongCredentials)
            };
            let client = ClientAddress::from(IpAddr::from([10, 0, 0, 1]));
            let attempt = desk.0.attempt(client, "admin", false).expect("nobody has failed when they come");
            attempt.admit(fails).await.map_or_else(|error| error.code(), |()| "in")
        };
        let answers = futures_util::future::join_all((0..50).map(|_| login())).await;
        let tried = answers.iter().filter(|answer| **answer == "wrong_credentials").count();
        assert!((3..=3 + AT_ONCE - 1).contains(&tried), "{tried}");
        assert!(answers.iter().filter(|answer| **answer == "too_many_logins").count() == 50 - tried);
    }

    #[tokio::test]
    async fn d8_a_client_cannot_hide_in_its_own_ipv6_network() {
        let desk = desk();
        for from in ["2001:db8::1", "2001:db8::2", "2001:db8::3:4"] {
            assert_eq!(desk.login(from, "", false, false).await, "wrong_credentials");
        }
        assert_eq!(desk.login("2001:db8::5", "", false, false).await, "too_many_logins");
        assert_eq!(desk.login("2001:db8:0:1::5", "", false, false).await, "wrong_credentials");
    }
}
