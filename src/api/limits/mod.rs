//! Rate limits: failed logins, requests, and open streams.
//!
//! Limits are checked before any work is done. A client that exceeds one gets 429 with `Retry-After`; other clients are not affected.

mod login_limiter;
mod rate_meter;
mod streams;

use std::net::{IpAddr, Ipv6Addr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;

use self::login_limiter::LoginLimiter;
use self::rate_meter::{RateMeter, Wait};
use self::streams::Streams;
use super::ApiError;
use crate::auth::ClientOrigin;
use crate::types::UserName;

/// `Retry-After` of a rejected stream, in seconds. When another stream ends is not known.
const STREAM_RETRY_AFTER_SECS: u32 = 5;

/// Interval for removing idle keys.
const CLEANUP_INTERVAL: Duration = Duration::from_mins(1);

/// The limits that the operator sets.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// Failed logins per minute, per client and per user name.
    pub logins_per_minute: NonZeroU32,
    /// Requests per minute, per user or per client without a token.
    pub requests_per_minute: NonZeroU32,
    /// Open streams per user.
    pub streams_per_user: NonZeroUsize,
}

/// The rate limits of a server.
#[derive(Debug)]
pub struct RateLimits {
    pub(super) login_limiter: Arc<LoginLimiter>,
    pub(super) streams: Streams,
    requests: RateMeter<RateKey>,
}

/// What requests are counted by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum RateKey {
    User(UserName),
    /// The client's network; `None` if unknown.
    Client(Option<IpAddr>),
}

/// The limit that a request exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LimitExceeded {
    /// Failed logins; the next attempt is possible after this time.
    Logins(Duration),
    /// Requests; the next request is possible after this time.
    Requests(Duration),
    /// Open streams of the user, with the limit.
    Streams(usize),
}

impl RateLimits {
    /// Limits with nothing counted yet.
    pub fn new(rates: Rates) -> Self {
        Self {
            login_limiter: Arc::new(LoginLimiter::new(rates.logins_per_minute)),
            streams: Streams::new(rates.streams_per_user),
            requests: RateMeter::new(rates.requests_per_minute),
        }
    }

    /// Counts a request of an authenticated user.
    pub(super) fn count_user_request(&self, user: &UserName) -> Result<(), LimitExceeded> {
        self.count(RateKey::User(user.clone()))
    }

    /// Counts a request without a valid token.
    pub(super) fn count_client_request(&self, origin: ClientOrigin) -> Result<(), LimitExceeded> {
        self.count(RateKey::Client(network(origin)))
    }

    /// The number of open event streams.
    pub(super) fn open_streams(&self) -> usize {
        self.streams.total()
    }

    fn count(&self, key: RateKey) -> Result<(), LimitExceeded> {
        self.requests.count(key).map_err(|Wait(wait)| LimitExceeded::Requests(wait))
    }

    /// Removes idle keys periodically, for as long as it is polled.
    pub async fn run_cleanup(&self) {
        loop {
            tokio::time::sleep(CLEANUP_INTERVAL).await;
            self.requests.remove_idle();
            self.login_limiter.remove_idle();
        }
    }
}

/// The network that a client is counted by: its IPv4 address, or its IPv6 network of 64 bits, which every IPv6 client controls as a whole.
fn network(origin: ClientOrigin) -> Option<IpAddr> {
    origin.addr.map(|address| match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
    })
}

impl From<LimitExceeded> for ApiError {
    fn from(limit: LimitExceeded) -> Self {
        match limit {
            LimitExceeded::Logins(wait) => {
                let detail = "too many failed logins from this address or for this user; try again later";
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_logins", detail).retry_after(round_up_to_secs(wait))
            }
            LimitExceeded::Requests(wait) => {
                let detail = "too many requests per minute; the operator can raise OPENRUNNER_REQUESTS_PER_MINUTE";
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail).retry_after(round_up_to_secs(wait))
            }
            LimitExceeded::Streams(max) => {
                let detail = format!(
                    "the limit of {max} open event streams per user is reached; the operator can raise OPENRUNNER_MAX_STREAMS_PER_USER"
                );
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_streams", detail).retry_after(STREAM_RETRY_AFTER_SECS)
            }
        }
    }
}

/// Rounds up, so that a client that waits this long is not too early. At least 1.
fn round_up_to_secs(wait: Duration) -> u32 {
    u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(u32::from(wait.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
impl RateLimits {
    /// Limits that no test reaches by accident.
    pub(crate) fn for_tests() -> Self {
        let many = NonZeroU32::new(1_000_000).unwrap();
        Self::new(Rates { logins_per_minute: many, requests_per_minute: many, streams_per_user: NonZeroUsize::MAX })
    }
}

#[cfg(test)]
mod tests {
    //! Rules: D8.

    use super::*;

    #[test]
    fn retry_after_is_rounded_up_to_whole_seconds() {
        for (millis, secs) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (2_999, 3)] {
            assert_eq!(round_up_to_secs(Duration::from_millis(millis)), secs);
        }
    }

    #[test]
    fn users_and_clients_without_a_token_are_counted_separately() {
        let two = NonZeroU32::new(2).unwrap();
        let limits = RateLimits::new(Rates { logins_per_minute: two, requests_per_minute: two, streams_per_user: NonZeroUsize::MIN });
        let client = ClientOrigin { addr: Some(IpAddr::from([10, 0, 0, 1])), is_local: false };
        let ann = "ann".parse().unwrap();
        for _ in 0..2 {
            assert_eq!((limits.count_user_request(&ann), limits.count_client_request(client)), (Ok(()), Ok(())));
        }
        assert!(limits.count_user_request(&ann).is_err() && limits.count_client_request(client).is_err());
        assert_eq!(limits.count_user_request(&"bob".parse().unwrap()), Ok(()));
        assert_eq!(limits.count_client_request(ClientOrigin::default()), Ok(()));
    }
}
