//! The embedded store: one `SQLite` file in the data folder.

mod audit;
mod backup;
mod connection;
mod decode;
mod keys;
mod restore;
mod retention;
mod runs;
mod temp_file;
#[cfg(test)]
mod tests;
mod tokens;
mod usage;
mod users;
mod webhooks;
mod writer;

pub use backup::{BackupError, Saved};
pub use connection::{OpenError, SqliteStore};
pub use restore::{RestoreError, Restored};
pub use retention::StoreStats;
