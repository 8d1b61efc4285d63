//! The handlers, one file per resource. A handler extracts its arguments, calls one service, and maps the result.

pub(super) mod agents;
pub(super) mod audit;
pub(super) mod auth;
pub(super) mod chat;
pub(super) mod chat_completions;
pub(super) mod console;
mod created;
pub(super) mod events;
pub(super) mod feed;
pub(super) mod health;
pub(super) mod keys;
pub(super) mod messages;
pub(super) mod metrics;
pub(super) mod models;
pub(super) mod page_aliases;
mod pagination;
mod params;
pub(super) mod reference;
pub(super) mod requests;
pub(super) mod runs;
pub(super) mod sessions;
pub(super) mod settings;
mod static_files;
pub(super) mod tickets;
pub(super) mod usage;
pub(super) mod users;
pub(super) mod webhooks;
