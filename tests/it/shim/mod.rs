//! The shim alone: the real program, driven over its socket by a minimal server.

mod connections;
mod handover;
mod lending;
mod limits;
mod startup;
mod termination;
mod test_server;
mod versions;
