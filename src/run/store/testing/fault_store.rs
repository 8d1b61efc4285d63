//! A store whose calls fail on request.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::gate::{Gate, GateKeeper, Point};
use crate::run::store::{
    ActiveWebhook, Attempt, Audited, ChatDigest, ChatStore, Chunk, DailyUsage, DamagedChunk, Deleted, Delivery, DeliveryFilter,
    DeliveryRetry, FreshWorkspace, Idempotency, LogTip, PendingRemoval, ProfileChange, ProfileRecord, ProfileStore, QuotaStore, QuotaUse,
    RetentionStep, RetentionStore, RunChange, RunFilter, RunRecord, RunStore, SearchText, SessionRecord, SessionUse, SqliteStore,
    StoreError, StoreSize, UsageFilter, UsageGroup, UsageRecord, UsageStore, UsageSum, UsedKey, WebhookStore,
};
use crate::types::{Day, Lease, NodeId, ProfileName, RunId, SessionId, Timestamp, UserId};
use crate::workspace::StoredChanges;

/// Which calls are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::run) enum Calls {
    All,
    Reads,
    Writes,
    /// Those of the method with this name.
    Named(&'static str),
}

impl Calls {
    fn include(self, name: &str, is_write: bool) -> bool {
        match self {
            Self::All => true,
            Self::Reads => !is_write,
            Self::Writes => is_write,
            Self::Named(wanted) => wanted == name,
        }
    }
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::run) enum Fault {
    /// It has no effect.
    Before,
    /// It takes effect, and its caller gets an error: the reply was lost. The same as `Before` for a read.
    After,
    /// It panics before it has an effect.
    Panic,
}

/// A call that fails, counted from the moment at which the fault was set.
#[derive(Clone, Copy, Debug)]
struct PlannedFault {
    calls: Calls,
    /// Number of matching calls before it.
    skip: usize,
    fault: Fault,
    /// Whether all later ones fail too.
    lasts: bool,
}

#[derive(Debug, Default)]
struct State {
    faults: Vec<PlannedFault>,
    /// Name of each call, and whether it is a write, in the order of their beginnings.
    calls: Vec<(&'static str, bool)>,
}

/// A [`SqliteStore`] in which calls fail, are counted and can be paused. Clones share the store and the faults.
#[derive(Clone, Debug)]
pub(in crate::run) struct FaultStore {
    inner: SqliteStore,
    state: Arc<Mutex<State>>,
    gate: GateKeeper,
}

impl FaultStore {
    pub(in crate::run) fn new(inner: SqliteStore) -> Self {
        Self { inner, state: Arc::default(), gate: GateKeeper::default() }
    }

    /// An empty store in memory, in which each call runs on the task of its caller.
    pub(in crate::run) fn in_memory() -> Self {
        Self::new(SqliteStore::in_memory())
    }

    /// The store without faults and pauses.
    pub(in crate::run) fn inner(&self) -> &SqliteStore {
        &self.inner
    }

    /// Makes the `nth` of these calls from now on fail, counted from 1.
    pub(in crate::run) fn fail_nth(&self, calls: Calls, nth: usize, fault: Fault) {
        self.plan(PlannedFault { calls, skip: nth.saturating_sub(1), fault, lasts: false });
    }

    /// Makes all of these calls fail from the `nth` on, counted from 1, until [`FaultStore::heal`]: a disk that is full.
    pub(in crate::run) fn fail_from(&self, calls: Calls, nth: usize, fault: Fault) {
        self.plan(PlannedFault { calls, skip: nth.saturating_sub(1), fault, lasts: true });
    }

    /// Removes all faults that have not occurred.
    pub(in crate::run) fn heal(&self) {
        self.state().faults.clear();
    }

    /// Whether a fault has not occurred yet. A test that runs through all numbers stops when its fault was not reached.
    pub(in crate::run) fn has_faults_left(&self) -> bool {
        self.state().faults.iter().any(|planned| !planned.lasts || planned.skip > 0)
    }

