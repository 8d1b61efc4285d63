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
mod memory;
mod tail;
#[cfg(test)]
mod tests;

pub use follower::{Follower, Framing};
pub use log::{EventLog, LogWriter};
pub use memory::Memory;
