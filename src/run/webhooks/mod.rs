//! Webhooks: sends events of runs to the endpoints that users and the operator name.
//!
//! ```text
//! log ── follower, from the endpoint's cursor ──▶ Sender ── signed, to an address that AddressGuard allows ──▶ receiver
//!                                                   │ 2xx: the cursor advances; otherwise: retry, finally abandon
//! ```
//!
//! The log is durable, so only a cursor is stored per endpoint, and delivery resumes there after a restart. Events are delivered at least
//! once, in order for each run and endpoint, with an id that stays the same for every attempt.

mod config;
mod guard;
mod request;
mod schedule;
mod sender;
mod sign;

pub use config::{WebhookConfig, WebhookSettings};
pub use guard::AddressGuard;
pub use request::{BadWebhook, WebhookRequest};
pub(super) use sender::Sender;
pub use sign::{BadSecret, SigningSecret};
