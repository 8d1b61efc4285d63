//! The shared store: one PostgreSQL database.

mod append;
mod appender;
mod audit;
mod audit_entry;
mod backend;
mod chats;
mod chunks;
mod connection;
mod connector;
mod decode;
mod delete;
mod inspect;
mod keys;
mod profiles;
mod quotas;
mod retention;
mod run_filter;
mod runs;
mod search;
mod session;
mod sql;
mod sql_error;
#[cfg(test)]
mod tests;
mod tls;
mod tokens;
mod transfer;
mod url;
mod usage;
mod users;
mod value;
mod webhooks;
mod writer;

pub use connection::PostgresStore;
pub use transfer::{Progress, TransferError, TransferSummary, transfer_from_sqlite, transfer_to_sqlite};
