//! What only the `SQLite` store does.

mod atomicity;
mod damage;
mod files;
mod threads;
