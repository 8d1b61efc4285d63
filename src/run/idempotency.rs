//! Idempotency keys of requests.

use std::time::Duration;

use super::store::Idempotency;
use crate::types::{Caller, Timestamp};

/// How long an idempotency key is stored.
pub(super) const KEY_LIFETIME: Duration = Duration::from_hours(24);

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
        Idempotency { owner: caller.user.clone(), key: self.key, fingerprint: self.fingerprint, at }
    }
}
