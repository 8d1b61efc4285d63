//! The reader: thousands of streams in one process, by epoll. It counts missing, repeated and late events.
//!
//! The driver sends a [`Plan`] as one line of JSON on standard input. The reader connects, sends [`Message::Ready`], waits for another line
//! if the plan says so, reads until each stream is complete, and sends [`Message::Report`].

mod connection;
mod http;
mod plan;
mod run;

pub(crate) use self::plan::{Message, Plan, Ready, Report, Streams};
pub(crate) use self::run::run;
