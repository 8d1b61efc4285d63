//! The OpenAI-compatible API: its requests, responses, streams and errors in terms of runs.
//!
//! ```text
//! request ── prompt ──▶ NewRun ─ run manager ─ log ── chunks ──▶ stream
//!                                                └─ end ───────▶ completion
//! ```
//!
//! A completion is an ordinary run, so everything that applies to runs applies here. The formats are those of OpenAI's API reference
//! (`chat/completions`, `models`), as the official clients for Python and JavaScript read them.

mod chat;
mod chunks;
mod completion;
mod error;
mod headers;
mod helper;
mod message;
mod prompt;
mod request;
mod response_format;
mod run_error;
mod unsupported;

pub(super) use chat::Chat;
pub(super) use chunks::{Chunk, Chunks, Progress};
pub(super) use completion::{Completion, Model, ModelList};
#[cfg(test)]
pub(super) use error::{OpenAiError, is_openai_path, to_openai};
pub(super) use error::{convert_errors, unknown_route};
pub(super) use headers::{ChatHeaderParams, ChatHeaders, DIRECTORY, SESSION, SessionHeader};
pub(super) use request::{CompletionRequest, FileFields, OnDisconnect, ReadRequest};
pub(super) use run_error::end_error;
