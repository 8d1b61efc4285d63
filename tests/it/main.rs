//! Integration tests: one binary, one file per behavior.
//!
//! They start the real server binary and use it over HTTP like any client. Agents are the built-in `demo` and the scripted `fake_agent`,
//! which replaces `claude`.

mod access_changes;
mod acp_agents;
mod admission;
mod agent_output;
mod agent_start;
mod api_description;
mod backup;
mod broken_connections;
mod cancellation;
mod cli;
mod commands;
mod crash;
mod default_passwords;
mod docs;
mod egress;
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
mod isolation;
mod layers;
mod limits;
mod messages;
mod metrics;
mod network;
mod openai;
mod ownership;
mod packaging;
mod permissions;
mod policies;
mod proxy;
mod questions;
mod recreated_user;
mod request_memory;
mod resource_exhaustion;
mod restart;
mod retention;
mod run_core;
mod run_limits;
mod run_secrets;
mod runs;
mod secret_handover;
mod security;
mod service;
mod sessions;
mod settings;
mod shim;
mod shutdown;
mod streams;
mod support;
mod terminal;
#[cfg(feature = "otel")]
mod traces;
mod usage;
mod vocabulary;
mod webhooks;
mod workspaces;
