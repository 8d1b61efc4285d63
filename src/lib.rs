//! `OpenRunner`: one durable HTTP service over the coding agents of a machine.
pub mod agent;
pub mod api;
pub mod auth;
pub mod config;
pub mod process;
pub mod run;
pub mod server;
pub mod types;
