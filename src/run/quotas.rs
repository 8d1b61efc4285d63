//! Quotas of users as the API returns them.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::budgets::Allowance;
use super::store::{QuotaStore, QuotaUse, StoreError};
use crate::types::{Amount, Limit, PerQuota, Quota, SessionId, UserId, UserName, UserRef};

/// What a user keeps on the server, and may keep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Quotas)]
pub struct QuotaState {
    /// The user whose quotas these are.
    pub owner: UserName,
    /// Runs with their events, and the output of their agents, in bytes.
    pub stored_bytes: Allowance<Amount>,
    /// Content of fresh workspaces, in bytes, as measured within the last minutes.
    pub workspace_bytes: Allowance<Amount>,
    /// Runs.
    pub runs: Allowance<Amount>,
    /// Sessions.
    pub sessions: Allowance<Amount>,
    /// API keys.
    pub keys: Allowance<Amount>,
}

/// Compares what users keep with their quotas. Clones are handles to the same store.
#[derive(Clone)]
pub(super) struct Quotas {
    store: Arc<dyn QuotaStore>,
    /// Quotas of users who have none of their own; `None` is unlimited.
    default: PerQuota<Option<Amount>>,
}

impl Quotas {
    pub(super) fn new(store: Arc<dyn QuotaStore>, default: PerQuota<Option<Amount>>) -> Self {
        Self { store, default }
    }

    /// What the user keeps and may keep.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub(super) async fn state(&self, user: &UserRef) -> Result<QuotaState, StoreError> {
        let QuotaUse { used, own } = self.store.quota_use(user.id).await?;
        let allowance = |quota: Quota| Allowance::new(Amount::new(used[quota]), own[quota], self.default[quota].map(Limit::At));
        Ok(QuotaState {
            owner: user.name.clone(),
            stored_bytes: allowance(Quota::StoredBytes),
            workspace_bytes: allowance(Quota::WorkspaceBytes),
            runs: allowance(Quota::Runs),
            sessions: allowance(Quota::Sessions),
            keys: allowance(Quota::Keys),
        })
    }

    /// Checks whether the user may store more.
    ///
    /// # Errors
    /// [`StoreError::OverQuota`] if not; any other [`StoreError`] if the store fails.
    pub(super) async fn check_stored(&self, user: UserId) -> Result<(), StoreError> {
        self.store.quota_use(user).await?.check(Quota::StoredBytes, &self.default).map_err(StoreError::OverQuota)
    }

    /// Checks whether the user may store more in fresh workspaces.
    ///
    /// # Errors
    /// As [`check_stored`](Self::check_stored).
    pub(super) async fn check_workspaces(&self, user: UserId) -> Result<(), StoreError> {
        self.store.quota_use(user).await?.check(Quota::WorkspaceBytes, &self.default).map_err(StoreError::OverQuota)
    }

    /// Counts what was written into the fresh workspace of a session.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub(super) async fn workspace_written(&self, session: SessionId, bytes: u64) -> Result<(), StoreError> {
        self.store.workspace_written(session, bytes).await
    }

    /// Counts the fresh workspace of a session no longer: it was emptied or removed.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub(super) async fn workspace_emptied(&self, session: SessionId) -> Result<(), StoreError> {
        self.store.workspace_emptied(session).await
    }
}

impl std::fmt::Debug for Quotas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Quotas").field("default", &self.default).finish_non_exhaustive()
    }
}
