//! Quotas: what users keep in the store, and how much they may.

use async_trait::async_trait;

use super::{OverQuota, StoreError};
use crate::types::{Amount, Limit, PerQuota, Quota, SessionId, UserId};

/// What a user keeps, and the user's own quotas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuotaUse {
    /// Amounts in use.
    pub used: PerQuota<u64>,
    /// The quotas that were set for the user.
    pub own: PerQuota<Option<Limit<Amount>>>,
}

impl QuotaUse {
    /// Checks whether the user may keep more of this. `defaults` apply where the user has no quota of their own; `None` is unlimited.
    ///
    /// # Errors
    /// [`OverQuota`] if the quota is reached.
    pub fn check(&self, quota: Quota, defaults: &PerQuota<Option<Amount>>) -> Result<(), OverQuota> {
        let allowed = match self.own[quota] {
            Some(own) => own.amount(),
            None => defaults[quota],
        };
        match (self.used[quota], allowed.map(Amount::get)) {
            (used, Some(allowed)) if used >= allowed => Err(OverQuota { quota, used, allowed }),
            _ => Ok(()),
        }
    }
}

/// Reads what users keep.
///
/// Implementors must count it in the transactions that change it, and must check the quotas of users in those that add runs, sessions and
/// keys. Bytes on disk outside of the store count as far as they are known.
#[async_trait]
pub trait QuotaStore: Send + Sync {
    /// What a user keeps, and the user's own quotas. Reads two rows.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    async fn quota_use(&self, owner: UserId) -> Result<QuotaUse, StoreError>;

    /// Counts bytes that were written into the fresh workspace of a session by other means than a run. It is measured again soon. A session
    /// that does not exist is not an error.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; nothing was counted then.
    async fn workspace_written(&self, session: SessionId, bytes: u64) -> Result<(), StoreError>;

    /// Records that the fresh workspace of a session was emptied or removed: it counts no longer.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; nothing was changed then.
    async fn workspace_emptied(&self, session: SessionId) -> Result<(), StoreError>;
}
