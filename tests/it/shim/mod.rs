//! The shim by itself: the real program, driven over its socket by the smallest possible server.

mod bounds;
mod ends;
mod handover;
mod links;
mod peer;
mod starts;
mod versions;
