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
mod frame;
mod headers;
mod helper;
mod line;
mod message;
mod prompt;
mod read_request;
mod request;
mod response_format;
mod responses;
mod run_error;
mod run_options;
mod unsupported;

pub(super) use chat::Chat;
pub(super) use chunks::{Chunk, Chunks, Progress};
pub(super) use completion::{Completion, Model, ModelList};
#[cfg(test)]
pub(super) use error::{OpenAiError, is_openai_path, to_openai};
pub(super) use error::{convert_errors, unknown_route};
pub(super) use headers::{ChatHeaderParams, ChatHeaders, DIRECTORY, SESSION, SessionHeader};
pub(super) use read_request::{FileFields, ReadRequest};
pub(super) use request::CompletionRequest;
pub(super) use responses::{
    Continued, InputItemList, ResponseDeleted, ResponseEvents, ResponseId, ResponseObject, ResponseRequest, StreamEnd,
};
pub(super) use run_error::end_error;
