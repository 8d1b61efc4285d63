//! The form of API keys.

/// Prefix of keys, which distinguishes them from tokens and helps secret scanners.
pub(super) const PREFIX: &str = "orn_";

/// Whether a text has the form of a key.
pub(super) fn is_key(presented: &str) -> bool {
    presented.starts_with(PREFIX)
}
