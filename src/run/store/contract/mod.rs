//! One suite of tests that every store must pass.

mod identity;
mod retention;
mod runs;
mod usage;
mod webhooks;

pub(in crate::run) use runs::*;
