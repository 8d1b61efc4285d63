//! Events of runs, sent to addresses that users and the operator name.
//!
//! ```text
//! log ── follower, from the place's cursor ──▶ Sender ── signed, to an address that Guard has let through ──▶ receiver
//!                                                │ taken: the cursor moves; not: tried again later, given up in the end
//! ```
//!
//! The log is durable already, so what is kept of a place is a cursor, and a restart goes on from it. Each event is sent once or more, in
//! order for each run, under an id that stays the same.

mod guard;
mod request;
mod rules;
mod schedule;
mod sender;
mod sign;

pub use guard::Guard;
pub use request::{BadWebhook, WebhookRequest};
pub use rules::{WebhookRules, WebhookSettings};
pub(super) use sender::Sender;
pub use sign::{BadSecret, SigningSecret};
