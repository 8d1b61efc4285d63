//! The shim process: `openrunner shim DIR`, single-threaded code without an async runtime.
//!
//! A server starts it with an empty environment, in the working directory of the agent, with one end of a unix socket pair as descriptor 0,
//! and with the existing process directory of the run as its only argument. The server sends [`ShimCommand::Hello`] and
//! [`ShimCommand::Start`] over the pair; later servers connect to the socket in the directory.
//!
//! [`ShimCommand::Hello`]: super::ShimCommand::Hello
//! [`ShimCommand::Start`]: super::ShimCommand::Start

mod connection;
mod event_loop;
mod listener;
mod process_files;
mod spool;
mod startup;
mod stdin;
mod termination;
mod time_limits;

pub use startup::serve_if_asked;
