//! The command line as a client: it chooses a server, authenticates, and speaks HTTP like every other client.

mod address;
mod api;
mod connect;
mod embedded_server;
mod follow;
mod private_file;
mod resolve_id;
mod run_summary;
mod servers;
mod token_cache;

pub(super) use address::Address;
pub(super) use api::{Client, Credentials, Login};
pub(super) use connect::{Connection, anonymous, connect, connect_or_start, local_address, servers_file, target};
pub(super) use follow::{Follower, RECONNECT_TIMEOUT, ReceivedEvent, Update};
pub(super) use resolve_id::{resolve_run, resolve_session};
pub(super) use run_summary::RunSummary;
pub(super) use servers::{Entry, Servers, is_name};
