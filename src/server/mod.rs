//! The running server: what it listens on, how it logs, and how it goes away.

mod agents;
mod hardening;
mod lingering_close;
mod listen;
mod logs;
mod secrets;
mod service;
mod signals;
mod start;
#[cfg(test)]
mod tests;
#[cfg(feature = "otel")]
mod traces;
mod webhooks;
mod write_timeout;

pub use agents::{agents, host};
pub use hardening::close_to_others;
pub use listen::{Drained, Listening, serve};
pub use logs::{LogsError, init};
pub use service::{ServiceManager, handed_over};
pub use signals::{Stop, stop_on_signal};
pub use start::{Server, StartError};
