//! The door for programs that speak OpenAI's chat API: its requests, answers, streams and refusals, in terms of runs.
//!
//! ```text
//! request ── prompt ──▶ NewRun ─ run manager ─ log ── chunks ──▶ stream
//!                                                └─ end ───────▶ completion
//! ```
//!
//! Behind it there is nothing of its own: a completion is an ordinary run, so everything that holds of runs holds here. The shapes are
//! those of OpenAI's API reference (`chat/completions`, `models`), as its official clients for Python and JavaScript read them.

mod chunks;
mod completion;
mod error;
mod prompt;
mod request;
mod run_error;

pub(super) use chunks::{Chunk, Chunks, Read};
pub(super) use completion::{Completion, Model, ModelList};
pub(super) use error::convert_errors;
#[cfg(test)]
pub(super) use error::{OpenAiError, is_openai_path, to_openai};
pub(super) use request::{CompletionRequest, OnDisconnect};
pub(super) use run_error::end_error;
