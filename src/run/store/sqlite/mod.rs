//! The embedded store: one `SQLite` file in the data directory.

mod audit;
mod backup;
#[cfg(feature = "postgres")]
mod build;
mod changes;
mod chats;
mod chunks;
mod connection;
mod damage;
mod decode;
mod delete;
mod grouping;
#[cfg(test)]
mod inline;
mod inspect;
mod keys;
mod lock;
mod node;
mod profiles;
mod quotas;
mod restore;
mod retention;
mod run_filter;
mod runs;
mod search;
mod sql;
mod temp_file;
#[cfg(test)]
mod tests;
mod tokens;
mod usage;
mod users;
mod webhooks;
mod writer;

pub use backup::{BackupError, BackupSummary};
#[cfg(feature = "postgres")]
pub(super) use build::{Draft, Source};
pub use connection::SqliteStore;
#[cfg(feature = "postgres")]
pub(super) use connection::prepare;
pub use inspect::StoredLogins;
pub use restore::{RestoreError, RestoreSummary};
pub use retention::StoreStats;
