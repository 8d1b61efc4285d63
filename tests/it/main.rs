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
mod door;
mod errors;
mod examples;
mod fairness;
mod feed;
mod flow;
mod hostile;
mod identity;
mod injection;
mod layers;
mod limits;
mod memo;
mod messages;
mod metrics;
mod network;
mod openai;
mod packaging;
mod permissions;
mod policies;
mod private;
mod proxy;
mod questions;
mod reading;
mod repeats;
mod restart;
mod retention;
mod runs;
mod security;
mod service;
mod sessions;
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
