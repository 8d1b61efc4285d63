//! The shim itself: the program `openrunner shim FOLDER`, plain code of one thread.
//!
//! A server starts it with an empty environment, in the folder where the agent is to work, with one end of a pair of unix stream
//! sockets as descriptor 0, and with the run's process folder, which must be there, as its only word. It says [`Order::Hello`] and
//! [`Order::Start`] over the pair; later servers connect to the socket in the folder.
//!
//! [`Order::Hello`]: super::Order::Hello
//! [`Order::Start`]: super::Order::Start

mod event_loop;
mod files;
mod input;
mod limits;
mod listener;
mod spool;
mod startup;
mod termination;
mod wire;

pub use startup::{SUBCOMMAND, serve_if_asked};
