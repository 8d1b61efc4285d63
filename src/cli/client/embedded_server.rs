//! A server that lives as long as one command, for people who have none running.

use std::net::SocketAddr;

use anyhow::Context;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use crate::config::{Origins, Settings};
use crate::process::launch::Launcher;
use crate::server::{self, Server, Stop};
use crate::types::OnShutdown;

/// A server in this process, on the local data directory and a free port of the loopback interface.
///
/// Dropping it requests shutdown; [`EmbeddedServer::stop`] also waits until its runs have ended and their logs are complete.
#[derive(Debug)]
pub(in crate::cli) struct EmbeddedServer {
    address: SocketAddr,
    stop: Stop,
    task: JoinHandle<()>,
}

impl EmbeddedServer {
    /// Starts the server.
    ///
    /// # Errors
    /// If it cannot start, usually because another server uses the data directory.
    pub(super) async fn start(settings: &Settings, origins: &Origins, launcher: Launcher) -> anyhow::Result<Self> {
        let settings = Settings { addr: ([127, 0, 0, 1], 0).into(), ..settings.clone() };
        let registry = server::build_registry(&settings.agents, |name| std::env::var_os(name));
        let server =
            Server::start(&settings, origins, &registry, launcher).await.context("no server answers, and none could be started")?;
        let (address, stop) = (server.address(), Stop::default());
        let task = TaskTracker::new().spawn(server.run(stop.clone()));
        Ok(Self { address, stop, task })
    }

    /// The address that it listens on.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends its runs, stops it and waits for it.
    pub(in crate::cli) async fn stop(mut self) {
        self.stop.request(OnShutdown::Stop);
        // A server that panicked has stopped as well; the panic message is on standard error.
        let _ = (&mut self.task).await;
    }
}

impl Drop for EmbeddedServer {
    fn drop(&mut self) {
        self.stop.request(OnShutdown::Stop);
    }
}
