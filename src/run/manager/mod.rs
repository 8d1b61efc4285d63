//! The manager of all runs: creates, finds, controls and deletes runs on behalf of a [`Caller`](crate::types::Caller).

mod changes;
mod commands;
mod drive;
mod files;
mod queries;
mod revert;
mod session_changes;
#[cfg(test)]
pub(in crate::run) mod testing;
mod uploads;
mod worktrees;

pub use changes::{ChangesError, RunChanges};
pub use files::{FilesError, FoundFile, StoredContent};
pub use revert::{RevertError, RevertTo};
pub use worktrees::{NewCommit, SessionCommit, SessionWorkspaceError};

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::agent::{AgentReport, AgentSummary, Agents};
use crate::metrics::{Gauges, RunMetrics};
use crate::run::admission::{Admission, Limits};
use crate::run::budgets::Budgets;
use crate::run::completions::Completions;
use crate::run::config::RunConfig;
use crate::run::conversations::Conversations;
use crate::run::driver::{DriverContext, Outage};
use crate::run::events::EventLog;
use crate::run::feed::Changes;
use crate::run::idempotency::KeysInUse;
use crate::run::live::Registry;
use crate::run::quotas::Quotas;
use crate::run::searches::Searches;
use crate::run::sessions::Sessions;
use crate::run::shutdown::Shutdown;
use crate::run::store::{ProfileStore, QuotaStore, RunStore, UsageStore};
use crate::run::uploads::Uploads;
use crate::run::webhooks::Sender;
use crate::run::workspace::Workspaces;
use crate::types::{Clock, OnShutdown, RunId, RunStatus};
use crate::workspace::{Clones, Snapshots, Worktrees};

/// The manager of all runs. Clones are handles to the same manager.
#[derive(Clone)]
pub struct RunManager {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) store: Arc<dyn RunStore>,
    usage: Arc<dyn UsageStore>,
    pub(super) profiles: Arc<dyn ProfileStore>,
    pub(super) quotas: Quotas,
    pub(super) log: EventLog,
    pub(super) workspaces: Workspaces,
    pub(super) admission: Admission,
    pub(super) context: DriverContext,
    pub(super) config: Arc<RunConfig>,
    pub(super) sessions: Sessions,
    pub(super) keys_in_use: KeysInUse,
    pub(super) live: Registry,
    searches: Searches,
    pub(super) completions: Completions,
    pub(super) conversations: Conversations,
    pub(super) uploads: Uploads,
    pub(super) changes: Changes,
    /// Wakes retention after a deletion.
    pub(super) deletions: Notify,
    pub(super) tasks: TaskTracker,
}

