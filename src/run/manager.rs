//! Runs as the API asks for them: made, found, waited for, stopped and deleted, always on behalf of somebody.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::admission::Admission;
use super::driver::{Driver, Surroundings};
use super::events::{EventLog, Follower, Framing};
use super::handle::{self, RunHandle};
use super::request::{self, BadRun, NewRun};
use super::state::StopReason;
use super::store::{RunChange, RunFilter, RunRecord, RunStore, StoreError};
use super::view::RunView;
use super::workspace::Workspaces;
use crate::agent::{AgentReport, AgentSummary, Agents};
use crate::process::{Marker, Tree};
use crate::types::{Caller, Clock, RunDone, RunId, RunStatus, Seq, SessionId, StreamEvent};

/// What the manager needs from the operator's settings.
#[derive(Clone, Debug)]
pub struct RunSettings {
    /// Our own folder.
    pub data_dir: PathBuf,
    /// Where working folders may be; empty for anywhere.
    pub workspace_roots: Vec<PathBuf>,
    /// Runs at once.
    pub max_runs: usize,
    /// Runs that may wait.
    pub max_queue: usize,
    /// How long an agent may take to end after TERM.
    pub stop_grace: Duration,
    /// The same while the server goes away.
    pub shutdown_grace: Duration,
}

