//! An agent of the Agent Client Protocol on standard input and output, whose work is done by runs of a server.
//!
//! ```text
//! editor ── JSON-RPC ── connection ── agent ── requests to the server
//!                                      └─ turn ── events of a run ── updates ──▶ editor
//! ```
//!
//! Nothing is kept here: a session of the editor is a session of the server, found by a label of its runs, so it can be loaded again by
//! another process, and its updates are those of the runs' logs.

mod agent;
mod connection;
mod content;
mod editor;
mod turn;
mod updates;

pub(in crate::cli) use agent::{Agent, Options};
pub(in crate::cli) use connection::serve;
