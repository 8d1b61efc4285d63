//! Runs as the API asks for them: made, found, waited for, stopped and deleted, always on behalf of somebody.

mod commands;
mod create;
mod queries;
mod settings;
#[cfg(test)]
mod testing;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::agent::{AgentReport, AgentSummary, Agents};
use crate::metrics::{Gauges, RunMetrics};
use crate::run::admission::{Admission, Caps};
use crate::run::budgets::Budgets;
use crate::run::completions::Completions;
use crate::run::driver::DriverContext;
use crate::run::events::EventLog;
use crate::run::feed::Changes;
use crate::run::handle::RunHandle;
use crate::run::policy::Rule;
use crate::run::sessions::Sessions;
use crate::run::shutdown::Shutdown;
use crate::run::store::{RunStore, UsageStore};
use crate::run::webhooks::{Sender, WebhookRules};
use crate::run::workspace::Workspaces;
use crate::types::{Clock, OnShutdown, RunId, RunStatus};

pub use create::IdempotencyKey;
pub(super) use create::KEEP_KEYS;
pub use settings::RunSettings;

/// The manager of all runs. Cloning gives another handle.
#[derive(Clone)]
pub struct RunManager {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) store: Arc<dyn RunStore>,
    usage: Arc<dyn UsageStore>,
    pub(super) log: EventLog,
    workspaces: Workspaces,
    pub(super) admission: Admission,
    pub(super) around: DriverContext,
    max_runs: usize,
    max_queue: usize,
    pub(super) rules: Vec<Rule>,
    user_env: Vec<String>,
    pub(super) sessions: Sessions,
    live: Mutex<HashMap<RunId, RunHandle>>,
    pub(super) completions: Completions,
    pub(super) changes: Changes,
    webhooks: Arc<WebhookRules>,
    pub(super) tasks: TaskTracker,
}

impl RunManager {
    /// A manager over `store`. Call [`RunManager::recover`] before anything else.
    ///
    /// # Errors
    /// If a workspace root is not there or the data folder cannot be used.
    pub fn new<S: RunStore + UsageStore + 'static>(
        store: Arc<S>,
        clock: Arc<dyn Clock>,
        agents: Agents,
        settings: &RunSettings,
    ) -> std::io::Result<Self> {
        let usage: Arc<dyn UsageStore> = Arc::<S>::clone(&store);
        let store: Arc<dyn RunStore> = store;
        let around = DriverContext {
            agents,
            store: Arc::clone(&store),
            processes: settings.data_dir.join("runs"),
            shutdown: Shutdown::default(),
            force: CancellationToken::new(),
            grace: settings.stop_grace,
            shutdown_grace: settings.shutdown_grace,
            patience: settings.permission_timeout,
            metrics: RunMetrics::default(),
            budgets: Budgets::new(Arc::clone(&usage), Arc::clone(&clock), settings.budget),
            startup_timeout: settings.startup_timeout,
        };
        let caps = Caps {
            total: settings.max_runs,
            per_user: settings.max_runs_per_user,
            per_agent: settings.max_runs_per_agent.clone(),
            queue: settings.max_queue,
        };
        Ok(Self {
            inner: Arc::new(Inner {
                log: EventLog::new(Arc::clone(&store), clock).with_secrets(settings.secrets.clone()),
                store,
                usage,
                workspaces: Workspaces::new(&settings.data_dir, &settings.workspace_roots, &settings.user_workspace_roots)?,
                admission: Admission::new(caps),
                around,
                max_runs: settings.max_runs,
                max_queue: settings.max_queue,
                rules: settings.rules.clone(),
                user_env: settings.user_env.clone(),
                sessions: Sessions::default(),
                live: Mutex::default(),
                completions: Completions::default(),
                changes: Changes::new(),
                webhooks: Arc::clone(&settings.webhooks),
                tasks: TaskTracker::new(),
            }),
        })
    }

    /// The agents that runs can ask for.
    pub fn agents(&self) -> &Agents {
        &self.inner.around.agents
    }

    /// The metrics of runs.
    pub fn metrics(&self) -> &RunMetrics {
        &self.inner.around.metrics
    }

    /// The current values of the gauges about runs and agents.
    pub async fn gauges(&self) -> Gauges {
        let agents = self.agent_reports().await.into_iter().map(|agent| (agent.agent_type, agent.available)).collect();
        let mut runs = BTreeMap::new();
        for handle in self.live().values() {
            *runs.entry((handle.agent_type.clone(), handle.status())).or_default() += 1;
        }
        // A run whose end is on disk has ended, although its driver may still tidy up.
        runs.retain(|(_agent, status): &(String, RunStatus), _count| !status.is_ended());
        Gauges { runs, agents, max_runs: self.inner.max_runs, max_queue: self.inner.max_queue, ..Gauges::default() }
    }

    /// What is known of every agent. Quick always; see [`Agents::reports`].
    pub async fn agent_reports(&self) -> Vec<AgentReport> {
        self.inner.around.agents.reports().await
    }

    /// What a client can do with every agent. As quick as [`RunManager::agent_reports`].
    pub async fn agent_summaries(&self) -> Vec<AgentSummary> {
        self.inner.around.agents.summaries().await
    }

    /// Sends events to webhooks from now on, those that an earlier server has not sent first, until the server goes away.
    pub fn send_webhooks(&self) {
        let Inner { store, log, webhooks, around, tasks, .. } = &*self.inner;
        let sender = Sender::new(Arc::clone(store), log.clone(), Arc::clone(webhooks), around.shutdown.clone(), tasks.clone());
        tasks.spawn(sender.run());
    }

    /// Takes no new runs, and ends those that live, as `shutdown`, or lets them go on without this server. Returns when all have ended
    /// or are let go, or after `limit`, when what is not written yet is given up.
    pub async fn drain(&self, how: OnShutdown, limit: Duration) {
        self.inner.around.shutdown.tell(how);
        self.inner.tasks.close();
        if tokio::time::timeout(limit, self.inner.tasks.wait()).await.is_err() {
            self.inner.around.force.cancel();
        }
        // Last, so that readers of the feed hear how the runs ended.
        self.inner.changes.close();
    }

    /// The runs that end from now on, in their order, and those that are let go; the store says which. A reader that stands still misses
    /// ends and holds nobody up. `None` if somebody reads them already.
    pub fn completions(&self) -> Option<mpsc::Receiver<RunId>> {
        self.inner.completions.listen()
    }

    /// Whether the server goes away: whoever loses a connection now has not left.
    pub fn is_draining(&self) -> bool {
        self.inner.around.shutdown.is_told()
    }

    pub(super) fn live(&self) -> std::sync::MutexGuard<'_, HashMap<RunId, RunHandle>> {
        self.inner.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a run from among the living when its driver has ended, even one that has panicked.
pub(super) struct Forget {
    pub(super) manager: RunManager,
    pub(super) id: RunId,
}

impl Drop for Forget {
    fn drop(&mut self) {
        self.manager.live().remove(&self.id);
    }
}

impl std::fmt::Debug for RunManager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunManager").field("live", &self.live().len()).finish_non_exhaustive()
    }
}