    /// Number of these calls since the store was created.
    pub(in crate::run) fn count(&self, calls: Calls) -> usize {
        self.state().calls.iter().filter(|(name, is_write)| calls.include(name, *is_write)).count()
    }

    /// Pauses all calls from now on, before and after their effect, until the gate is dropped.
    pub(in crate::run) fn gate(&self) -> Gate {
        self.gate.install()
    }

    fn plan(&self, fault: PlannedFault) {
        self.state().faults.push(fault);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a call and takes the fault that is planned for it.
    fn begin(&self, name: &'static str, is_write: bool) -> Option<Fault> {
        let mut state = self.state();
        state.calls.push((name, is_write));
        let mut found = None;
        state.faults.retain_mut(|planned| {
            if !planned.calls.include(name, is_write) {
                return true;
            }
            if planned.skip > 0 {
                planned.skip -= 1;
                return true;
            }
            found = found.or(Some(planned.fault));
            planned.lasts
        });
        found
    }

    async fn call<T>(
        &self,
        name: &'static str,
        is_write: bool,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.gate.pass(name, Point::Before).await;
        let fault = self.begin(name, is_write);
        let failed = || {
            let message = format!("injected into {name}");
            if is_write { StoreError::Write(message) } else { StoreError::Read(message) }
        };
        let result = match fault {
            Some(Fault::Before) => Err(failed()),
            Some(Fault::After) => work.await.and_then(|_lost| Err(failed())),
            Some(Fault::Panic) => panic!("injected into {name}"),
            None => work.await,
        };
        self.gate.pass(name, Point::After).await;
        result
    }

    async fn read<T>(&self, name: &'static str, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        self.call(name, false, work).await
    }

    async fn write<T>(&self, name: &'static str, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        self.call(name, true, work).await
    }
}

#[async_trait]
impl RunStore for FaultStore {
    fn node(&self) -> NodeId {
        self.inner.node()
    }

    async fn create_run(
        &self,
        run: RunRecord,
        session: SessionUse,
        first: Vec<Chunk>,
        idempotency: Option<Idempotency>,
        audit: Option<Audited>,
    ) -> Result<Lease, StoreError> {
        self.write("create_run", self.inner.create_run(run, session, first, idempotency, audit)).await
    }

    async fn append(&self, lease: &Lease, batch: Vec<Chunk>, change: RunChange) -> Result<(), StoreError> {
        self.write("append", self.inner.append(lease, batch, change)).await
    }

    async fn take_lease(&self, run: RunId) -> Result<Lease, StoreError> {
        self.write("take_lease", self.inner.take_lease(run)).await
    }

    async fn run(&self, id: RunId) -> Result<Option<RunRecord>, StoreError> {
        self.read("run", self.inner.run(id)).await
    }

    async fn attachments(&self, run: RunId, message: u64) -> Result<Vec<Bytes>, StoreError> {
        self.read("attachments", self.inner.attachments(run, message)).await
    }

    async fn log_tip(&self, run: RunId) -> Result<Option<LogTip>, StoreError> {
        self.read("log_tip", self.inner.log_tip(run)).await
    }

    async fn runs(&self, filter: RunFilter, limit: usize) -> Result<Vec<RunRecord>, StoreError> {
        self.read("runs", self.inner.runs(filter, limit)).await
    }

    async fn search(&self, text: SearchText, filter: RunFilter, limit: usize, max_time: Duration) -> Result<Vec<RunRecord>, StoreError> {
        self.read("search", self.inner.search(text, filter, limit, max_time)).await
    }

    async fn used_key(&self, owner: UserId, key: &str) -> Result<Option<UsedKey>, StoreError> {
        self.read("used_key", self.inner.used_key(owner, key)).await
    }

    async fn session(&self, id: SessionId) -> Result<Option<SessionRecord>, StoreError> {
        self.read("session", self.inner.session(id)).await
    }

