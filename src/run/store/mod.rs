//! Where runs, their events, users and what belongs to users are kept.

mod audit;
#[cfg(test)]
pub(super) mod contract;
#[cfg(test)]
mod contract_of_identity;
#[cfg(test)]
mod contract_of_usage;
mod error;
mod keys;
mod runs;
mod sqlite;
mod tokens;
mod usage;
mod users;

pub use audit::{AuditEntry, AuditFilter, AuditRecord, AuditStore};
pub use error::StoreError;
pub use keys::{ApiKeyRecord, KeyStore};
pub use runs::{Chunk, Idempotency, RunChange, RunFilter, RunRecord, RunStore, SEARCHED, SessionRecord, UsedKey};
pub use sqlite::{OpenError, SqliteStore};
pub use tokens::TokenStore;
pub use usage::{Spent, UsageFilter, UsageGroup, UsageRecord, UsageStore, UsageSum};
pub use users::{UserChange, UserEdit, UserRecord, UserStore};
