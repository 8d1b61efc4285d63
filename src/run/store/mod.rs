//! Where runs, their events, users and what belongs to users are kept.

mod audit;
#[cfg(test)]
pub(super) mod contract;
#[cfg(test)]
mod contract_of_identity;
#[cfg(test)]
mod contract_of_retention;
#[cfg(test)]
mod contract_of_usage;
#[cfg(test)]
mod contract_of_webhooks;
mod error;
mod keys;
mod retention;
mod runs;
mod sqlite;
mod tokens;
mod usage;
mod users;
mod webhooks;

pub use audit::{AuditEntry, AuditFilter, AuditRecord, AuditStore};
pub use error::StoreError;
pub use keys::{ApiKeyRecord, KeyStore};
pub use retention::{Remains, RetentionStore, Step, StoreSize};
pub use runs::{Chunk, Idempotency, RunChange, RunFilter, RunRecord, RunStore, SEARCHED, SessionRecord, UsedKey};
pub use sqlite::{BackupError, OpenError, RestoreError, Restored, Saved, SqliteStore, Survey};
pub use tokens::TokenStore;
pub use usage::{Spent, UsageFilter, UsageGroup, UsageRecord, UsageStore, UsageSum};
pub use users::{UserChange, UserEdit, UserRecord, UserStore};
pub use webhooks::{ActiveWebhook, Attempt, Delivery, DeliveryFilter, DeliveryState, NewWebhook, Then, WebhookStore};