    async fn sessions(&self, owner: Option<UserId>, before: Option<SessionId>, limit: usize) -> Result<Vec<SessionRecord>, StoreError> {
        self.read("sessions", self.inner.sessions(owner, before, limit)).await
    }

    async fn forget_keys(&self, before: Timestamp, limit: usize) -> Result<bool, StoreError> {
        self.write("forget_keys", self.inner.forget_keys(before, limit)).await
    }

    async fn unfinished(&self) -> Result<Vec<RunId>, StoreError> {
        self.read("unfinished", self.inner.unfinished()).await
    }

    async fn orphans(&self) -> Result<Vec<RunId>, StoreError> {
        self.read("orphans", self.inner.orphans()).await
    }

    async fn first_runs(&self) -> Result<Vec<RunId>, StoreError> {
        self.read("first_runs", self.inner.first_runs()).await
    }

    async fn begin_delete(&self, id: RunId, audit: Option<Audited>) -> Result<Deleted, StoreError> {
        self.write("begin_delete", self.inner.begin_delete(id, audit)).await
    }

    async fn chunks(&self, run: RunId, after: u64, budget: usize) -> Result<Vec<Result<Chunk, DamagedChunk>>, StoreError> {
        self.read("chunks", self.inner.chunks(run, after, budget)).await
    }

    async fn changes(&self, run: RunId) -> Result<Option<StoredChanges>, StoreError> {
        self.read("changes", self.inner.changes(run)).await
    }
}

#[async_trait]
impl ChatStore for FaultStore {
    async fn set_chat(&self, session: SessionId, chat: Option<ChatDigest>) -> Result<(), StoreError> {
        self.write("set_chat", self.inner.set_chat(session, chat)).await
    }

    async fn chat_session(&self, owner: UserId, chat: ChatDigest) -> Result<Option<SessionId>, StoreError> {
        self.read("chat_session", self.inner.chat_session(owner, chat)).await
    }

    async fn take_chat_session(&self, owner: UserId, chat: ChatDigest) -> Result<Option<SessionId>, StoreError> {
        self.write("take_chat_session", self.inner.take_chat_session(owner, chat)).await
    }
}

#[async_trait]
impl WebhookStore for FaultStore {
    async fn active_webhooks(&self, after: i64, limit: usize) -> Result<Vec<ActiveWebhook>, StoreError> {
        self.read("active_webhooks", self.inner.active_webhooks(after, limit)).await
    }

    async fn record_attempt(&self, attempt: Attempt) -> Result<(), StoreError> {
        self.write("record_attempt", self.inner.record_attempt(attempt)).await
    }

    async fn finish_webhook(&self, webhook: i64) -> Result<(), StoreError> {
        self.write("finish_webhook", self.inner.finish_webhook(webhook)).await
    }

    async fn retry_delivery(
        &self,
        owner: Option<UserId>,
        message_id: String,
        at: Timestamp,
        audit: Option<Audited>,
    ) -> Result<DeliveryRetry, StoreError> {
        self.write("retry_delivery", self.inner.retry_delivery(owner, message_id, at, audit)).await
    }

    async fn deliveries(&self, filter: DeliveryFilter, limit: usize) -> Result<Vec<Delivery>, StoreError> {
        self.read("deliveries", self.inner.deliveries(filter, limit)).await
    }
}

#[async_trait]
impl ProfileStore for FaultStore {
    async fn set_profile(&self, record: ProfileRecord, max: usize, audit: Option<Audited>) -> Result<ProfileChange, StoreError> {
        self.write("set_profile", self.inner.set_profile(record, max, audit)).await
    }

    async fn profile(&self, name: &ProfileName) -> Result<Option<ProfileRecord>, StoreError> {
        self.read("profile", self.inner.profile(name)).await
    }

    async fn profiles(&self, limit: usize) -> Result<Vec<ProfileRecord>, StoreError> {
        self.read("profiles", self.inner.profiles(limit)).await
    }

