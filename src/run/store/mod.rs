//! Stores for runs, events, users and everything that belongs to users, and their implementations in SQLite and PostgreSQL.

mod audit;
mod chats;
#[cfg(feature = "postgres")]
mod connect_error;
#[cfg(test)]
pub(super) mod contract;
mod damaged;
mod error;
mod idempotency;
mod keys;
mod log_reader;
mod open_error;
#[cfg(feature = "postgres")]
mod postgres;
mod profiles;
mod quotas;
mod retention;
mod runs;
mod search;
mod server_store;
mod sqlite;
#[cfg(test)]
pub(super) mod testing;
mod tokens;
mod usage;
mod users;
mod values;
mod webhooks;

pub use audit::{AuditEntry, AuditFilter, AuditRecord, AuditStore, Audited};
pub use chats::{ChatDigest, ChatStore};
#[cfg(feature = "postgres")]
pub use connect_error::ConnectError;
pub use error::{OverQuota, StoreError};
pub use idempotency::{Idempotency, UsedKey};
pub use keys::{ApiKeyRecord, KeyStore};
pub use open_error::OpenError;
#[cfg(feature = "postgres")]
pub use postgres::{PostgresStore, Progress, TransferError, TransferSummary, transfer_from_sqlite, transfer_to_sqlite};
pub use profiles::{ProfileChange, ProfileRecord, ProfileStore};
pub use quotas::{QuotaStore, QuotaUse};
pub use retention::{FreshWorkspace, PendingRemoval, RetentionStep, RetentionStore, StoreSize};
pub use runs::{
    Chunk, Conversation, DamagedChunk, Deleted, LogTip, MessageAttachments, RunChange, RunFilter, RunRecord, RunStore, SessionRecord,
    SessionUse, WaitChange,
};
pub(super) use search::searchable;
pub use search::{BadSearch, SearchText};
pub use server_store::ServerStore;
pub use sqlite::{BackupError, BackupSummary, RestoreError, RestoreSummary, SqliteStore, StoreStats, StoredLogins};
pub use tokens::TokenStore;
pub use usage::{DailyUsage, UsageFilter, UsageGroup, UsageRecord, UsageStore, UsageSum};
pub use users::{OwnerFilter, UserChange, UserEdit, UserRecord, UserStore};
pub use webhooks::{
    ActiveWebhook, Attempt, Delivery, DeliveryFilter, DeliveryRetry, DeliveryStatus, NewWebhook, NextAttempt, WebhookStore,
};
