//! The log of a run's events: written by one, followed by any number.
//!
//! ```text
//! driver ── events ──▶ LogWriter ── chunk ──▶ store (on disk) ── then ──▶ tail, tip ── wake ──▶ Follower ── bytes ──▶ HTTP
//! ```
//!
//! An event is on disk before anyone sees it, and a wake-up carries nothing but a number: each follower reads from its own cursor,
//! from the tail in memory while it keeps up and from the store where it does not. So a slow reader costs no memory, a late one misses
//! nothing, and replay and live are one code path that gives the same bytes.

mod encode;
mod follower;
mod frames;
mod log;
mod mask;
mod secrets;
mod summary;
mod tail;
#[cfg(test)]
mod tests;

pub use follower::{Follower, Framing};
pub use log::{EventLog, LogWriter};
pub use mask::Withheld;
pub use secrets::{MASK, SHORTEST, Secrets};
pub use summary::LogSummary;

/// What followers of a run with these events would be sent, byte for byte: for the fuzz target of this writer.
#[cfg(feature = "test-support")]
pub fn framed(secrets: &Secrets, events: &[crate::types::StreamEvent]) -> Vec<u8> {
    let (events, _) = mask::Masker::new(secrets.clone()).mask(events);
    let chunks = log::chunks_of(crate::types::Seq::FIRST, crate::types::Timestamp::from_millis(0), &events);
    chunks.iter().flat_map(|chunk| frames::Frames::of(chunk).after(0)).collect()
}
