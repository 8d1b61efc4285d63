//! The HTTP API: authentication, routes, requests and responses.
//!
//! A request passes these layers, from the outside in: the client's origin, the request log, compression, the panic handler, the [host
//! guard](HostPolicy) (`Host`, `Origin`, cross-site, content type, CORS), authentication with the [rate limits](RateLimits) and the
//! route's required scope (`scopes`), the body limits, and the handler. All layers wrap the whole router, so a route cannot be added
//! outside them.

mod audit_context;
mod authn;
#[cfg(test)]
mod authz_matrix_tests;
mod base_path;
mod body;
mod client_origin;
mod compression;
mod cors;
mod disconnect;
mod error;
mod error_mapping;
mod extract;
mod handlers;
mod health_check;
mod host;
mod host_guard;
mod json_object;
mod limits;
mod negotiation;
mod openai;
#[cfg(test)]
mod openapi;
mod request_log;
mod router;
mod scopes;
mod shape;
mod state;
mod stream;
#[cfg(test)]
mod tests;

pub use base_path::BasePath;
pub use error::{ApiError, FaultCode, FieldError};
pub use extract::{Json, Path, Query};
pub use health_check::Health;
pub use host_guard::HostPolicy;
pub use limits::{Connection, ConnectionHandle, Connections, InProgress, NoneFree, RateLimits, Rates, Source};
pub use router::router;
pub use state::AppState;