/// Why a run was not created. Nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The request is not one that can be carried out.
    #[error(transparent)]
    Bad(#[from] BadRun),
    /// As many runs wait as may.
    #[error("{max_queue} runs are waiting already; try again later")]
    QueueFull {
        /// The bound.
        max_queue: usize,
    },
    /// The server is going away.
    #[error("the server is shutting down; try again when it is back")]
    Draining,
    /// The store failed.
    #[error("the run could not be recorded")]
    Store(#[from] StoreError),
}

/// Why a run was not found.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// There is none, or it is somebody else's, which is the same to the caller.
    #[error("there is no run {0}")]
    NotFound(RunId),
    /// The store failed.
    #[error("the run could not be read")]
    Store(#[from] StoreError),
}

/// Why a run was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// It was not found.
    #[error(transparent)]
    Find(#[from] FindError),
    /// It has not ended.
    #[error("run {0} has not ended; cancel it first")]
    Alive(RunId),
}

/// The manager of all runs. Cloning gives another handle.
#[derive(Clone)]
pub struct RunManager {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn RunStore>,
    log: EventLog,
    workspaces: Workspaces,
    admission: Admission,
    around: Surroundings,
    max_queue: usize,
    live: Mutex<HashMap<RunId, RunHandle>>,
    tasks: TaskTracker,
}

impl RunManager {
    /// A manager over `store`. Call [`RunManager::recover`] before anything else.
    ///
    /// # Errors
    /// If a workspace root is not there or the data folder cannot be used.
    pub fn new(store: Arc<dyn RunStore>, clock: Arc<dyn Clock>, agents: Agents, settings: &RunSettings) -> std::io::Result<Self> {
        let around = Surroundings {
            agents,
            shutdown: CancellationToken::new(),
            force: CancellationToken::new(),
            grace: settings.stop_grace,
            shutdown_grace: settings.shutdown_grace,
        };
        Ok(Self {
            inner: Arc::new(Inner {
                log: EventLog::new(Arc::clone(&store), clock),
                store,
                workspaces: Workspaces::new(&settings.data_dir, &settings.workspace_roots)?,
                admission: Admission::new(settings.max_runs, settings.max_queue),
                around,
                max_queue: settings.max_queue,
                live: Mutex::default(),
                tasks: TaskTracker::new(),
            }),
        })
    }

    /// The agents that runs can ask for.
    pub fn agents(&self) -> &Agents {
        &self.inner.around.agents
    }

    /// What is known of every agent. Quick always; see [`Agents::reports`].
    pub async fn agent_reports(&self) -> Vec<AgentReport> {
        self.inner.around.agents.reports().await
    }

    /// What a client can do with every agent. As quick as [`RunManager::agent_reports`].
    pub async fn agent_summaries(&self) -> Vec<AgentSummary> {
        self.inner.around.agents.summaries().await
    }

    /// Ends every run that an earlier server left unfinished: kills what is left of its processes, then writes its `done` event.
    /// Gives how many there were.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn recover(&self) -> Result<usize, StoreError> {
        let unfinished = self.inner.store.unfinished().await?;
        for &id in &unfinished {
            let Some(run) = self.inner.store.run(id).await? else { continue };
            let remains = Tree::left_by_earlier_server(Marker::new(id.to_string())).end(Duration::ZERO).await;
            if remains.left > 0 {
                tracing::warn!(run.id = %id, left = remains.left, "processes of an interrupted run could not be ended");
            }
            let outcome = StopReason::NodeLost.outcome();
            let now = self.inner.log.now();
            let done = RunDone {
                status: outcome.status,
                cause: outcome.cause,
                message: outcome.message,
                exit_code: None,
                signal: None,
                result: None,
                usage: None,
                duration_ms: u64::try_from(now.as_millis() - run.created_at.as_millis()).unwrap_or(0),
                stderr_tail: None,
            };
            let change = RunChange { status: Some(done.status), done: Some((done.clone(), now)), ..RunChange::default() };
            self.inner.log.reopen(&run).append(&[StreamEvent::Done(done)], change).await?;
            tracing::warn!(run.id = %id, "the run was interrupted when the server died");
        }
        Ok(unfinished.len())
    }

    /// Makes a run. When this answers the run is on disk, and it goes on whether or not anybody listens.
    ///
    /// # Errors
    /// [`CreateError`], by cause.
    pub async fn create(&self, caller: &Caller, new: NewRun) -> Result<RunView, CreateError> {
        let (manager, caller) = (self.clone(), caller.clone());
        // In a task of its own: a caller who leaves in the middle must not leave a run on disk that nobody drives.
        let creating = self.inner.tasks.spawn(async move { manager.create_whole(&caller, new).await });
        creating.await.unwrap_or_else(|panic| Err(CreateError::Store(StoreError::Write(panic.to_string()))))
    }

    async fn create_whole(&self, caller: &Caller, new: NewRun) -> Result<RunView, CreateError> {
        let inner = &self.inner;
        if inner.around.shutdown.is_cancelled() {
            return Err(CreateError::Draining);
        }
        let id = RunId::new();
        let (workspaces, agents, whose) = (inner.workspaces.clone(), inner.around.agents.clone(), caller.clone());
        let checking = tokio::task::spawn_blocking(move || request::check(new, id, &whose, &agents, &workspaces));
        let checked = checking.await.map_err(|panic| StoreError::Write(panic.to_string()))?;
        let (spec, widened) = checked?;
        let ticket = inner.admission.queue().ok_or(CreateError::QueueFull { max_queue: inner.max_queue })?;
        let record = RunRecord {
            id,
            session: SessionId::new(),
            owner: caller.user.clone(),
            status: RunStatus::Queued,
            spec: spec.clone(),
            widened,
            created_at: inner.log.now(),
            started_at: None,
            ended_at: None,
            last_seq: Seq::FIRST,
            done: None,
        };
        let session = record.session;
        let log = inner.log.create(record.clone(), &StreamEvent::RunQueued { position: ticket.position }).await?;
        tracing::info!(run.id = %id, owner = %caller.user, agent = spec.agent_type, "the run was created");
        let (handle, inbox) = handle::link();
        self.live().insert(id, handle);
        let driver = Driver::new(spec, session, log, inbox, inner.around.clone());
        let manager = self.clone();
        inner.tasks.spawn(async move {
            let _forget = Forget { manager, id };
            driver.run(ticket).await;
        });
        Ok(RunView::new(record, Some(RunStatus::Queued)))
    }

    /// A run as it now stands.
    ///
    /// # Errors
    /// [`FindError`], by cause.
    pub async fn get(&self, caller: &Caller, id: RunId) -> Result<RunView, FindError> {
        // Asked before the row is read: a run that ends in between has its end in the row.
        let live = self.live().get(&id).map(RunHandle::status);
        self.visible(caller, id).await.map(|run| RunView::new(run, live))
    }

    /// A run when it has ended, or as it stands when `limit` has passed.
    ///
    /// # Errors
    /// [`FindError`], by cause.
    pub async fn wait(&self, caller: &Caller, id: RunId, limit: Duration) -> Result<RunView, FindError> {
        self.visible(caller, id).await?;
        let handle = self.live().get(&id).cloned();
        if let Some(handle) = handle {
            let _ = tokio::time::timeout(limit, handle.over()).await;
        }
        self.get(caller, id).await
    }

    /// The caller's runs that fit the filter, an admin's everyone's: at most `limit`, newest first.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn list(&self, caller: &Caller, filter: RunFilter, limit: usize) -> Result<Vec<RunView>, StoreError> {
        let owner = if caller.is_admin() { filter.owner } else { Some(caller.user.clone()) };
        let runs = self.inner.store.runs(RunFilter { owner, ..filter }, limit).await?;
        let live = self.live();
        Ok(runs.into_iter().map(|run| RunView::new(run.clone(), live.get(&run.id).map(RunHandle::status))).collect())
    }

    /// Stops a run. Once it is stopping or has ended, this changes nothing.
    ///
    /// # Errors
    /// [`FindError`], by cause.
    pub async fn cancel(&self, caller: &Caller, id: RunId) -> Result<RunView, FindError> {
        self.visible(caller, id).await?;
        let handle = self.live().get(&id).cloned();
        if let Some(handle) = handle {
            handle.stop(StopReason::Cancel).await;
            handle.stopping().await;
        }
        self.get(caller, id).await
    }

    /// Deletes an ended run with its events and, if it had a fresh one, its workspace.
    ///
    /// # Errors
    /// [`DeleteError`], by cause.
    pub async fn delete(&self, caller: &Caller, id: RunId) -> Result<(), DeleteError> {
        let run = self.visible(caller, id).await?;
        if run.ended_at.is_none() {
            return Err(DeleteError::Alive(id));
        }
        self.inner.store.delete_run(id).await.map_err(FindError::from)?;
        let workspaces = self.inner.workspaces.clone();
        let removing = tokio::task::spawn_blocking(move || workspaces.remove_fresh(id)).await;
        if let Ok(Err(error)) = removing {
            tracing::warn!(run.id = %id, %error, "the workspace of a deleted run could not be removed");
        }
        tracing::info!(run.id = %id, by = %caller.user, "the run was deleted");
        Ok(())
    }

    /// Follows a run's log from the event after number `after`.
    ///
    /// # Errors
    /// [`FindError`], by cause.
    pub async fn follow(&self, caller: &Caller, id: RunId, after: u64, framing: Framing) -> Result<Follower, FindError> {
        self.visible(caller, id).await?;
        self.inner.log.follow(id, after, framing).await?.ok_or(FindError::NotFound(id))
    }

    /// The one place where ownership of a run is judged.
    async fn visible(&self, caller: &Caller, id: RunId) -> Result<RunRecord, FindError> {
        let run = self.inner.store.run(id).await?;
        run.filter(|run| caller.may_see(&run.owner)).ok_or(FindError::NotFound(id))
    }

    /// Takes no new runs and ends those that live, as `shutdown`. Returns when all have ended, or after `limit`, when what is not
    /// written yet is given up.
    pub async fn drain(&self, limit: Duration) {
        self.inner.around.shutdown.cancel();
        self.inner.tasks.close();
        if tokio::time::timeout(limit, self.inner.tasks.wait()).await.is_err() {
            self.inner.around.force.cancel();
        }
    }

    fn live(&self) -> std::sync::MutexGuard<'_, HashMap<RunId, RunHandle>> {
        self.inner.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a run from among the living when its driver has ended, even one that has panicked.
