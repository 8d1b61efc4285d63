//! Queries: runs, sessions, usage and logs, limited to what the caller may see.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::RunManager;
use crate::run::budgets::BudgetState;
use crate::run::errors::{FindError, SearchError, SessionError};
use crate::run::events::{Follower, Framing};
use crate::run::feed::{Feed, FeedCursor, RunSource};
use crate::run::quotas::QuotaState;
use crate::run::requests::RequestView;
use crate::run::store::{
    Delivery, DeliveryFilter, OwnerFilter, RunFilter, RunRecord, SearchText, SessionRecord, StoreError, UsageFilter, UsageGroup,
    UsageRecord, UsageSum,
};
use crate::run::view::{RunView, SessionView};
use crate::types::{Caller, RunId, SessionId, UserRef};

/// How often the row of an unfinished run that this server does not drive is read while a caller waits for its end.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Time limit of a search.
const MAX_SEARCH_TIME: Duration = Duration::from_secs(5);

impl RunManager {
    /// The current state of a run.
    ///
    /// # Errors
    /// [`FindError`], by cause.
    pub async fn get(&self, caller: &Caller, id: RunId) -> Result<RunView, FindError> {
        self.find_visible_run(caller, id).await.map(|run| RunView::new(run, self.inner.admission.position(id)))
    }

    /// Waits until the run has ended, at most `timeout`, and returns its current state. Returns early if the server shuts down and no longer
    /// drives the run.
    ///
    /// # Errors
    /// [`FindError`], by cause.
    pub async fn wait(&self, caller: &Caller, id: RunId, timeout: Duration) -> Result<RunView, FindError> {
        let deadline = Instant::now() + timeout;
        loop {
            // Before the row: if the run ends in between, the handle reports it.
            let handle = self.inner.live.get(id).filter(|handle| !handle.is_closed());
            let run = self.get(caller, id).await?;
            if run.ended_at.is_some() || Instant::now() >= deadline {
                return Ok(run);
            }
            if let Some(handle) = handle {
                drop(timeout_at(deadline, handle.ended()).await);
            } else {
                // The row decides whether the run has ended, but no driver reports it.
                let next_read = deadline.min(Instant::now() + POLL_INTERVAL);
                tokio::select! {
                    biased;
                    _how = self.inner.context.shutdown.requested() => return Ok(run),
                    () = sleep_until(next_read) => {}
                }
            }
        }
    }

