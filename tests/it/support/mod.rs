//! What every behaviour test needs: the real server binary, clients of its API, and a look at the system's processes.
//!
//! Nothing here sleeps and hopes: whoever waits, waits for an event, and [`live`] ends the test loudly if that never comes.

mod cli;
mod client;
mod described;
mod live;
mod process;
mod server;
mod sse;
mod tmux;

use std::time::Duration;

pub(crate) use cli::{ended, typed};
pub(crate) use client::{Answer, Client};
pub(crate) use described::validator;
pub(crate) use live::{notice, of};
pub(crate) use process::{Pid, carrying, is_alive, keeper_of};
pub(crate) use server::{Server, Setup};
pub(crate) use sse::{Frame, Frames, assert_dense, last};
pub(crate) use tmux::Tmux;

/// How long one test may take: far more than any needs, on a machine that is busy with others.
const LIMIT: Duration = Duration::from_mins(1);

/// Runs a test of the living server. When it fails or takes too long, the logs of its servers are printed.
pub(crate) fn live(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        tokio::pin!(test);
        tokio::select! {
            () = &mut test => {}
            // Panics while the test still holds its servers, so that they print their logs.
            () = tokio::time::sleep(LIMIT) => panic!("the test took longer than {LIMIT:?}"),
        }
    });
}
