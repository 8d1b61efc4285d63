//! Limits failed logins, so that passwords cannot be guessed.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use super::LimitExceeded;
use super::fair_slots::{FairSlots, QueueFull};
use super::rate_meter::{RateMeter, Wait};
use crate::api::ApiError;
use crate::auth::ClientOrigin;
use crate::types::UserName;

/// Maximum number of logins in progress. Passwords are hashed two at a time anyway, and concurrent logins could otherwise all use the same
/// last free attempt and exceed the limit together.
const MAX_CONCURRENT: usize = 2;

/// Counts failed logins by client and by user name.
#[derive(Debug)]
pub(in crate::api) struct LoginLimiter {
    failures: RateMeter<AttemptKey>,
    slots: FairSlots<QueueKey>,
}

/// The logins that wait in one queue: those of a client network. Local clients have a queue of their own, because clients behind a proxy on
/// this machine that is not listed as one have the same address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct QueueKey {
    network: Option<IpAddr>,
    is_local: bool,
}

/// What failed logins are counted by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum AttemptKey {
    /// The client's network; `None` if unknown.
    Client(Option<IpAddr>),
    /// Attempts of local clients count separately, so that remote clients cannot lock out a local user.
    User { user: UserName, is_local: bool },
}

impl LoginLimiter {
    pub(super) fn new(per_minute: NonZeroU32) -> Self {
        Self { failures: RateMeter::new(per_minute), slots: FairSlots::new(MAX_CONCURRENT) }
    }

    /// An attempt to log in as `name`, or to do anything else that checks a password. It takes no slot and counts nothing yet.
    ///
    /// # Errors
    /// [`LimitExceeded::Logins`] after too many failures.
    pub(in crate::api) fn attempt(self: &Arc<Self>, origin: ClientOrigin, name: &str) -> Result<Attempt, LimitExceeded> {
        // A text that is not a user name needs no protection.
        let user = name.parse().ok().map(|user| AttemptKey::User { user, is_local: origin.is_local });
        let keys = [AttemptKey::Client(origin.network())].into_iter().chain(user).collect();
        let queue = QueueKey { network: origin.network(), is_local: origin.is_local };
        let attempt = Attempt { limiter: Arc::clone(self), keys, queue };
        attempt.check()?;
        Ok(attempt)
    }

    pub(super) fn remove_idle(&self) {
        self.failures.remove_idle();
    }
}

/// A login attempt. It may run in a task of its own, so that a client that disconnects is counted all the same.
#[derive(Debug)]
pub(in crate::api) struct Attempt {
    limiter: Arc<LoginLimiter>,
    keys: Vec<AttemptKey>,
    queue: QueueKey,
}

impl Attempt {
    /// Waits for a slot, which client networks get in turn, and runs `login`. A result of 401 or 403 counts as a failure; success and internal errors count nothing. Dropping
    /// the future drops the login, and nothing is counted.
    ///
    /// # Errors
    /// The errors of `login`, or 429 (`too_many_logins`) if others have failed since the attempt was created, or if too many are waiting.
    pub(in crate::api) async fn run<T, E: Into<ApiError>>(self, login: impl Future<Output = Result<T, E>>) -> Result<T, ApiError> {
        let slot = self.limiter.slots.acquire(self.queue.clone()).await;
        let _slot = slot.map_err(|QueueFull| LimitExceeded::LoginQueue)?;
        self.check()?;
        let result = login.await.map_err(Into::into);
        if result.as_ref().is_err_and(|error: &ApiError| matches!(error.status().as_u16(), 401 | 403)) {
            for key in self.keys {
                // A key that is already exhausted needs no more.
                let _ = self.limiter.failures.count(key);
            }
        }
        result
    }

