//! Runs as the API asks for them: made, found, waited for, stopped and deleted, always on behalf of somebody.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::admission::{Admission, Caps};
use super::budgets::{BudgetState, Budgets};
use super::driver::{Driver, Surroundings};
use super::ends::Ends;
use super::errors::{AnswerError, CreateError, DeleteError, FindError, MessageError, SessionError};
use super::events::{EventLog, Follower, Framing, Held, Secrets};
use super::feed::{Changes, Feed, FeedCursor};
use super::handle::{self, NotTaken, RunHandle};
use super::policy::{Policy, Rule};
use super::request::{self, Checked, Checks, NewRun, OnBusy};
use super::requests::RequestView;
use super::sessions::{Sessions, Waiting};
use super::shutdown::Shutdown;
use super::state::StopReason;
use super::store::{
    Delivery, DeliveryFilter, Idempotency, RunFilter, RunRecord, RunStore, SessionRecord, StoreError, UsageFilter, UsageGroup, UsageRecord,
    UsageStore, UsageSum, UsedKey,
};
use super::view::{RunView, SessionView};
use super::webhooks::{Sender, WebhookRules};
use super::workspace::Workspaces;
use crate::agent::{AgentReport, AgentSummary, Agents, Capabilities};
use crate::metrics::{Present, RunMeters};
use crate::types::{
    Answer, Budget, Caller, Clock, Level, MessageMode, NoticeCode, OnShutdown, PermissionMode, RunId, RunStatus, Seq, SessionId,
    StreamEvent, Timestamp, UserName,
};

/// How long a caller's key is remembered.
pub(super) const KEEP_KEYS: Duration = Duration::from_hours(24);

/// What the manager needs from the operator's settings.
#[derive(Clone, Debug)]
pub struct RunSettings {
    /// Our own folder.
    pub data_dir: PathBuf,
    /// Where working folders may be; empty for anywhere.
    pub workspace_roots: Vec<PathBuf>,
    /// Where working folders of users who are no admins may be; empty for wherever anybody's may.
    pub user_workspace_roots: Vec<PathBuf>,
    /// Runs at once.
    pub max_runs: usize,
    /// Runs of one user at once.
    pub max_runs_per_user: usize,
    /// Runs of one agent at once, for agents that have such a bound.
    pub max_runs_per_agent: BTreeMap<String, usize>,
    /// Runs that may wait.
    pub max_queue: usize,
    /// How long an agent may take to end after TERM.
    pub stop_grace: Duration,
    /// The same while the server goes away.
    pub shutdown_grace: Duration,
    /// How long a request waits for an answer.
    pub permission_timeout: Duration,
    /// How long a program may take from its start to its first word; `None` for as long as the run may take.
    pub first_word: Option<Duration>,
    /// What each user may use in a day for whom nothing else is set.
    pub budget: Budget,
    /// Rules that count before those of any run.
    pub rules: Vec<Rule>,
    /// Variables that users may set for their runs.
    pub user_env: Vec<String>,
    /// Values that are shown to nobody, whatever run they turn up in.
    pub secrets: Secrets,
    /// What the operator has settled about webhooks.
    pub webhooks: Arc<WebhookRules>,
}

/// A caller's key for a request that may be sent again, with what tells that request from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The key.
    pub key: String,
    /// A digest of the request (SHA-256).
    pub fingerprint: [u8; 32],
}