    async fn remove_profile(&self, name: &ProfileName, audit: Option<Audited>) -> Result<bool, StoreError> {
        self.write("remove_profile", self.inner.remove_profile(name, audit)).await
    }
}

#[async_trait]
impl QuotaStore for FaultStore {
    async fn quota_use(&self, owner: UserId) -> Result<QuotaUse, StoreError> {
        self.read("quota_use", self.inner.quota_use(owner)).await
    }

    async fn workspace_written(&self, session: SessionId, bytes: u64) -> Result<(), StoreError> {
        self.write("workspace_written", self.inner.workspace_written(session, bytes)).await
    }

    async fn workspace_emptied(&self, session: SessionId) -> Result<(), StoreError> {
        self.write("workspace_emptied", self.inner.workspace_emptied(session)).await
    }
}

#[async_trait]
impl UsageStore for FaultStore {
    async fn usage(
        &self,
        filter: UsageFilter,
        group: UsageGroup,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<UsageRecord>, StoreError> {
        self.read("usage", self.inner.usage(filter, group, after, limit)).await
    }

    async fn total_usage(&self, filter: UsageFilter) -> Result<UsageSum, StoreError> {
        self.read("total_usage", self.inner.total_usage(filter)).await
    }

    async fn daily_usage(&self, owner: UserId, day: Day) -> Result<DailyUsage, StoreError> {
        self.read("daily_usage", self.inner.daily_usage(owner, day)).await
    }
}

#[async_trait]
impl RetentionStore for FaultStore {
    async fn size(&self) -> Result<StoreSize, StoreError> {
        self.read("size", self.inner.size()).await
    }

    async fn remove_oldest(&self, before: Timestamp) -> Result<RetentionStep, StoreError> {
        self.write("remove_oldest", self.inner.remove_oldest(before)).await
    }

    async fn remove_deleted(&self, budget: usize) -> Result<RetentionStep, StoreError> {
        self.write("remove_deleted", self.inner.remove_deleted(budget)).await
    }

    async fn trim_oldest(&self, now: Timestamp, budget: usize) -> Result<RetentionStep, StoreError> {
        self.write("trim_oldest", self.inner.trim_oldest(now, budget)).await
    }

    async fn expire_output(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.write("expire_output", self.inner.expire_output(before, limit)).await
    }

    async fn expired_workspaces(
        &self,
        before: Timestamp,
        session: Option<SessionId>,
        limit: usize,
    ) -> Result<Vec<FreshWorkspace>, StoreError> {
        self.read("expired_workspaces", self.inner.expired_workspaces(before, session, limit)).await
    }

    async fn workspace_kept(&self, session: SessionId, until: Timestamp) -> Result<(), StoreError> {
        self.write("workspace_kept", self.inner.workspace_kept(session, until)).await
    }

    async fn unmeasured_workspaces(&self, limit: usize) -> Result<Vec<FreshWorkspace>, StoreError> {
        self.read("unmeasured_workspaces", self.inner.unmeasured_workspaces(limit)).await
    }

    async fn workspace_measured(&self, workspace: FreshWorkspace, bytes: u64) -> Result<(), StoreError> {
        self.write("workspace_measured", self.inner.workspace_measured(workspace, bytes)).await
    }

    async fn pending_removals(&self, limit: usize) -> Result<Vec<PendingRemoval>, StoreError> {
        self.read("pending_removals", self.inner.pending_removals(limit)).await
    }

    async fn forget_removed(&self, removed: Vec<PendingRemoval>) -> Result<(), StoreError> {
        self.write("forget_removed", self.inner.forget_removed(removed)).await
    }

    async fn forget_damaged_removals(&self) -> Result<(), StoreError> {
        self.write("forget_damaged_removals", self.inner.forget_damaged_removals()).await
    }

    async fn shrink(&self, budget: usize) -> Result<bool, StoreError> {
        self.write("shrink", self.inner.shrink(budget)).await
    }
}
