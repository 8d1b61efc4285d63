//! Stores for runs, events, users and everything that belongs to users, and their SQLite implementation.

mod audit;
mod chats;
#[cfg(test)]
pub(super) mod contract;
mod error;
mod idempotency;
mod keys;
mod profiles;
mod quotas;
mod retention;
mod runs;
mod search;
mod sqlite;
#[cfg(test)]
pub(super) mod testing;
mod tokens;
mod usage;
mod users;
mod webhooks;

pub use audit::{AuditEntry, AuditFilter, AuditRecord, AuditStore, Audited};
pub use chats::{ChatDigest, ChatStore};
pub use error::{OverQuota, StoreError};
pub use idempotency::{Idempotency, UsedKey};
pub use keys::{ApiKeyRecord, KeyStore};
pub use profiles::{ProfileChange, ProfileRecord, ProfileStore};
pub use quotas::{QuotaStore, QuotaUse};
pub use retention::{FreshWorkspace, PendingRemoval, RetentionStep, RetentionStore, StoreSize};
pub use runs::{
    Chunk, Conversation, DamagedChunk, Deleted, LogTip, MessageAttachments, RunChange, RunFilter, RunRecord, RunStore, SessionRecord,
    SessionUse, WaitChange,
};
pub(super) use search::searchable;
pub use search::{BadSearch, SearchText};
pub use sqlite::{BackupError, BackupSummary, OpenError, RestoreError, RestoreSummary, SqliteStore, StoreStats, StoredLogins};
pub use tokens::TokenStore;
pub use usage::{DailyUsage, UsageFilter, UsageGroup, UsageRecord, UsageStore, UsageSum};
pub use users::{OwnerFilter, UserChange, UserEdit, UserRecord, UserStore};
pub use webhooks::{
    ActiveWebhook, Attempt, Delivery, DeliveryFilter, DeliveryRetry, DeliveryStatus, NewWebhook, NextAttempt, WebhookStore,
};
