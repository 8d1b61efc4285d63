//! How often somebody may come: logins that fail, requests, and streams that are open.
//!
//! Limits stand before work. Whoever reaches one gets 429 with `Retry-After`, and everybody else notices nothing.

mod login_limiter;
mod rate_meter;
mod streams;

use std::net::IpAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;

use self::login_limiter::LoginLimiter;
use self::rate_meter::{RateMeter, Wait};
use self::streams::Streams;
use super::ApiError;
use super::client_origin::ClientAddress;
use crate::types::UserName;

/// After how many seconds it may be worth trying to open another stream: nobody knows when one of the others ends.
const STREAM_TRY_AGAIN: u32 = 5;

/// How often what nobody comes by any more is forgotten.
const TIDY_EVERY: Duration = Duration::from_mins(1);

/// The operator's choice of limits.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// Logins a minute that may fail, of one client and for one name.
    pub logins_per_minute: NonZeroU32,
    /// Requests a minute of one user, or of one client without a token.
    pub requests_per_minute: NonZeroU32,
    /// Open streams of one user.
    pub streams_per_user: NonZeroUsize,
}

/// The limits of a server.
#[derive(Debug)]
pub struct RateLimits {
    pub(super) login_limiter: Arc<LoginLimiter>,
    pub(super) streams: Streams,
    requests: RateMeter<RateKey>,
}

/// Whom requests are counted by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum RateKey {
    User(UserName),
    Client(Option<IpAddr>),
}

/// Why a request is not looked at further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TooMany {
    /// Too many logins have failed; one more may be tried after this time.
    LoginLimiter(Duration),
    /// Too many requests; one more is free after this time.
    Requests(Duration),
    /// As many streams of the user are open as may be.
    Streams(usize),
}

impl RateLimits {
    /// Limits that nobody has come near yet.
    pub fn new(rates: Rates) -> Self {
        Self {
            login_limiter: Arc::new(LoginLimiter::new(rates.logins_per_minute)),
            streams: Streams::new(rates.streams_per_user),
            requests: RateMeter::new(rates.requests_per_minute),
        }
    }

    /// Counts a request of somebody who has shown a token.
    pub(super) fn request_of(&self, user: &UserName) -> Result<(), TooMany> {
        self.count(RateKey::User(user.clone()))
    }

    /// Counts a request of somebody who has not.
    pub(super) fn request_from(&self, client: ClientAddress) -> Result<(), TooMany> {
        self.count(RateKey::Client(client.network()))
    }

    /// How many event streams are open.
    pub(super) fn open_streams(&self) -> usize {
        self.streams.in_all()
    }

    fn count(&self, who: RateKey) -> Result<(), TooMany> {
        self.requests.count(who).map_err(|Wait(wait)| TooMany::Requests(wait))
    }

    /// Forgets, for as long as it is polled, those who have not come for long.
    pub async fn keep_tidy(&self) {
        loop {
            tokio::time::sleep(TIDY_EVERY).await;
            self.requests.tidy();
            self.login_limiter.tidy();
        }
    }
}

impl From<TooMany> for ApiError {
    fn from(too_many: TooMany) -> Self {
        match too_many {
            TooMany::LoginLimiter(wait) => {
                let detail = "too many logins from this address or as this user have failed; wait, and then give the right password";
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_logins", detail).retry_after(whole_seconds(wait))
            }
            TooMany::Requests(wait) => {
                let detail = "too many requests in a minute; wait, or let the operator raise OPENRUNNER_REQUESTS_PER_MINUTE";
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail).retry_after(whole_seconds(wait))
            }
            TooMany::Streams(most) => {
                let detail = format!(
                    "{most} event streams of this user are open already; close some, or let the operator raise OPENRUNNER_MAX_STREAMS_PER_USER"
                );
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_streams", detail).retry_after(STREAM_TRY_AGAIN)
            }
        }
    }
}

/// Rounded up: whoever comes at the second that was named must not come too early.
fn whole_seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(u32::from(wait.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
impl RateLimits {
    /// Limits that no test comes near by accident.
    pub(crate) fn for_tests() -> Self {
        let many = NonZeroU32::new(1_000_000).unwrap();
        Self::new(Rates { logins_per_minute: many, requests_per_minute: many, streams_per_user: NonZeroUsize::MAX })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d8_a_refusal_names_whole_seconds_of_which_none_is_too_early() {
        for (millis, secs) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (2_999, 3)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), secs);
        }
    }

    #[test]
    fn d8_users_and_clients_without_a_token_are_counted_apart() {
        let two = NonZeroU32::new(2).unwrap();
        let limits = RateLimits::new(Rates { logins_per_minute: two, requests_per_minute: two, streams_per_user: NonZeroUsize::MIN });
        let (ann, client) = ("ann".parse().unwrap(), ClientAddress::from(IpAddr::from([10, 0, 0, 1])));
        for _ in 0..2 {
            assert_eq!((limits.request_of(&ann), limits.request_from(client)), (Ok(()), Ok(())));
        }
        assert!(limits.request_of(&ann).is_err() && limits.request_from(client).is_err());
        assert_eq!(limits.request_of(&"bob".parse().unwrap()), Ok(()));
        assert_eq!(limits.request_from(ClientAddress::default()), Ok(()));
    }
}
