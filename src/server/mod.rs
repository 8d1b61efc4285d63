//! The running server: listening, logging, signals, shutdown.

mod agents;
mod hardening;
mod isolation;
mod lingering_close;
mod listen;
mod logs;
mod run_config;
mod secrets;
mod service;
mod signals;
mod start;
mod start_error;
#[cfg(test)]
mod tests;
#[cfg(feature = "otel")]
mod traces;
mod write_timeout;

pub use agents::{build_registry, host};
pub use hardening::deny_inspection;
pub use isolation::{accounts, inspection, try_isolation};
pub use listen::{Drained, Listening, OTHER_DESCRIPTORS, serve};
pub use logs::{LogsError, init_logging};
pub use service::{ServiceManager, inherited_listener};
pub use signals::{Stop, stop_on_signal};
pub use start::{Server, limits_policy};
pub use start_error::StartError;
