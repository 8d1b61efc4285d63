//! Idempotency keys of requests.

use crate::types::{RunId, Timestamp, UserId};

/// A caller's idempotency key with the request it was used for. Kept for a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// Owner of the key.
    pub owner: UserId,
    /// The key.
    pub key: String,
    /// Hash of the request, to tell a repetition from another request.
    pub fingerprint: [u8; 32],
    /// Time of the request.
    pub at: Timestamp,
}

/// What an idempotency key was used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsedKey {
    /// The run that the request created or addressed.
    pub run: RunId,
    /// Hash of the request.
    pub fingerprint: [u8; 32],
}
