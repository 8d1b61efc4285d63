//! Test harness for the agent adapters: replays recordings of the real programs through their parsers.
//!
//! A recording is a set of files in `tests/transcripts/AGENT/`: either `NAME.stdout.jsonl`, the lines of a one-shot run, or
//! `NAME.dialog.jsonl`, both directions of a two-way run; beside it `NAME.exit` and `NAME.stderr.txt`. [`replay`] feeds it to a parser
//! as the driver would and checks every line against the contract of its [`LineOutcome`](crate::agent::LineOutcome).
//!
//! The module is compiled into the library's unit tests (`#[path]` in `src/agent/mod.rs`) rather than into `tests/it`, because the
//! adapters' tests construct parsers and wire types that are private to each adapter.

mod fuzz;
mod recording;
mod replayer;

pub(crate) use fuzz::{resolves_every_request_once, survives_anything};
pub(crate) use recording::{Entry, Recording, attachment, installed, recording, recordings, task};
pub(crate) use replayer::{Action, Decide, Replayed, Step, assert_outcome, limits_in, replay};
