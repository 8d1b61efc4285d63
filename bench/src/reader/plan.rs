//! The messages between the driver and a reader.

use std::collections::BTreeMap;
use std::net::SocketAddrV4;

use serde::{Deserialize, Serialize};

use crate::histogram::Summary;

/// What to read.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Plan {
    pub(crate) address: SocketAddrV4,
    /// Token for the `Authorization` header; empty for none.
    pub(crate) token: String,
    pub(crate) streams: Vec<Streams>,
    /// Read nothing after the response headers until a line arrives on standard input.
    pub(crate) hold: bool,
    /// Connect all streams at once instead of in small groups.
    pub(crate) connect_at_once: bool,
    /// Timeout for connecting and for reading, in seconds each.
    pub(crate) timeout_secs: u64,
}

/// A number of identical streams.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Streams {
    pub(crate) path: String,
    pub(crate) count: usize,
    /// The `Last-Event-ID`; 0 for none.
    pub(crate) after: u64,
    /// The first expected mark.
    pub(crate) first: u64,
    /// The end of the expected marks, exclusive.
    pub(crate) until: u64,
}

/// What the reader sends, one line of JSON each.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Message {
    Ready(Ready),
    Report(Report),
}

/// The number of streams by state.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Ready {
    /// Streams with a 200 response.
    pub(crate) open: usize,
    /// Streams with another status, by status.
    pub(crate) refused: BTreeMap<u16, u64>,
    /// Streams that got no response in time or were disconnected.
    pub(crate) failed: usize,
}

/// What was read.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Report {
    /// Streams that received all expected marks.
    pub(crate) complete: usize,
    pub(crate) marks: u64,
    pub(crate) bytes: u64,
    pub(crate) missing: u64,
    pub(crate) repeated: u64,
    /// Events whose sequence number did not follow the previous one.
    pub(crate) out_of_order: u64,
    /// Marks that were older than a second.
    pub(crate) late: u64,
    pub(crate) latency: Summary,
    /// When the first mark was written, in nanoseconds of the monotonic clock.
    pub(crate) first_written: u64,
    /// When the last mark was read, in nanoseconds of the monotonic clock.
    pub(crate) last_read: u64,
    /// From the start of the reader until each stream was complete.
    pub(crate) time_to_complete: Summary,
}

impl Report {
    /// The number of all faults.
    pub(crate) fn lost(&self) -> u64 {
        self.missing + self.repeated + self.out_of_order
    }

    /// From the write of the first mark to the read of the last one, in seconds.
    pub(crate) fn seconds(&self) -> f64 {
        self.last_read.saturating_sub(self.first_written) as f64 / 1e9
    }
}
