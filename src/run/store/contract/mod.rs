//! The test suite that every store must pass.

mod changes;
mod chats;
mod fixtures;
mod identity;
mod profiles;
mod quotas;
mod retention;
mod runs;
mod search;
mod usage;
mod webhooks;

pub(in crate::run) use changes::changes;
pub(in crate::run) use fixtures::{add_run, create, done, record, stored_run};
