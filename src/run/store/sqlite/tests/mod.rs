//! What only the `SQLite` store does.

mod damage;
mod files;
mod threads;
