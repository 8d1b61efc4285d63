//! The integration tests: one binary, a file for each behaviour.
//!
//! They start the real server binary and speak with it over HTTP as any client does. Agents are the built-in `demo` and the scripted
//! `fake_agent`, which stands in for `claude`.

mod admission;
mod backup;
mod bounds;
mod cli;
mod commands;
mod crash;
mod described;
mod docs;
mod errors;
mod examples;
mod fairness;
mod feed;
mod flow;
mod host_guard;
mod hostile;
mod idempotency;
mod identity;
mod injection;
mod layers;
mod limits;
mod messages;
mod metrics;
mod network;
mod openai;
mod packaging;
mod permissions;
mod policies;
mod proxy;
mod questions;
mod reading;
mod restart;
mod retention;
mod run_secrets;
mod runs;
mod secret_handover;
mod security;
mod service;
mod sessions;
mod settings;
mod shim;
mod shortage;
mod shutdown;
mod starting;
mod stops;
mod streams;
mod support;
mod terminal;
#[cfg(feature = "otel")]
mod traces;
mod usage;
mod webhooks;
mod workspaces;
