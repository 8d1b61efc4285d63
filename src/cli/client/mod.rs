//! The command line as a client: which server it speaks with, as whom, and how it follows a run.
//!
//! It speaks HTTP like every other client and knows nothing of the server's inside.

mod address;
mod api;
mod connect;
mod embedded_server;
mod follow;
mod resolve_id;
mod servers;

pub(super) use address::Address;
pub(super) use api::{Client, ClientError, Credentials};
pub(super) use connect::{Connection, ServerArgs, connect, connect_or_start, guest, local_address, say};
pub(super) use follow::{Follower, Seen, Update};
pub(super) use resolve_id::{run_named, session_named};
pub(super) use servers::{Entry, Servers, is_name};