struct Forget {
    manager: RunManager,
    id: RunId,
}

impl Drop for Forget {
    fn drop(&mut self) {
        self.manager.live().remove(&self.id);
    }
}

#[cfg(test)]
impl RunManager {
    /// A manager over a fresh store in `folder`, without agents: for tests of the layers above.
    pub(crate) fn without_agents(folder: &std::path::Path) -> Self {
        use crate::agent::{Host, Registry, handle::Limits};
        let second = Duration::from_secs(1);
        let host = Host {
            env: std::collections::BTreeMap::new(),
            allowed_env: vec![],
            agents_dir: folder.join("agents"),
            empty_dir: folder.join("empty"),
            spawner: crate::process::Spawner::new(crate::process::launch::Launcher::new(rustix::fs::Mode::empty()).unwrap()).unwrap(),
            limits: Limits { linger: second, grace: second },
            tasks: TaskTracker::new(),
        };
        let settings = RunSettings {
            data_dir: folder.to_owned(),
            workspace_roots: vec![],
            max_runs: 1,
            max_queue: 1,
            stop_grace: second,
            shutdown_grace: second,
        };
        let store = super::store::SqliteStore::open(folder).unwrap();
        Self::new(Arc::new(store), Arc::new(crate::types::SystemClock), Agents::new(&Registry::default(), &host), &settings).unwrap()
    }
}

impl std::fmt::Debug for RunManager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunManager").field("live", &self.live().len()).finish_non_exhaustive()
    }
}
