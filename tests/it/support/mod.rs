//! Shared by all integration tests: the real server binary, clients of its API, and access to the system's processes.
//!
//! Nothing here sleeps: every wait is for an event, and [`live`] fails a test whose event never comes.

mod cli;
mod client;
mod database;
mod described;
mod disk;
mod live;
#[cfg(feature = "postgres")]
mod postgres;
mod process;
mod receiver;
mod server;
mod sse;
mod tmux;

use std::time::Duration;

pub(crate) use cli::{ended, typed};
pub(crate) use client::{Answer, Client};
pub(crate) use database::query;
pub(crate) use described::validator;
pub(crate) use disk::Disk;
pub(crate) use live::{notice, of};
#[cfg(feature = "postgres")]
pub(crate) use postgres::{Postgres, new_database, postgres};
pub(crate) use process::{Pid, carrying, is_alive, outside, shim_of};
pub(crate) use receiver::{Received, Receiver};
pub(crate) use server::{Server, Setup};
pub(crate) use sse::{Frame, Frames, assert_dense, last};
pub(crate) use tmux::Tmux;

/// Time limit of one test: far more than any test needs on a busy machine.
const LIMIT: Duration = Duration::from_mins(1);

/// Runs a test with servers. When it fails or exceeds the limit, the logs of its servers are printed.
pub(crate) fn live(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        tokio::pin!(test);
        tokio::select! {
            () = &mut test => {}
            // Panics while the test still owns its servers, so that their logs are printed.
            () = tokio::time::sleep(LIMIT) => panic!("the test took longer than {LIMIT:?}"),
        }
    });
}