impl RunManager {
    /// A manager over `store`. Call [`RunManager::recover`] before anything else.
    ///
    /// # Errors
    /// If a workspace root does not exist or the data directory cannot be used.
    pub fn new<S: RunStore + UsageStore + QuotaStore + ProfileStore + 'static>(
        store: Arc<S>,
        clock: Arc<dyn Clock>,
        agents: Agents,
        config: Arc<RunConfig>,
    ) -> std::io::Result<Self> {
        let usage: Arc<dyn UsageStore> = Arc::<S>::clone(&store);
        let profiles: Arc<dyn ProfileStore> = Arc::<S>::clone(&store);
        let quotas = Quotas::new(Arc::<S>::clone(&store), config.default_quotas);
        let store: Arc<dyn RunStore> = store;
        let snapshots = Snapshots::new(config.git.clone(), config.data_dir.join("snapshots"));
        let context = DriverContext {
            agents,
            store: Arc::clone(&store),
            config: Arc::clone(&config),
            shutdown: Shutdown::default(),
            force: CancellationToken::new(),
            metrics: RunMetrics::default(),
            outage: Outage::default(),
            clones: Clones::new(config.git.clone(), config.data_dir.join("repositories")),
            worktrees: Worktrees::new(config.git.clone(), snapshots.clone(), config.data_dir.join("worktrees")),
            snapshots,
            budgets: Budgets::new(Arc::clone(&usage), Arc::clone(&clock), config.default_budget),
        };
        let uploads = config.data_dir.join("uploads");
        let tasks = TaskTracker::new();
        let conversations = Conversations::new(context.agents.clone(), Arc::clone(&config), context.shutdown.clone(), tasks.clone());
        let limits = Limits {
            total: config.max_runs,
            per_user: config.max_runs_per_user,
            per_agent: config.max_runs_per_agent.clone(),
            queue: config.max_queue,
            queue_per_user: config.max_queue_per_user,
        };
        Ok(Self {
            inner: Arc::new(Inner {
                log: EventLog::new(Arc::clone(&store), clock).with_secrets(config.secrets.clone()),
                store,
                usage,
                profiles,
                quotas,
                workspaces: Workspaces::new(&config.data_dir, &config.workspace_roots, &config.user_workspace_roots)?,
                admission: Admission::new(limits),
                context,
                config,
                sessions: Sessions::default(),
                keys_in_use: KeysInUse::default(),
                live: Registry::default(),
                searches: Searches::default(),
                completions: Completions::default(),
                uploads: Uploads::new(uploads),
                conversations,
                changes: Changes::new(),
                deletions: Notify::new(),
                tasks,
            }),
        })
    }

    /// The available agents.
    pub fn agents(&self) -> &Agents {
        &self.inner.context.agents
    }

    /// Whether changes of working directories are recorded.
    pub fn records_changes(&self) -> bool {
        self.inner.context.snapshots.are_made()
    }

    /// The metrics of runs.
    pub fn metrics(&self) -> &RunMetrics {
        &self.inner.context.metrics
    }

    /// The current values of the gauges about runs and agents.
    pub async fn gauges(&self) -> Gauges {
        let agents = self.agent_reports().await.into_iter().map(|agent| (agent.agent_type, agent.available)).collect();
        let mut runs = BTreeMap::new();
        for handle in self.inner.live.live() {
            *runs.entry((handle.agent_type.clone(), handle.status())).or_default() += 1;
        }
        // A run whose end is stored has ended, even if its driver is still cleaning up.
        runs.retain(|(_agent, status): &(String, RunStatus), _count| !status.is_ended());
        Gauges { runs, agents, max_runs: self.inner.config.max_runs, max_queue: self.inner.config.max_queue, ..Gauges::default() }
    }

    /// The availability of every agent. Never blocks on a probe; see [`Agents::reports`].
    pub async fn agent_reports(&self) -> Vec<AgentReport> {
        self.inner.context.agents.reports().await
    }

    /// The capabilities of every agent. Never blocks on a probe.
    pub async fn agent_summaries(&self) -> Vec<AgentSummary> {
        self.inner.context.agents.summaries().await
    }

    /// Starts the delivery of events to webhooks, beginning with deliveries left pending by an earlier server. Runs until shutdown.
    pub fn send_webhooks(&self) {
        let Inner { store, log, config, context, tasks, .. } = &*self.inner;
        let sender = Sender::new(Arc::clone(store), log.clone(), Arc::clone(&config.webhooks), context.shutdown.clone(), tasks.clone());
        tasks.spawn(sender.run());
    }

    /// Rejects new runs, and ends live ones with the cause `shutdown` or detaches from them. Returns when all are ended or detached, or after
    /// `timeout`, when drivers give up unwritten events.
    pub async fn drain(&self, how: OnShutdown, timeout: Duration) {
        self.inner.context.shutdown.request(how);
        self.inner.log.close();
        self.inner.tasks.close();
        if tokio::time::timeout(timeout, self.inner.tasks.wait()).await.is_err() {
            self.inner.context.force.cancel();
        }
        // Last, so that readers of the feed receive the final changes.
        self.inner.changes.close();
    }

    /// Subscribes to the runs that end or are detached from now on, in order; the store tells which. A slow subscriber misses runs and
    /// blocks nothing. Returns `None` if there is a subscriber already.
    pub fn completions(&self) -> Option<mpsc::Receiver<RunId>> {
        self.inner.completions.subscribe()
    }

    /// Whether the server is shutting down. A connection that closes now is not a disconnect by the client.
    pub fn is_draining(&self) -> bool {
        self.inner.context.shutdown.is_requested()
    }
}

impl std::fmt::Debug for RunManager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunManager").field("live", &self.inner.live.len()).finish_non_exhaustive()
    }
}
