//! What people see of runs: those that they may see, and nothing of others.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::RunManager;
use crate::run::budgets::BudgetState;
use crate::run::errors::{FindError, SessionError};
use crate::run::events::{Follower, Framing};
use crate::run::feed::{Feed, FeedCursor, RunSource};
use crate::run::handle::RunHandle;
use crate::run::requests::RequestView;
use crate::run::store::{
    Delivery, DeliveryFilter, RunFilter, RunRecord, SessionRecord, StoreError, UsageFilter, UsageGroup, UsageRecord, UsageSum,
};
use crate::run::view::{RunView, SessionView};
use crate::types::{Caller, RunId, SessionId, UserName};

impl RunManager {
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

    /// Tells of the runs that the caller may see, whenever one of them changes: from this moment on, or from a place where the caller was
    /// before.
    pub fn feed(&self, caller: &Caller, after: Option<FeedCursor>) -> Feed {
        Feed::new(Arc::new(self.clone()), self.inner.changes.clone(), caller.clone(), after)
    }

    pub(super) async fn visible_session(&self, caller: &Caller, id: SessionId) -> Result<SessionRecord, SessionError> {
        let session = self.inner.store.session(id).await?;
        session.filter(|session| caller.may_see(&session.owner)).ok_or(SessionError::NotFound(id))
    }

    /// The one place where ownership of a run is judged.
    pub(super) async fn visible(&self, caller: &Caller, id: RunId) -> Result<RunRecord, FindError> {
        let run = self.inner.store.run(id).await?;
        run.filter(|run| caller.may_see(&run.owner)).ok_or(FindError::NotFound(id))
    }
}

#[async_trait]
impl RunSource for RunManager {
    async fn current(&self, caller: &Caller, run: RunId) -> Result<Option<RunView>, StoreError> {
        match self.get(caller, run).await {
            Ok(run) => Ok(Some(run)),
            Err(FindError::NotFound(_)) => Ok(None),
            Err(FindError::Store(error)) => Err(error),
        }
    }
}

/// What of the wanted usage the caller may see.
fn visible_usage(caller: &Caller, filter: UsageFilter) -> UsageFilter {
    let owner = if caller.is_admin() { filter.owner } else { Some(caller.user.clone()) };
    UsageFilter { owner, ..filter }
}
