//! Thousands of streams in one process, by epoll: counts what is missing, what came twice and what came late.
//!
//! The driver gives a [`Plan`] on standard input, one line of JSON. The reader connects, says [`Word::Ready`], waits for a further
//! line if the plan holds it back, reads until each stream has what the plan wants, and says [`Word::Report`].

mod connection;
mod http;
mod run;

use std::collections::BTreeMap;
use std::io::{self, BufRead};
use std::net::SocketAddrV4;

use serde::{Deserialize, Serialize};

use crate::histogram::Summary;

/// What to read.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Plan {
    pub(crate) address: SocketAddrV4,
    /// For the `Authorization` header; none if empty.
    pub(crate) token: String,
    pub(crate) streams: Vec<Streams>,
    /// Nothing is read after the answer's head until a line comes on standard input.
    pub(crate) held: bool,
    /// Connects all at once and not some after the other.
    pub(crate) storm: bool,
    /// Seconds after which what is not there yet is given up.
    pub(crate) patience: u64,
}

/// Streams of the same address and to the same end.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Streams {
    pub(crate) path: String,
    pub(crate) count: usize,
    /// The `Last-Event-ID`; 0 is none.
    pub(crate) after: u64,
    /// The mark that is expected first.
    pub(crate) first: u64,
    /// The mark before which the reading ends.
    pub(crate) until: u64,
}

/// What the reader says, a line of JSON each.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Word {
    Ready(Ready),
    Report(Report),
}

/// How many streams there are.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Ready {
    /// Those whose head came with a good status.
    pub(crate) open: usize,
    /// Those that were refused, by status.
    pub(crate) refused: BTreeMap<u16, u64>,
    /// Those that did not answer in time or were cut.
    pub(crate) failed: usize,
}

/// What was read.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Report {
    /// Streams that have all they wanted.
    pub(crate) whole: usize,
    pub(crate) marks: u64,
    pub(crate) bytes: u64,
    pub(crate) missing: u64,
    pub(crate) repeated: u64,
    /// Events whose number did not follow the one before.
    pub(crate) disorder: u64,
    /// Marks that were older than a second.
    pub(crate) late: u64,
    pub(crate) latency: Summary,
    /// When the first mark was written, in nanoseconds of the monotonic clock.
    pub(crate) first_written: u64,
    /// When the last mark came.
    pub(crate) last_read: u64,
    /// From the first connect to the moment at which each stream was whole.
    pub(crate) whole_after: Summary,
}

impl Report {
    /// Everything that is wrong with what was read.
    pub(crate) fn lost(&self) -> u64 {
        self.missing + self.repeated + self.disorder
    }

    /// From the first mark's writing to the last one's reading, in seconds.
    pub(crate) fn seconds(&self) -> f64 {
        self.last_read.saturating_sub(self.first_written) as f64 / 1e9
    }
}

/// Is the reader.
///
/// # Errors
/// If there is no plan, or the system refuses sockets.
pub(crate) fn be() -> anyhow::Result<()> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    run::read(&serde_json::from_str(&line)?)
}
