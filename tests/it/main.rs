//! The integration tests: one binary, a file for each behaviour.

mod docs;
