//! The Responses API: a response is a run, and its stream is the run's log.
//!
//! The events of a stream are a pure function of the log, numbered without gaps. So a stream resumes after any event by reading the log again,
//! also after a restart of the server, and a retrieved response equals the one at the end of the stream.

mod events;
#[cfg(test)]
mod events_tests;
mod id;
mod input;
mod input_items;
mod object;
mod request;

pub(in crate::api) use events::{ResponseEvents, StreamEnd};
pub(in crate::api) use id::ResponseId;
pub(in crate::api) use input_items::InputItemList;
pub(in crate::api) use object::{ResponseDeleted, ResponseObject};
pub(in crate::api) use request::{Continued, ResponseRequest};
