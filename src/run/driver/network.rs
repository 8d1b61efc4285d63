//! The network of an agent at isolation level `sandbox`: its proxy, and what it reports.

use super::{Batch, Driver, DriverContext};
use crate::agent::handle::AgentHandle;
use crate::egress::{Access, Proxy};
use crate::types::{Cause, Failure, IsolationLevel, RunSpec, StreamEvent, UserName};

/// Waits for what the agent does on the network; forever without a proxy. Cancel-safe.
pub(super) async fn next(proxy: Option<&Proxy>) -> Vec<StreamEvent> {
    match proxy {
        Some(proxy) => proxy.next().await,
        None => std::future::pending().await,
    }
}

impl DriverContext {
    /// What the agent of a run may reach at isolation level `sandbox`.
    pub(in crate::run) fn access(&self, spec: &RunSpec, owner: &UserName) -> Access {
        let allowed = spec.egress.as_deref().unwrap_or_default();
        self.config.egress.access(&spec.agent_type, owner.as_str(), allowed, &self.agents.model_hosts(&spec.agent_type))
    }
}

impl Driver {
    /// Starts the agent's proxy, or replaces that of an earlier server. The directory of the run's process must exist.
    ///
    /// # Errors
    /// If its socket cannot be created.
    pub(in crate::run) fn start_proxy(&mut self, access: Access) -> Result<(), Failure> {
        let dir = self.context.config.process_dir(self.log.run()).egress();
        let proxy = Proxy::start(&dir, access);
        let failure = |error| Failure::new(Cause::Storage, format!("the proxy for the agent's network could not be started: {error}"));
        self.proxy = Some(proxy.map_err(failure)?);
        Ok(())
    }

    /// Whether an agent that was found again needs a proxy.
    pub(in crate::run) fn needs_proxy(agent: &AgentHandle) -> bool {
        agent.restrictions().isolation.as_ref().is_some_and(|isolation| isolation.level == IsolationLevel::Sandbox)
    }

    /// Writes what the agent did on the network. If that fails, it is held until the end of the run.
    pub(super) async fn record_network(&mut self, events: Vec<StreamEvent>, agent: Option<&AgentHandle>) {
        let mut batch = Batch { events, ..Batch::default() };
        match agent {
            _ if batch.events.is_empty() => {}
            Some(agent) => drop(self.store_batch(&mut batch, agent).await),
            None => self.held.add(batch),
        }
    }

    /// Stops the proxy of an agent that has ended. What it has not reported is written with the end of the run.
    pub(super) async fn finish_network(&mut self) {
        if let Some(proxy) = self.proxy.take() {
            let events = proxy.finish().await;
            self.record_network(events, None).await;
        }
    }
}
