//! What agents at isolation level `sandbox` can reach of the network: a proxy per run, and the credentials that it inserts.
//!
//! ```text
//! agent ── 127.0.0.1 of its own network namespace ── forwarder ── unix socket ── Proxy ──▶ hosts of the run's list
//!                                                                                  │
//!                                                                                  └─ with the operator's key ──▶ model, git hosts
//! ```
//! Names are resolved by the proxy, so the agent's process needs no resolver, and the address that was checked is the one that is used. There
//! is no TLS interception: a tunnel is opaque. Where a credential is inserted, the agent sends its request to the proxy in plain HTTP, and the
//! proxy sends it over TLS.

mod addresses;
mod connect;
mod credentials;
mod git_remotes;
mod policy;
mod proxy;
mod relay;
mod report;
mod request;
#[cfg(any(test, feature = "test-support"))]
mod request_check;
#[cfg(test)]
mod tests;
mod tunnel;
mod upstream;

pub(crate) use addresses::{is_local_name, is_public};
pub use credentials::{Credentials, GitCredential, ModelCredential, PerUser};
pub use git_remotes::remote_hosts;
pub use policy::{Access, EgressPolicy, NotAllowed};
pub use proxy::Proxy;
#[cfg(feature = "test-support")]
pub use request_check::check_request;
