//! Limits per user and client: failed logins, requests, open streams, and memory for request bodies.
//!
//! Limits are checked before any work is done. A client that exceeds one gets 429 or 503 with `Retry-After`; other clients are not affected.

mod body_memory;
mod connections;
mod fair_slots;
mod log_digest;
mod login_limiter;
mod rate_meter;
mod streams;

use std::net::IpAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;

use self::body_memory::BodyMemory;
pub(super) use self::body_memory::BodyPermit;
pub use self::connections::{Connection, ConnectionHandle, Connections, InProgress, NoneFree, Source};
use self::log_digest::LogDigest;
use self::login_limiter::LoginLimiter;
use self::rate_meter::{RateMeter, Wait};
use self::streams::Streams;
use super::ApiError;
use super::error::RETRY_AFTER_SECS;
use crate::auth::ClientOrigin;
use crate::types::UserName;

/// `Retry-After` of a rejected stream, in seconds. When another stream ends is not known.
const STREAM_RETRY_AFTER_SECS: u32 = 5;

/// Interval for removing idle keys and for the digest of unlogged requests.
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
    pub(super) bodies: BodyMemory,
    pub(super) unlogged: LogDigest,
    requests: RateMeter<RateKey>,
}

/// What requests are counted by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum RateKey {
    /// The user.
    User(UserName),
    /// The client's network; `None` if unknown.
    Client(Option<IpAddr>),
}

impl From<NoneFree> for LimitExceeded {
    fn from(NoneFree: NoneFree) -> Self {
        Self::Connections
    }
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
    /// Logins that wait for their turn.
    LoginQueue,
    /// Memory for request bodies.
    BodyMemory,
    /// Connections of the client.
    Connections,
}

impl RateLimits {
    /// Limits with nothing counted yet.
    pub fn new(rates: Rates) -> Self {
        Self {
            login_limiter: Arc::new(LoginLimiter::new(rates.logins_per_minute)),
            streams: Streams::new(rates.streams_per_user),
            bodies: BodyMemory::new(),
            unlogged: LogDigest::default(),
            requests: RateMeter::new(rates.requests_per_minute),
        }
    }

    /// Counts a request of an authenticated user.
    pub(super) fn count_user_request(&self, user: &UserName) -> Result<(), LimitExceeded> {
        self.count(RateKey::User(user.clone()))
    }

    /// Counts a request without a valid token.
    pub(super) fn count_client_request(&self, origin: ClientOrigin) -> Result<(), LimitExceeded> {
        self.count(RateKey::Client(origin.network()))
    }

    /// The number of open event streams.
    pub(super) fn open_streams(&self) -> usize {
        self.streams.total()
    }

    fn count(&self, key: RateKey) -> Result<(), LimitExceeded> {
        self.requests.count(key).map_err(|Wait(wait)| LimitExceeded::Requests(wait))
    }

    /// Logs the number of requests that were not logged one by one.
    pub fn log_digest(&self) {
        self.unlogged.log();
    }

    /// Removes idle keys and logs the number of unlogged requests every minute, for as long as it is polled.
    pub async fn run_cleanup(&self) {
        loop {
            tokio::time::sleep(CLEANUP_INTERVAL).await;
            self.requests.remove_idle();
            self.login_limiter.remove_idle();
            self.log_digest();
        }
    }
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
            LimitExceeded::LoginQueue => {
                let detail = "too many logins are waiting; try again later";
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_logins", detail).retry_after(RETRY_AFTER_SECS)
            }
            LimitExceeded::BodyMemory => {
                let detail = "too many request bodies are being received; try again later";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail).retry_after(1)
            }
            LimitExceeded::Connections => {
                let detail = "too many requests of this client are in progress; try again later";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail).retry_after(1)
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
