//! What the server counts of itself, for Prometheus.
//!
//! Whoever has something to count owns its meters, which are atomics behind a handle: the store, the runs, the API. [`Metrics`] knows them
//! all and writes them down when it is asked. One server has one set, so that tests beside each other do not see each other's numbers.
//!
//! No label comes from what a client says: agents are those of the settings, routes those of the router, methods and causes closed lists.

mod http;
mod process;
mod registry;
mod runs;
mod store;

pub use http::HttpMeters;
pub use registry::{CONTENT_TYPE, Metrics, Present};
pub use runs::RunMeters;
pub use store::StoreMeters;
