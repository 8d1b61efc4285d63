//! Idempotency keys of requests.

use std::time::Duration;

use super::keyed_locks::KeyedLocks;
use super::store::Idempotency;
use crate::types::{Caller, Timestamp, UserId};

/// How long an idempotency key is stored.
pub(super) const KEY_LIFETIME: Duration = Duration::from_hours(24);

/// Keys of requests before this time are expired.
pub(super) fn oldest_key(now: Timestamp) -> Timestamp {
    let lifetime = i64::try_from(KEY_LIFETIME.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(now.as_millis().saturating_sub(lifetime))
}

/// The keys of requests in progress, by owner: equal requests are handled one after the other, so that the later ones find the result of
/// the first.
pub(super) type KeysInUse = KeyedLocks<(UserId, String)>;

/// A key with which a client can repeat a request safely, and a fingerprint of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The key, chosen by the client.
    pub key: String,
    /// SHA-256 digest of the request.
    pub fingerprint: [u8; 32],
}

impl IdempotencyKey {
    pub(super) fn into_record(self, caller: &Caller, at: Timestamp) -> Idempotency {
        Idempotency { owner: caller.user.id, key: self.key, fingerprint: self.fingerprint, at }
    }
}