    /// Runs that match `filter`, newest first, at most `limit`: the caller's own, or all for admins.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn list(&self, caller: &Caller, filter: RunFilter, limit: usize) -> Result<Vec<RunView>, StoreError> {
        let owner = restrict_owner(caller, filter.owner);
        let runs = self.inner.store.runs(RunFilter { owner, ..filter }, limit).await?;
        Ok(self.views(runs))
    }

    /// Runs that match `filter` and `text`, newest first, at most `limit`: the caller's own, or all for admins. Searches of one user run one
    /// after the other. Dropping the future stops the search.
    ///
    /// # Errors
    /// [`SearchError`], by cause; [`StoreError::SearchTimeout`] among them if it takes longer than 5 seconds.
    pub async fn search(&self, caller: &Caller, text: SearchText, filter: RunFilter, limit: usize) -> Result<Vec<RunView>, SearchError> {
        let _turn = self.inner.searches.turn(caller.user.id).await?;
        let owner = restrict_owner(caller, filter.owner);
        let runs = self.inner.store.search(text, RunFilter { owner, ..filter }, limit, MAX_SEARCH_TIME).await?;
        Ok(self.views(runs))
    }

    /// Summaries of the runs.
    fn views(&self, runs: Vec<RunRecord>) -> Vec<RunView> {
        let view = |run: RunRecord| {
            let position = self.inner.admission.position(run.id);
            RunView::new(run, position).into_summary()
        };
        runs.into_iter().map(view).collect()
    }

    /// The open requests of the run's agent.
    ///
    /// # Errors
    /// [`FindError`], by cause.
    pub async fn requests(&self, caller: &Caller, id: RunId) -> Result<Vec<RequestView>, FindError> {
        self.find_visible_run(caller, id).await?;
        let handle = self.inner.live.get(id);
        Ok(match handle {
            Some(handle) => handle.requests().await,
            None => vec![],
        })
    }

    /// Sessions older than `before`, newest first, at most `limit`: the caller's own, or all for admins.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn sessions(&self, caller: &Caller, before: Option<SessionId>, limit: usize) -> Result<Vec<SessionView>, StoreError> {
        let owner = Some(caller.user.id).filter(|_| !caller.is_admin());
        let sessions = self.inner.store.sessions(owner, before, limit).await?;
        Ok(sessions.into_iter().map(SessionView::from).collect())
    }

    /// One session.
    ///
    /// # Errors
    /// [`SessionError`], by cause.
    pub async fn session(&self, caller: &Caller, id: SessionId) -> Result<SessionView, SessionError> {
        self.find_visible_session(caller, id).await.map(SessionView::from)
    }

    /// Usage of the runs that match `filter`, grouped by `group`: at most `limit` groups, starting after the one with key `after`. Covers the
    /// caller's own runs, or all for admins.
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
        self.inner.usage.usage(restrict_usage(caller, filter), group, after, limit).await
    }

    /// Total usage of the runs that match `filter`: the caller's own, or all for admins.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn total_usage(&self, caller: &Caller, filter: UsageFilter) -> Result<UsageSum, StoreError> {
        self.inner.usage.total_usage(restrict_usage(caller, filter)).await
    }

    /// A user's budget and usage today. Does no authorization: the caller must be that user or an admin.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn budget(&self, user: &UserRef) -> Result<BudgetState, StoreError> {
        self.inner.context.budgets.state(user).await
    }

    /// What a user keeps, and may keep. Does no authorization: the caller must be that user or an admin.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn quotas(&self, user: &UserRef) -> Result<QuotaState, StoreError> {
        self.inner.quotas.state(user).await
    }

    /// Follows a run's log, starting after event number `after`.
    ///
    /// # Errors
    /// [`FindError`], by cause.
    pub async fn follow(&self, caller: &Caller, id: RunId, after: u64, framing: Framing) -> Result<Follower, FindError> {
        self.find_visible_run(caller, id).await?;
        self.inner.log.follow(id, after, framing).await?.ok_or(FindError::NotFound(id))
    }

    /// Webhook deliveries that match `filter`, newest first, at most `limit`: those of the caller's own runs, or all for admins.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn deliveries(&self, caller: &Caller, filter: DeliveryFilter, limit: usize) -> Result<Vec<Delivery>, StoreError> {
        let owner = restrict_owner(caller, filter.owner);
        self.inner.store.deliveries(DeliveryFilter { owner, ..filter }, limit).await
    }

    /// A feed of changes of the runs that the caller may see, from now on or from the cursor `after`.
    pub fn feed(&self, caller: &Caller, after: Option<FeedCursor>) -> Feed {
        Feed::new(Arc::new(self.clone()), self.inner.changes.clone(), caller.clone(), after)
    }

    pub(in crate::run) async fn find_visible_session(&self, caller: &Caller, id: SessionId) -> Result<SessionRecord, SessionError> {
        let session = self.inner.store.session(id).await?;
        session.filter(|session| caller.may_see(session.owner.id)).ok_or(SessionError::NotFound(id))
    }

    /// Reads a run and checks ownership. The only place where access to a run is decided.
    pub(in crate::run) async fn find_visible_run(&self, caller: &Caller, id: RunId) -> Result<RunRecord, FindError> {
        let run = self.inner.store.run(id).await?;
        run.filter(|run| caller.may_see(run.owner.id)).ok_or(FindError::NotFound(id))
    }
}

#[async_trait]
impl RunSource for RunManager {
    async fn current(&self, caller: &Caller, run: RunId) -> Result<Option<RunView>, StoreError> {
        match self.get(caller, run).await {
            Ok(run) => Ok(Some(run.into_summary())),
            Err(FindError::NotFound(_)) => Ok(None),
            // Otherwise a reader could never get past this change.
            Err(FindError::Store(error @ StoreError::Damaged { .. })) => {
                tracing::warn!(run.id = %run, %error, "skipped a change of a run that cannot be read");
                Ok(None)
            }
            Err(FindError::Store(error)) => Err(error),
        }
    }
}

/// Restricts a filter to what the caller may see: the caller's own, regardless of the filter, or all for admins.
fn restrict_owner(caller: &Caller, owner: Option<OwnerFilter>) -> Option<OwnerFilter> {
    if caller.is_admin() { owner } else { Some(OwnerFilter::Id(caller.user.id)) }
}

fn restrict_usage(caller: &Caller, filter: UsageFilter) -> UsageFilter {
    let owner = restrict_owner(caller, filter.owner);
    UsageFilter { owner, ..filter }
}
