//! Limits the searches of each user: one at a time, a few wait for it. So no user occupies all connections for searches.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::types::UserId;

/// Maximum number of searches of one user, running and waiting.
const MAX_SEARCHES: usize = 32;

/// Number of them that run at the same time.
const PARALLEL: usize = 1;

/// The searches of all users. Clones share them. Users without searches use no memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Searches {
    users: Arc<Mutex<HashMap<UserId, UserSearches>>>,
}

#[derive(Debug)]
struct UserSearches {
    count: usize,
    turn: Arc<Semaphore>,
}

/// Too many searches of the user are in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{MAX_SEARCHES} of your searches are in progress; wait until they have ended")]
pub struct TooManySearches;

/// A search that may run. Dropping it lets the user's next one run.
#[derive(Debug)]
pub(super) struct SearchTurn {
    // In this order: the next search runs before a further one may wait.
    _running: Option<OwnedSemaphorePermit>,
    _membership: Membership,
}

/// A running or waiting search.
#[derive(Debug)]
struct Membership {
    searches: Searches,
    user: UserId,
}

impl Searches {
    /// Waits for the user's turn. Dropping the future leaves the queue.
    ///
    /// # Errors
    /// [`TooManySearches`] if too many searches of the user are waiting already.
    pub(super) async fn turn(&self, user: UserId) -> Result<SearchTurn, TooManySearches> {
        let (membership, turn) = self.join(user)?;
        // It is never closed.
        let running = turn.acquire_owned().await.ok();
        Ok(SearchTurn { _running: running, _membership: membership })
    }

    fn join(&self, user: UserId) -> Result<(Membership, Arc<Semaphore>), TooManySearches> {
        let mut users = self.users();
        let new = || UserSearches { count: 0, turn: Arc::new(Semaphore::new(PARALLEL)) };
        let searches = users.entry(user).or_insert_with(new);
        if searches.count >= MAX_SEARCHES {
            return Err(TooManySearches);
        }
        searches.count += 1;
        Ok((Membership { searches: self.clone(), user }, Arc::clone(&searches.turn)))
    }

    fn users(&self) -> MutexGuard<'_, HashMap<UserId, UserSearches>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut users = self.searches.users();
        if let Some(searches) = users.get_mut(&self.user) {
            searches.count -= 1;
            if searches.count == 0 {
                users.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    //! Rules: C9.

    use std::sync::Arc;

    use futures_util::FutureExt;
    use futures_util::future::join_all;

    use super::*;
    use crate::run::RunManager;
    use crate::run::errors::SearchError;
    use crate::run::store::{RunFilter, SearchText, SqliteStore};
    use crate::types::{Caller, UserRef, UserRole};

    fn caller(name: &str) -> Caller {
        Caller { user: UserRef::named(name), role: UserRole::User }
    }

    #[tokio::test]
    async fn searches_of_one_user_run_one_after_the_other_and_others_do_not_wait_for_them() {
        let searches = Searches::default();
        let (ann, bob) = (UserRef::named("ann").id, UserRef::named("bob").id);
        let first = searches.turn(ann).await.unwrap();
        let mut second = Box::pin(searches.turn(ann));
        assert!((&mut second).now_or_never().is_none());
        drop(searches.turn(bob).await.unwrap());
        drop(first);
        drop(second.await.unwrap());
        assert!(searches.users().is_empty());
    }

    #[tokio::test]
    async fn a_users_list_is_served_while_40_searches_of_another_user_are_held() {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(dir.path()).unwrap();
        let runs = RunManager::with_store(Arc::new(store.clone()), dir.path());
        let run = runs.add_ended_run(UserRef::named("bob")).await.run_id;
        runs.add_ended_run(UserRef::named("ann")).await;
        let held = store.search_permits().acquire_many_owned(2).await.unwrap();
        let (ann, bob) = (caller("ann"), caller("bob"));
        let search = || runs.search(&ann, SearchText::parse("do it").unwrap(), RunFilter::default(), 9);
        let mut searches = Box::pin(join_all((0..40).map(|_| search())));
        assert!((&mut searches).now_or_never().is_none());
        let list = async { runs.list(&bob, RunFilter::default(), 9).await.unwrap() };
        let listed = tokio::select! {
            biased;
            _ = &mut searches => panic!("the searches are held"),
            listed = list => listed,
        };
        assert_eq!(listed.iter().map(|run| run.run_id).collect::<Vec<_>>(), [run]);
        drop(held);
        let ended = searches.await;
        let refused = ended.iter().filter(|ended| matches!(ended, Err(SearchError::TooMany(_)))).count();
        let found = ended.iter().filter(|ended| ended.as_ref().is_ok_and(|found| found.len() == 1)).count();
        assert_eq!((refused, found), (40 - MAX_SEARCHES, MAX_SEARCHES));
    }
}
