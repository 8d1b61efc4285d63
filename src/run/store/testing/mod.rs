//! A store for tests that fails, counts and pauses calls on request, and a scheduler that explores the order of concurrent calls.

mod explore;
mod fault_store;
mod gate;
#[cfg(feature = "postgres")]
#[path = "../../../../tests/it/support/postgres.rs"]
mod postgres;
mod tests;

pub(in crate::run) use explore::explore;
pub(in crate::run) use fault_store::{Calls, Fault, FaultStore};
pub(in crate::run) use gate::Point;
#[cfg(feature = "postgres")]
pub(super) use postgres::{Postgres, new_database, postgres};
