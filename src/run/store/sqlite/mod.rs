//! The embedded store: one `SQLite` file in the data folder.

mod connection;
mod decode;
mod runs;
#[cfg(test)]
mod tests;
mod users;
mod writer;

pub use connection::{OpenError, SqliteStore};
