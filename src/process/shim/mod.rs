//! The small process that owns one agent: it outlives the server, stores the agent's output, and enforces its time limit.
//!
//! ```text
//! server ──▶ shim ──▶ agent ──▶ its tools        the shim is the subreaper: orphans become its children
//!    ▲         │ appends stdout to a file
//!    └─────────┴─ reports the length of the file over a socket; the server reads the file
//! ```

#[cfg(target_os = "linux")]
mod borrowed;
#[cfg(not(target_os = "linux"))]
#[path = "not_borrowed.rs"]
mod borrowed;
mod client;
mod find;
pub mod protocol;
mod serve;

pub use super::identity::Identity;
pub use super::process_dir::ProcessDir;
pub use borrowed::BorrowedOutput;
pub(crate) use client::begin;
pub use client::{CommandSender, ReportReceiver, release};
pub use find::{Found, exit_record, find, kill, kill_leftovers, reconnect};
pub use protocol::{
    ExitRecord, Greeting, InputCommand, LENDS, MAX_HANDOVER, PROTOCOL, ProcessRecord, REPORTS_BEFORE_ACK, Report, ShimCommand, Spooled,
    StartCommand, StoppedBy, UNACKED_BYTES,
};
pub use serve::serve_if_asked;
