//! `OpenRunner`: one durable HTTP service over the coding agents of a machine.
//!
//! A client posts a prompt, gets a run's id at once, and follows what the agent does as a stream of typed events that can be left and
//! taken up again anywhere, any number of times, without a loss.
//!
//! ```text
//! POST /api/runs ─ api::handlers ─ run::manager ─ run::driver ─ agent::handle ─ agent's adapter ─ process ─ agent program
//!                                                                                                              │ stdout
//! SSE ─ api ─ follower (cursor) ─ run::events (the log: store, then wake) ─ run::driver ─ StreamEvent ─ parser ┘
//! ```
//!
//! Imports point down (`cli`, `server` → `api` → `auth`, `run` → `agent` → `process`, `types`), and events come up as values.

pub mod agent;
pub mod api;
pub mod auth;
pub mod cli;
pub mod config;
pub mod egress;
pub mod mcp;
pub mod metrics;
pub mod ownership;
pub mod process;
pub mod redact;
pub mod run;
pub mod server;
pub mod types;
pub mod workspace;
