//! The HTTP API: who may come in, what is asked, and how answers look.
//!
//! A request passes, from outside in: the working out of where it comes from, the log line, the panic guard, the [door](Policy)
//! (`Host`, `Origin`, cross-site, content type), the token check with the [limit](RateLimits) on requests and what the route
//! needs (`scopes`), the limit on its body, and then its handler. All of these stand around the whole router, so a route cannot be added
//! outside of them.

mod audit_context;
mod authn;
#[cfg(test)]
mod authz_matrix_tests;
mod body;
mod client_origin;
mod cors;
mod disconnect;
mod error;
mod extract;
mod handlers;
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
mod stream;
#[cfg(test)]
mod tests;

pub use error::ApiError;
pub use extract::{Json, Path, Query};
pub use handlers::health::Health;
pub use host_guard::{HostPolicy, PeerAddress};
pub use limits::{RateLimits, Rates};
pub use router::{AppState, router};
