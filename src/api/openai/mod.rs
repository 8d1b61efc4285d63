//! The door for programs that speak OpenAI's chat API: its requests, answers, streams and refusals, in terms of runs.
//!
//! ```text
//! request ── prompt ──▶ NewRun ─ run manager ─ log ── chunks ──▶ stream
//!                                                └─ end ───────▶ completion
//! ```
//!
//! Behind it there is nothing of its own: a completion is an ordinary run, so everything that holds of runs holds here. The shapes are
//! those of OpenAI's API reference (`chat/completions`, `models`), as its official clients for Python and JavaScript read them.

mod answer;
mod chunks;
mod failure;
mod prompt;
mod refusal;
mod request;

pub(super) use answer::{Completion, Model, ModelList};
pub(super) use chunks::{Chunk, Chunks, Read};
pub(super) use failure::of_end;
pub(super) use refusal::in_its_words;
#[cfg(test)]
pub(super) use refusal::{Refusal, is_ours, words_for};
pub(super) use request::{CompletionRequest, OnDisconnect};
