//! What only the `SQLite` store does.

mod atomicity;
mod audit;
mod damage;
mod files;
mod quotas;
mod search;
mod threads;
