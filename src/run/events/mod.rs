//! The log of a run's events, with one writer and any number of followers.
//!
//! ```text
//! driver ── events ──▶ LogWriter ── chunk ──▶ store (durable) ── then ──▶ tail, tip ── wake ──▶ Follower ── bytes ──▶ HTTP
//! ```
//!
//! Every event is durable before it is visible. A wake-up carries only the number of the last event: each follower reads from its own
//! cursor, from the tail in memory while it keeps up and from the store otherwise. A slow follower therefore uses no additional memory, a
//! late one misses nothing, and replay and live delivery are one code path that produces the same bytes.
//!
//! Whether a log has ended is decided by the run's row alone. A follower of an unfinished run whose log this server does not write reads the
//! row again once a second; it ends when the row has an end, or when the server shuts down.

mod encode;
mod follower;
mod frames;
mod gap;
mod live;
#[cfg(test)]
mod liveness_tests;
mod log;
mod source;
mod summary;
mod tail;
#[cfg(test)]
mod tests;

pub use follower::{Follower, Framing};
pub use log::{EventLog, LogWriter};
pub use summary::LogSummary;

/// The bytes that followers of a run with these events would receive, for the fuzz target of this module.
#[cfg(feature = "test-support")]
pub fn framed(secrets: &crate::redact::Secrets, events: &[crate::types::StreamEvent]) -> Vec<u8> {
    let (events, _) = crate::redact::Redactor::new(secrets.clone()).redact(events);
    let chunks = encode::encode(crate::types::Seq::FIRST, crate::types::Timestamp::from_millis(0), &events);
    chunks.iter().flat_map(|chunk| frames::Frames::from_chunk(chunk).after(0)).collect()
}
