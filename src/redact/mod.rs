//! Redaction: replaces known secrets in text by [`MASK`] before the text is stored, logged or shown. Pure.
//!
//! [`Secrets`] is the set of known values and redacts complete texts. [`Redactor`] redacts the events of one run, in which a text may
//! arrive in pieces and a secret may therefore be split over several events.

mod mcp;
mod names;
mod redactor;
mod secrets;

pub use mcp::{mcp_values, redact_mcp_error};
pub use names::is_secret_name;
pub use redactor::Redactor;
pub use secrets::{MASK, MIN_LENGTH, Secrets};
