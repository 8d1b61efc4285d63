//! Runs: their life, their log and where both are kept.

pub mod events;
pub mod store;
