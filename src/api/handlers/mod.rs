//! One file for each thing that the API speaks of. A handler takes what it needs, asks one question, and maps the answer.

pub(super) mod auth;
pub(super) mod health;
