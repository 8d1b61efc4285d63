//! The small process that owns one agent: it outlives the server, keeps what the agent writes, and ends it when its time is over.
//!
//! ```text
//! server ──▶ shim ──▶ agent ──▶ its tools        the shim is the subreaper: whatever loses its parent comes to it
//!    ▲         │ appends stdout to a file
//!    └─────────┴─ how far the file has come, by socket; the server reads the file
//! ```

mod client;
mod find;
mod folder;
pub mod protocol;
mod serve;

pub use super::identity::Identity;
pub(super) use client::begin;
pub use client::{Orders, Reports, release};
pub use find::{Found, end_leftovers, exit_record, find};
pub use folder::ProcessFolder;
pub use protocol::{
    ExitRecord, Greeting, InputOrder, LITTLE, MAX_MEMO, NEWS, Order, PROTOCOL, ProcessRecord, Report, Spooled, StartOrder, StoppedBy,
};
pub use serve::{SUBCOMMAND, serve_if_asked};