impl IdempotencyKey {
    fn used_by(self, caller: &Caller, at: Timestamp) -> Idempotency {
        Idempotency { owner: caller.user.clone(), key: self.key, fingerprint: self.fingerprint, at }
    }
}

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
    pub(super) around: Surroundings,
    max_runs: usize,
    max_queue: usize,
    pub(super) rules: Vec<Rule>,
    user_env: Vec<String>,
    pub(super) sessions: Sessions,
    live: Mutex<HashMap<RunId, RunHandle>>,
    pub(super) ends: Ends,
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
        let around = Surroundings {
            agents,
            store: Arc::clone(&store),
            processes: settings.data_dir.join("runs"),
            shutdown: Shutdown::default(),
            force: CancellationToken::new(),
            grace: settings.stop_grace,
            shutdown_grace: settings.shutdown_grace,
            patience: settings.permission_timeout,
            meters: RunMeters::default(),
            budgets: Budgets::new(Arc::clone(&usage), Arc::clone(&clock), settings.budget),
            first_word: settings.first_word,
        };
        let caps = Caps {
            total: settings.max_runs,
            per_user: settings.max_runs_per_user,
            per_agent: settings.max_runs_per_agent.clone(),
            queue: settings.max_queue,
        };
        Ok(Self {
            inner: Arc::new(Inner {
                log: EventLog::new(Arc::clone(&store), clock).hiding(settings.secrets.clone()),
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
                ends: Ends::default(),
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

    /// What is counted of runs.
    pub fn meters(&self) -> &RunMeters {
        &self.inner.around.meters
    }

    /// How things stand with runs and agents now.
    pub async fn present(&self) -> Present {
        let agents = self.agent_reports().await.into_iter().map(|agent| (agent.name, agent.available)).collect();
        let mut runs = BTreeMap::new();
        for handle in self.live().values() {
            *runs.entry((handle.agent_type.clone(), handle.status())).or_default() += 1;
        }
        // A run whose end is on disk has ended, although its driver may still tidy up.
        runs.retain(|(_agent, status): &(String, RunStatus), _count| !status.is_ended());
        Present { runs, agents, max_runs: self.inner.max_runs, max_queue: self.inner.max_queue, ..Present::default() }
    }

    /// What is known of every agent. Quick always; see [`Agents::reports`].
    pub async fn agent_reports(&self) -> Vec<AgentReport> {
        self.inner.around.agents.reports().await
    }

    /// What a client can do with every agent. As quick as [`RunManager::agent_reports`].
    pub async fn agent_summaries(&self) -> Vec<AgentSummary> {
        self.inner.around.agents.summaries().await
    }

    /// Makes a run, or finds the one that the same request with the same key made before. When this answers the run is on disk, and
    /// it goes on whether or not anybody listens.
    ///
    /// # Errors
    /// [`CreateError`], by cause.
    pub async fn create(&self, caller: &Caller, new: NewRun, key: Option<IdempotencyKey>) -> Result<RunView, CreateError> {
        let (manager, caller) = (self.clone(), caller.clone());
        // In a task of its own: a caller who leaves in the middle must not leave a run on disk that nobody drives.
        let creating = self.inner.tasks.spawn(async move { manager.create_whole(&caller, new, key).await });
        creating.await.unwrap_or_else(|panic| Err(CreateError::Store(StoreError::Write(panic.to_string()))))
    }

    async fn create_whole(&self, caller: &Caller, new: NewRun, key: Option<IdempotencyKey>) -> Result<RunView, CreateError> {
        let inner = &self.inner;
        if inner.around.shutdown.is_told() {
            return Err(CreateError::Draining);
        }
        // Before anything is done for it: a request that was carried out already must not interrupt or wait for anything again.
        if let Some(key) = &key
            && let Some(used) = inner.store.used_key(&caller.user, &key.key).await?
        {
            return self.made_before(caller, used, key.fingerprint).await;
        }
        inner.around.budgets.check(&caller.user).await?;
        let session = match new.session {
            Some(id) => Some(self.visible_session(caller, id).await.map_err(|error| match error {
                SessionError::NotFound(id) => CreateError::NoSession(id),
                SessionError::Store(error) => error.into(),
            })?),
            None => None,
        };
        let (id, on_busy) = (RunId::new(), new.on_busy);
        let weak_guarantee = new.default_passwords && new.permission_mode != PermissionMode::Auto;
        // Asked only where it matters, since a program that is new has to be looked at first.
        let capabilities = if request::relies_on_capabilities(&new) {
            inner.around.agents.capabilities(request::agent_of(&new, session.as_ref())).await
        } else {
            Capabilities::default()
        };
        let (this, whose, continued) = (Arc::clone(inner), caller.clone(), session.clone());
        let checking = tokio::task::spawn_blocking(move || {
            let checks =
                Checks { agents: &this.around.agents, workspaces: &this.workspaces, user_env: &this.user_env, webhooks: &this.webhooks };
            let checked = request::check(new, id, &whose, continued.as_ref(), capabilities, &checks);
            // Here, since the work grows with the values, and these may be megabytes.
            checked.map(|checked| (this.log.secrets().and(checked.private.values()), checked))
        });
        let checked = checking.await.map_err(|panic| StoreError::Write(panic.to_string()))?;
        let (secrets, Checked { spec, widened, rules, private, webhooks }) = checked?;
        let session = session.map_or_else(SessionId::new, |session| session.id);
        let (turn, is_here) = self.turn_in(session, on_busy).await?;
        let ticket = inner.admission.queue(id, &caller.user, &spec.agent_type, !is_here);
        let ticket = ticket.ok_or(CreateError::QueueFull { max_queue: inner.max_queue })?;
        let record = RunRecord {
            id,
            session,
            owner: caller.user.clone(),
            status: RunStatus::Queued,
            spec: spec.clone(),
            widened,
            created_at: inner.log.now(),
            started_at: None,
            ended_at: None,
            last_seq: Seq::FIRST,
            place: None,
            held: Held::default(),
            done: None,
            webhooks,
        };
        let mut first = vec![StreamEvent::RunQueued { position: ticket.position }];
        if weak_guarantee {
            let message = "a default password is enough to speak for this run, so its agent could log in and answer its own requests; set passwords to make permissions a guarantee";
            first.push(StreamEvent::notice(Level::Warning, NoticeCode::WeakGuarantee, message));
        }
        let fingerprint = key.as_ref().map(|key| key.fingerprint).unwrap_or_default();
        let key = key.map(|key| key.used_by(caller, record.created_at));
        let mut log = match inner.log.create(record.clone(), &first, key).await {
            Ok(log) => log,
            // The same request came twice at once, and the other one was quicker.
            Err(StoreError::KeyUsed(first)) => {
                self.remove_folders(id).await;
                return self.made_before(caller, first, fingerprint).await;
            }
            Err(error) => return Err(error.into()),
        };
        log.hide(secrets);
        if !record.webhooks.is_empty() {
            inner.webhooks.tell();
        }
        tracing::info!(run.id = %id, owner = %caller.user, agent = spec.agent_type, "the run was created");
        let teller = inner.changes.teller(id, caller.user.clone());
        let (handle, inbox) = handle::link(session, spec.agent_type.clone(), teller);
        inner.around.meters.created(&spec.agent_type);
        self.live().insert(id, handle);
        inner.changes.tell(id, &caller.user);
        let policy = Policy::new(spec.permission_mode, &inner.rules, rules);
        let driver = Driver::new(spec, session, private, policy, log, inbox, inner.around.clone());
        self.drive(id, driver.run(ticket, turn));
        Ok(RunView::new(record, Some(RunStatus::Queued), inner.admission.position(id)))
    }

    /// The run that an earlier request with the same key made.
    async fn made_before(&self, caller: &Caller, used: UsedKey, fingerprint: [u8; 32]) -> Result<RunView, CreateError> {
        if used.fingerprint != fingerprint {
            return Err(CreateError::KeyReused);
        }
        self.get(caller, used.run).await.map_err(CreateError::from)
    }

    /// Removes what a run that is gone has on disk beside its rows: its workspace, if it was a fresh one, and its agent's output.
    pub(super) async fn remove_folders(&self, id: RunId) {
        let (workspaces, process) = (self.inner.workspaces.clone(), self.inner.around.process_folder(id));
        let removing = move || workspaces.remove_fresh(id).and(process.remove());
        if let Ok(Err(error)) = tokio::task::spawn_blocking(removing).await {
            tracing::warn!(run.id = %id, %error, "the folders of a run that is gone could not be removed");
        }
    }

    /// Removes the output of an ended run's agent, and leaves its workspace.
    pub(super) async fn remove_output(&self, id: RunId) {
        let process = self.inner.around.process_folder(id);
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || process.remove()).await {
            tracing::warn!(run.id = %id, %error, "the output of a run whose log was cut could not be removed");
        }
    }

    /// A place in the session's queue, as the caller wants it, and whether its turn is here already.
    async fn turn_in(&self, session: SessionId, on_busy: OnBusy) -> Result<(Waiting, bool), CreateError> {
        let sessions = &self.inner.sessions;
        match (sessions.turn_now(session), on_busy) {
            (Some(turn), _) => return Ok((Box::pin(std::future::ready(turn)), true)),
            (None, OnBusy::Queue) => {}
            (None, OnBusy::Reject) => return Err(CreateError::SessionBusy(session)),
            (None, OnBusy::Interrupt) => {
                let live: Vec<RunHandle> = self.live().values().filter(|handle| handle.session == session).cloned().collect();
                for handle in live {
                    handle.stop(StopReason::Cancel).await;
                }
            }
        }
        Ok((sessions.queue(session).await, false))
    }

    /// A run as it now stands.
    ///
    /// # Errors
    /// [`FindError`], by cause.
    pub async fn get(&self, caller: &Caller, id: RunId) -> Result<RunView, FindError> {
        // Asked before the row is read: a run that ends in between has its end in the row.
        let live = self.live().get(&id).map(RunHandle::status);
        let position = self.inner.admission.position(id);
        self.visible(caller, id).await.map(|run| RunView::new(run, live, position))
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
        let view = |run: RunRecord| {
            let (live, position) = (live.get(&run.id).map(RunHandle::status), self.inner.admission.position(run.id));
            RunView::new(run, live, position)
        };
        Ok(runs.into_iter().map(view).collect())
    }

    /// What the run's agent has asked and nobody has answered.
    ///
    /// # Errors
    /// [`FindError`], by cause.
    pub async fn requests(&self, caller: &Caller, id: RunId) -> Result<Vec<RequestView>, FindError> {
        self.visible(caller, id).await?;
        let handle = self.live().get(&id).cloned();
        Ok(match handle {
            Some(handle) => handle.requests().await,
            None => vec![],
        })
    }

    /// Answers what the run's agent has asked. When this is `Ok` the answer is on disk and on its way to the agent.
    ///
    /// # Errors
    /// [`AnswerError`], by cause.
    pub async fn answer(&self, caller: &Caller, id: RunId, request: String, answer: Answer) -> Result<(), AnswerError> {
        self.visible(caller, id).await?;
        let handle = self.live().get(&id).cloned();
        let Some(handle) = handle else { return Err(AnswerError::Ended(id)) };
        tracing::info!(run.id = %id, request.id = request, by = %caller.user, "a request is being answered");
        Ok(handle.answer(request, answer).await.ok_or(AnswerError::Ended(id))??)
    }

    /// Gives a live run a further message. When this is `Ok` the message is on disk.
    ///
    /// # Errors
    /// [`MessageError`], by cause.
    pub async fn message(
        &self,
        caller: &Caller,
        id: RunId,
        text: String,
        mode: MessageMode,
        key: Option<IdempotencyKey>,
    ) -> Result<(), MessageError> {
        let run = self.visible(caller, id).await?;
        let fingerprint = key.as_ref().map(|key| key.fingerprint).unwrap_or_default();
        let judge = |used: UsedKey| if (used.run, used.fingerprint) == (id, fingerprint) { Ok(()) } else { Err(MessageError::KeyReused) };
        if let Some(key) = &key
            && let Some(used) = self.inner.store.used_key(&caller.user, &key.key).await.map_err(FindError::from)?
        {
            return judge(used);
        }
        if text.trim().is_empty() || text.contains('\0') {
            return Err(MessageError::Empty);
        }
        if !self.inner.around.agents.capabilities(&run.spec.agent_type).await.messages {
            return Err(MessageError::NotSupported(run.spec.agent_type));
        }
        // The run is its owner's, whoever speaks to it.
        self.inner.around.budgets.check(&run.owner).await?;
        let key = key.map(|key| key.used_by(caller, self.inner.log.now()));
        let handle = self.live().get(&id).cloned();
        let taken = match handle {
            Some(handle) => handle.message(text, mode, key).await,
            None => Err(NotTaken::Ended),
        };
        match taken {
            Ok(()) => Ok(()),
            Err(NotTaken::Ended) => Err(MessageError::Ended { run: id, session: run.session }),
            Err(NotTaken::Store(StoreError::KeyUsed(used))) => judge(used),
            Err(other) => Err(MessageError::Not(other)),
        }
    }

    /// The caller's sessions, an admin's everyone's: at most `limit`, newest first, those older than `before`.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn sessions(&self, caller: &Caller, before: Option<SessionId>, limit: usize) -> Result<Vec<SessionView>, StoreError> {
        let owner = Some(caller.user.clone()).filter(|_| !caller.is_admin());
        let sessions = self.inner.store.sessions(owner, before, limit).await?;
        Ok(sessions.into_iter().map(SessionView::from).collect())
    }

    /// One session.
    ///
    /// # Errors
    /// [`SessionError`], by cause.
    pub async fn session(&self, caller: &Caller, id: SessionId) -> Result<SessionView, SessionError> {
        self.visible_session(caller, id).await.map(SessionView::from)
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

    /// Deletes an ended run with its events, its agent's output and, if it had a fresh one, its workspace.
    ///
    /// # Errors
    /// [`DeleteError`], by cause.
    pub async fn delete(&self, caller: &Caller, id: RunId) -> Result<(), DeleteError> {
        let run = self.visible(caller, id).await?;
        if run.ended_at.is_none() {
            return Err(DeleteError::Alive(id));
        }
        self.inner.store.delete_run(id).await.map_err(FindError::from)?;
        self.inner.changes.tell_gone(id, &run.owner);
        self.remove_folders(id).await;
        tracing::info!(run.id = %id, by = %caller.user, "the run was deleted");
        Ok(())
    }

    /// What the caller's runs have used, an admin's everyone's: at most `limit` of the groups that fit the filter and come after the one of
    /// key `after`.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn usage(
        &self,
        caller: &Caller,
        filter: UsageFilter,
        group: UsageGroup,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<UsageRecord>, StoreError> {
        self.inner.usage.usage(visible_usage(caller, filter), group, after, limit).await
    }

    /// The sum of all that the filter fits of what the caller's runs have used, an admin's everyone's.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn usage_in_all(&self, caller: &Caller, filter: UsageFilter) -> Result<UsageSum, StoreError> {
        self.inner.usage.usage_in_all(visible_usage(caller, filter)).await
    }

    /// What the user may use today, and has used. It is told to whoever asks: see that it is that user or an admin.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn budget_of(&self, user: &UserName) -> Result<BudgetState, StoreError> {
        self.inner.around.budgets.state(user).await
    }

    /// Follows a run's log from the event after number `after`.
    ///
    /// # Errors
    /// [`FindError`], by cause.
    pub async fn follow(&self, caller: &Caller, id: RunId, after: u64, framing: Framing) -> Result<Follower, FindError> {
        self.visible(caller, id).await?;
        self.inner.log.follow(id, after, framing).await?.ok_or(FindError::NotFound(id))
    }

    /// What became of the events of the caller's runs that were sent to webhooks, an admin's everyone's: at most `limit`, newest first.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn deliveries(&self, caller: &Caller, filter: DeliveryFilter, limit: usize) -> Result<Vec<Delivery>, StoreError> {
        let owner = if caller.is_admin() { filter.owner } else { Some(caller.user.clone()) };
        self.inner.store.deliveries(DeliveryFilter { owner, ..filter }, limit).await
    }

    /// Sends events to webhooks from now on, those that an earlier server has not sent first, until the server goes away.
    pub fn send_webhooks(&self) {
        let Inner { store, log, webhooks, around, tasks, .. } = &*self.inner;
        let sender = Sender::new(Arc::clone(store), log.clone(), Arc::clone(webhooks), around.shutdown.clone(), tasks.clone());
        tasks.spawn(sender.run());
    }

    /// Tells of the runs that the caller may see, whenever one of them changes: from this moment on, or from a place where the caller was
    /// before.
    pub fn feed(&self, caller: &Caller, after: Option<FeedCursor>) -> Feed {
        Feed::new(self.clone(), self.inner.changes.clone(), caller.clone(), after)
    }

    async fn visible_session(&self, caller: &Caller, id: SessionId) -> Result<SessionRecord, SessionError> {
        let session = self.inner.store.session(id).await?;
        session.filter(|session| caller.may_see(&session.owner)).ok_or(SessionError::NotFound(id))
    }

    /// The one place where ownership of a run is judged.
    async fn visible(&self, caller: &Caller, id: RunId) -> Result<RunRecord, FindError> {
        let run = self.inner.store.run(id).await?;
        run.filter(|run| caller.may_see(&run.owner)).ok_or(FindError::NotFound(id))
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
    pub fn ends(&self) -> Option<mpsc::Receiver<RunId>> {
        self.inner.ends.listen()
    }

    /// Whether the server goes away: whoever loses a connection now has not left.
    pub fn is_draining(&self) -> bool {
        self.inner.around.shutdown.is_told()
    }

    pub(super) fn live(&self) -> std::sync::MutexGuard<'_, HashMap<RunId, RunHandle>> {
        self.inner.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What of the wanted usage the caller may see.
fn visible_usage(caller: &Caller, filter: UsageFilter) -> UsageFilter {
    let owner = if caller.is_admin() { filter.owner } else { Some(caller.user.clone()) };
    UsageFilter { owner, ..filter }
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
            max_output: 1024 * 1024,
            confinement: crate::process::Confinement::default(),
            tasks: TaskTracker::new(),
        };
        let settings = RunSettings {
            data_dir: folder.to_owned(),
            workspace_roots: vec![],
            user_workspace_roots: vec![],
            max_runs: 1,
            max_runs_per_user: 1,
            max_runs_per_agent: BTreeMap::new(),
            max_queue: 1,
            stop_grace: second,
            shutdown_grace: second,
            permission_timeout: second,
            first_word: None,
            budget: Budget::default(),
            rules: vec![],
            user_env: vec![],
            secrets: Secrets::default(),
            webhooks: Arc::default(),
        };
        let store = super::store::SqliteStore::open(folder).unwrap();
        Self::new(Arc::new(store), Arc::new(crate::types::SystemClock), Agents::new(&Registry::default(), &host), &settings).unwrap()
    }

    /// Stores a run of `owner` that has ended, as an earlier server would have left it.
    pub(crate) async fn ended_run_of(&self, owner: &str) -> RunView {
        let mut run = super::store::contract::record(owner, "demo", None);
        let done = super::store::contract::done();
        (run.status, run.done) = (done.status, Some(done));
        let body = bytes::Bytes::from_static(b"{\"seq\":1,\"ts\":\"2026-11-22T13:05:00.001Z\",\"type\":\"run_queued\",\"position\":0}\n");
        let first = super::store::Chunk { first: Seq::FIRST, last: Seq::FIRST, body };
        self.inner.store.create_run(run.clone(), vec![first], None).await.unwrap();
        RunView::new(run, None, None)
    }
}

impl std::fmt::Debug for RunManager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunManager").field("live", &self.live().len()).finish_non_exhaustive()
    }
}
