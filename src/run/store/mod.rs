//! Stores for runs, events, users and everything that belongs to users, and their SQLite implementation.

mod audit;
#[cfg(test)]
pub(super) mod contract;
mod error;
mod idempotency;
mod keys;
mod retention;
mod runs;
mod sqlite;
#[cfg(test)]
pub(super) mod testing;
mod tokens;
mod usage;
mod users;
mod webhooks;

pub use audit::{AuditEntry, AuditFilter, AuditRecord, AuditStore, Audited};
pub use error::StoreError;
pub use idempotency::{Idempotency, UsedKey};
pub use keys::{ApiKeyRecord, KeyStore};
pub use retention::{PendingRemoval, RetentionStep, RetentionStore, StoreSize};
pub use runs::{
    Chunk, DamagedChunk, Deleted, LogTip, RunChange, RunFilter, RunRecord, RunStore, SEARCHED_CHARS, SessionRecord, SessionUse,
};
pub use sqlite::{BackupError, BackupSummary, OpenError, RestoreError, RestoreSummary, SqliteStore, StoreStats, StoredLogins};
pub use tokens::TokenStore;
pub use usage::{DailyUsage, UsageFilter, UsageGroup, UsageRecord, UsageStore, UsageSum};
pub use users::{OwnerFilter, UserChange, UserEdit, UserRecord, UserStore};
pub use webhooks::{ActiveWebhook, Attempt, Delivery, DeliveryFilter, DeliveryStatus, NewWebhook, NextAttempt, WebhookStore};
