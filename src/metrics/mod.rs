//! The server's metrics, for Prometheus.
//!
//! Each component updates its own metrics, which are atomics behind a cloneable handle: the store, the runs, the API. [`Metrics`] collects
//! and encodes them. Each server has its own set, so that tests in one process do not share counters.
//!
//! No label value comes from a client: agents are those of the settings, routes those of the router, methods and causes closed lists.

mod format;
mod http;
mod process;
mod registry;
mod runs;
mod store;

pub use format::Format;
pub use http::HttpMetrics;
pub use registry::{Gauges, Metrics};
pub use runs::RunMetrics;
pub use store::StoreMetrics;
