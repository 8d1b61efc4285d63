//! Everything that a server asks of its store.

use async_trait::async_trait;

#[cfg(feature = "postgres")]
use super::PostgresStore;
use super::{
    AuditStore, KeyStore, ProfileStore, QuotaStore, RetentionStore, RunStore, SqliteStore, TokenStore, UsageStore, UserStore, WebhookStore,
};
use crate::metrics::StoreMetrics;

/// Everything that a server asks of its store. Clones are handles of the same store.
#[async_trait]
pub trait ServerStore:
    RunStore
    + WebhookStore
    + RetentionStore
    + UsageStore
    + QuotaStore
    + ProfileStore
    + AuditStore
    + UserStore
    + KeyStore
    + TokenStore
    + Clone
    + 'static
{
    /// The store's metrics.
    fn metrics(&self) -> &StoreMetrics;

    /// Whether the store can write. If the last write failed, this tries a small one.
    async fn try_to_heal(&self) -> bool;
}

#[async_trait]
impl ServerStore for SqliteStore {
    fn metrics(&self) -> &StoreMetrics {
        Self::metrics(self)
    }

    async fn try_to_heal(&self) -> bool {
        Self::try_to_heal(self).await
    }
}

#[cfg(feature = "postgres")]
#[async_trait]
impl ServerStore for PostgresStore {
    fn metrics(&self) -> &StoreMetrics {
        Self::metrics(self)
    }

    async fn try_to_heal(&self) -> bool {
        Self::try_to_heal(self).await
    }
}
