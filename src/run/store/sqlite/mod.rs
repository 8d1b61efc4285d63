//! The embedded store: one `SQLite` file in the data folder.

mod audit;
mod connection;
mod decode;
mod keys;
mod runs;
#[cfg(test)]
mod tests;
mod tokens;
mod usage;
mod users;
mod writer;

pub use connection::{OpenError, SqliteStore};
