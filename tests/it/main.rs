//! Integration tests: one binary, one file per behavior.
//!
//! They start the real server binary and use it over HTTP like any client. Agents are the built-in `demo` and the scripted `fake_agent`,
//! which replaces `claude`.

mod access_changes;
mod acp_agents;
mod acp_editor;
mod acp_sessions;
mod admission;
mod agent_output;
mod agent_start;
mod api_description;
mod backup;
mod broken_connections;
mod cancellation;
mod changes;
mod cli;
mod clones;
mod commands;
mod crash;
mod default_passwords;
mod demo;
mod docs;
mod egress;
mod errors;
mod examples;
mod fairness;
mod feed;
mod files;
mod flow;
mod fuzz_targets;
mod greedy_users;
mod host_guard;
mod hostile;
mod idempotency;
mod identity;
mod injection;
mod input;
mod isolation;
mod key_defaults;
mod layers;
mod lent_output;
mod limit_wait;
mod limits;
mod mcp;
mod messages;
mod metrics;
mod network;
mod openai;
mod output_schema;
mod ownership;
mod packaging;
mod permissions;
mod policies;
#[cfg(feature = "postgres")]
mod postgres;
mod profiles;
mod project_config;
mod proxy;
mod questions;
mod quotas;
mod readme;
mod recipes;
mod recreated_user;
mod request_memory;
mod resource_exhaustion;
mod responses;
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
mod spend_limits;
mod streams;
mod support;
mod terminal;
#[cfg(feature = "otel")]
mod traces;
mod upgrade;
mod uploads;
mod usage;
mod vocabulary;
mod webhooks;
mod workspaces;
mod worktrees;

// The crates that the fuzz targets use, see `fuzz_targets`.
extern crate self as libfuzzer_sys;
extern crate self as openrunner_fuzz;

/// In place of libFuzzer's: the target becomes a function.
macro_rules! fuzz_target {
    (|$data:ident: &[u8]| $body:expr) => {
        pub(crate) fn run($data: &[u8]) {
            $body
        }
    };
}
pub(crate) use fuzz_target;
pub(crate) use fuzz_targets::shared::drive;