    fn check(&self) -> Result<(), LimitExceeded> {
        for key in &self.keys {
            self.limiter.failures.peek(key.clone()).map_err(|Wait(wait)| LimitExceeded::Logins(wait))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    //! Rules: D8, D12.

    use super::*;
    use crate::auth::LoginError;

    struct Harness(Arc<LoginLimiter>);

    fn origin(addr: &str, is_local: bool) -> ClientOrigin {
        ClientOrigin { addr: Some(addr.parse().unwrap()), is_local }
    }

    impl Harness {
        async fn login(&self, origin: ClientOrigin, name: &str, succeeds: bool) -> &'static str {
            let login = async { if succeeds { Ok(()) } else { Err(LoginError::WrongCredentials) } };
            match self.0.attempt(origin, name) {
                Ok(attempt) => attempt.run(login).await.map_or_else(|error| error.code(), |()| "ok"),
                Err(limit) => ApiError::from(limit).code(),
            }
        }
    }

    fn harness() -> Harness {
        Harness(Arc::new(LoginLimiter::new(NonZeroU32::new(3).unwrap())))
    }

    #[tokio::test]
    async fn after_too_many_failures_even_the_right_password_is_rejected() {
        let harness = harness();
        for name in ["a", "b", "c"] {
            assert_eq!(harness.login(origin("10.0.0.1", false), name, false).await, "wrong_credentials");
        }
        assert_eq!(harness.login(origin("10.0.0.1", false), "d", true).await, "too_many_logins");
        assert_eq!(harness.login(origin("10.0.0.2", false), "d", true).await, "ok");
    }

    #[tokio::test]
    async fn a_user_name_is_protected_from_many_clients_and_local_logins_still_work() {
        let harness = harness();
        for addr in ["10.0.0.1", "10.0.0.2", "10.0.0.3"] {
            assert_eq!(harness.login(origin(addr, false), "admin", false).await, "wrong_credentials");
        }
        assert_eq!(harness.login(origin("10.0.0.4", false), "admin", true).await, "too_many_logins");
        assert_eq!(harness.login(origin("10.0.0.4", false), "user", true).await, "ok");
        assert_eq!(harness.login(origin("127.0.0.1", true), "admin", true).await, "ok");
    }

    #[tokio::test]
    async fn successful_logins_are_not_limited() {
        let harness = harness();
        let logins = (0..50).map(|_| harness.login(origin("10.0.0.1", false), "admin", true));
        assert!(futures_util::future::join_all(logins).await.into_iter().all(|result| result == "ok"));
    }

    #[tokio::test]
    async fn concurrent_attempts_do_not_exceed_the_limit_together() {
        let harness = harness();
        let login = || async {
            let fails = async {
                tokio::task::yield_now().await;
                Err::<(), _>(LoginError::WrongCredentials)
            };
            let attempt = harness.0.attempt(origin("10.0.0.1", false), "admin").expect("there are no failures yet");
            attempt.run(fails).await.map_or_else(|error| error.code(), |()| "ok")
        };
        let results = futures_util::future::join_all((0..50).map(|_| login())).await;
        let tried = results.iter().filter(|result| **result == "wrong_credentials").count();
        assert!((3..=3 + MAX_CONCURRENT - 1).contains(&tried), "{tried}");
        assert!(results.iter().filter(|result| **result == "too_many_logins").count() == 50 - tried);
    }

    #[tokio::test]
    async fn waiting_logins_of_one_network_do_not_delay_those_of_another() {
        let harness = Harness(Arc::new(LoginLimiter::new(NonZeroU32::new(1_000).unwrap())));
        let order = std::sync::Mutex::new(Vec::new());
        let login = |addr: &'static str| {
            let (attempt, order) = (harness.0.attempt(origin(addr, false), "admin").unwrap(), &order);
            attempt.run(async move {
                tokio::task::yield_now().await;
                order.lock().unwrap().push(addr);
                Err::<(), _>(LoginError::WrongCredentials)
            })
        };
        let bad = (0..60).map(|_| login("10.0.0.1")).chain([login("10.0.0.2")]);
        let results = futures_util::future::join_all(bad).await;
        assert!(results.iter().all(|result| result.as_ref().is_err_and(|error| error.code() == "wrong_credentials")));
        let at = order.lock().unwrap().iter().position(|addr| *addr == "10.0.0.2").unwrap();
        assert!(at <= 2 * MAX_CONCURRENT, "served after {at} others");
    }

    #[tokio::test]
    async fn a_client_cannot_evade_the_limit_within_its_ipv6_network() {
        let harness = harness();
        for addr in ["2001:db8::1", "2001:db8::2", "2001:db8::3:4"] {
            assert_eq!(harness.login(origin(addr, false), "", false).await, "wrong_credentials");
        }
        assert_eq!(harness.login(origin("2001:db8::5", false), "", false).await, "too_many_logins");
        assert_eq!(harness.login(origin("2001:db8:0:1::5", false), "", false).await, "wrong_credentials");
    }
}
