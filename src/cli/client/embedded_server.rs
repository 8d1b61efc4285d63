//! A server that lives as long as one command, for a person who has none running.

use std::net::SocketAddr;

use anyhow::Context;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use crate::config::{Origins, Settings};
use crate::process::launch::Launcher;
use crate::server::{self, Server, Stop};
use crate::types::OnShutdown;

/// A running server in this process, with the local data folder and on a free port of this machine.
///
/// Dropping it tells it to stop; [`Inside::stop`] also waits until its runs have ended and its log is whole.
#[derive(Debug)]
pub(in crate::cli) struct Inside {
    address: SocketAddr,
    stop: Stop,
    task: JoinHandle<()>,
}

impl Inside {
    /// Starts it.
    ///
    /// # Errors
    /// If it cannot start: mostly since another server uses the data folder.
    pub(super) async fn start(settings: &Settings, origins: &Origins, launcher: Launcher) -> anyhow::Result<Self> {
        let settings = Settings { addr: ([127, 0, 0, 1], 0).into(), ..settings.clone() };
        let registry = server::build_registry(&settings.agents, |name| std::env::var_os(name));
        let server =
            Server::start(&settings, origins, &registry, launcher).await.context("no server answers, and none could be started here")?;
        let (address, stop) = (server.address(), Stop::default());
        let task = TaskTracker::new().spawn(server.run(stop.clone()));
        Ok(Self { address, stop, task })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops it, with all that still runs in it: nobody would be there to serve what went on.
    pub(in crate::cli) async fn stop(mut self) {
        self.stop.request(OnShutdown::Stop);
        // A server that has panicked has stopped as well; its message is on standard error.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.stop.request(OnShutdown::Stop);
    }
}
