//! What only the PostgreSQL store does.

mod connections;
mod proxy;
mod server_lock;
mod tls;
mod transfer;
