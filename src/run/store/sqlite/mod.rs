//! The embedded store: one `SQLite` file in the data directory.

mod audit;
mod backup;
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
mod limits;
mod lock;
mod node;
mod open_error;
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
pub use connection::SqliteStore;
pub use inspect::StoredLogins;
pub use open_error::OpenError;
pub use restore::{RestoreError, RestoreSummary};
pub use retention::StoreStats;
