//! The shim itself: the program `openrunner shim FOLDER`, plain code of one thread.
//!
//! A server starts it with an empty environment, in the folder where the agent is to work, with one end of a pair of unix stream
//! sockets as descriptor 0, and with the run's process folder, which must be there, as its only word. It says [`ShimCommand::Hello`] and
//! [`ShimCommand::Start`] over the pair; later servers connect to the socket in the folder.
//!
//! [`ShimCommand::Hello`]: super::Order::Hello
//! [`ShimCommand::Start`]: super::Order::Start

mod connection;
mod event_loop;
mod listener;
mod process_files;
mod spool;
mod startup;
mod stdin;
mod termination;
mod time_limits;

pub use startup::{SUBCOMMAND, serve_if_asked};
