//! One budget for all request bodies in memory.
//!
//! ```text
//! total ─┬─ clients without a token ─ a share per client network
//!        └─ users ─ a share per user
//! ```
//! A body takes its whole size out of the budget before the first byte is read, so a body that has begun can always be completed. A body that
//! does not fit waits, unread, and is refused if that takes too long. Those who have used up their share wait without delaying others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{LimitExceeded, RateKey};

const MIB: usize = 1024 * 1024;

/// How long a body may wait for memory.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// The sizes of the budget, in bytes.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    total: usize,
    /// For all clients without a token together.
    anonymous: usize,
    per_user: usize,
    per_network: usize,
}

const SIZES: Sizes = Sizes { total: 64 * MIB, anonymous: 16 * MIB, per_user: 16 * MIB, per_network: 2 * MIB };

/// The memory that request bodies may take. A clone is another handle.
#[derive(Clone, Debug)]
pub(in crate::api) struct BodyMemory {
    sizes: Sizes,
    total: Arc<Semaphore>,
    anonymous: Arc<Semaphore>,
    /// The shares that are in use or waited for.
    shares: Arc<Mutex<HashMap<RateKey, Arc<Semaphore>>>>,
}

/// Memory for one body, which is returned when this is dropped.
#[derive(Debug)]
pub(in crate::api) struct BodyPermit {
    // Dropped before the share, which is then unused.
    _permits: Vec<OwnedSemaphorePermit>,
    _share: Share,
}

/// The share of one user or client network. Forgotten when its last handle is dropped.
#[derive(Debug)]
struct Share {
    memory: BodyMemory,
    key: RateKey,
    semaphore: Option<Arc<Semaphore>>,
}

impl BodyMemory {
    pub(super) fn new() -> Self {
        Self::with_sizes(SIZES)
    }

    fn with_sizes(sizes: Sizes) -> Self {
        let semaphore = |size| Arc::new(Semaphore::new(size));
        Self { sizes, total: semaphore(sizes.total), anonymous: semaphore(sizes.anonymous), shares: Arc::default() }
    }

    /// Takes memory for a body of `bytes`, which may wait. Dropping the future takes nothing.
    ///
    /// # Errors
    /// [`LimitExceeded::BodyMemory`] if there is not enough within [`MAX_WAIT`], or if the body exceeds the share of its sender.
    pub(in crate::api) async fn reserve(&self, key: RateKey, bytes: usize) -> Result<BodyPermit, LimitExceeded> {
        let share = self.share(key);
        // The share first: a sender that has used it up must not hold or wait for anything else.
        let mut wanted = vec![share.semaphore.clone()];
        wanted.extend(matches!(share.key, RateKey::Client(_)).then(|| Some(Arc::clone(&self.anonymous))));
        wanted.push(Some(Arc::clone(&self.total)));
        let bytes = u32::try_from(bytes).map_err(|_too_large| LimitExceeded::BodyMemory)?;
        if bytes as usize > self.size_of_share(&share.key) {
            return Err(LimitExceeded::BodyMemory);
        }
        let acquire = async {
            let mut permits = Vec::with_capacity(wanted.len());
            for semaphore in wanted.into_iter().flatten() {
                permits.push(semaphore.acquire_many_owned(bytes).await.map_err(|_closed| LimitExceeded::BodyMemory)?);
            }
            Ok::<_, LimitExceeded>(permits)
        };
        let permits = tokio::time::timeout(MAX_WAIT, acquire).await.map_err(|_elapsed| LimitExceeded::BodyMemory)??;
        Ok(BodyPermit { _permits: permits, _share: share })
    }

    fn share(&self, key: RateKey) -> Share {
        let size = self.size_of_share(&key);
        let semaphore = Arc::clone(self.lock().entry(key.clone()).or_insert_with(|| Arc::new(Semaphore::new(size))));
        Share { memory: self.clone(), key, semaphore: Some(semaphore) }
    }

    fn size_of_share(&self, key: &RateKey) -> usize {
        match key {
            RateKey::User(_) => self.sizes.per_user,
            RateKey::Client(_) => self.sizes.per_network,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RateKey, Arc<Semaphore>>> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut shares = self.memory.lock();
        self.semaphore = None;
        if shares.get(&self.key).is_some_and(|semaphore| Arc::strong_count(semaphore) == 1) {
            shares.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    //! Rules: D9.

    use std::net::IpAddr;

    use futures_util::FutureExt as _;
    use proptest::prelude::*;

    use super::*;

    const SMALL: Sizes = Sizes { total: 100, anonymous: 40, per_user: 50, per_network: 20 };

    fn network(last: u8) -> RateKey {
        RateKey::Client(Some(IpAddr::from([203, 0, 113, last])))
    }

    fn user(name: &str) -> RateKey {
        RateKey::User(name.parse().unwrap())
    }

    /// What is reserved at once, or `None` if it has to wait.
    fn try_reserve(memory: &BodyMemory, key: RateKey, bytes: usize) -> Option<BodyPermit> {
        memory.reserve(key, bytes).now_or_never().and_then(Result::ok)
    }

    #[tokio::test]
    async fn clients_without_a_token_leave_memory_for_users_and_one_network_for_others() {
        let memory = BodyMemory::with_sizes(SMALL);
        let first = [try_reserve(&memory, network(1), 15), try_reserve(&memory, network(1), 5)];
        assert!(first.iter().all(Option::is_some) && try_reserve(&memory, network(1), 1).is_none(), "the share of a network");
        let _second = try_reserve(&memory, network(2), 20).unwrap();
        assert!(try_reserve(&memory, network(3), 1).is_none(), "the share of all clients without a token");
        let _ann = try_reserve(&memory, user("ann"), 50).unwrap();
        assert!(try_reserve(&memory, user("ann"), 1).is_none(), "the share of a user");
        let _bob = try_reserve(&memory, user("bob"), 10).unwrap();
        assert!(try_reserve(&memory, user("bob"), 1).is_none(), "the total");
        drop(first);
        assert!(try_reserve(&memory, network(3), 20).is_some() && try_reserve(&memory, user("bob"), 20).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_waits_for_memory_and_is_refused_if_there_is_none_in_time() {
        let memory = BodyMemory::with_sizes(SMALL);
        let first = try_reserve(&memory, user("ann"), 50).unwrap();
        let release = async {
            tokio::time::sleep(MAX_WAIT / 2).await;
            drop(first);
        };
        let (second, ()) = tokio::join!(memory.reserve(user("ann"), 50), release);
        let _second = second.unwrap();
        assert_eq!(memory.reserve(user("ann"), 1).await.unwrap_err(), LimitExceeded::BodyMemory);
        assert_eq!(memory.reserve(user("bob"), 51).await.unwrap_err(), LimitExceeded::BodyMemory, "more than the whole share");
    }

    proptest! {
        #[test]
        fn everything_is_returned_and_no_share_is_kept(steps in proptest::collection::vec((0_u8..6, 1_usize..30, any::<bool>()), 0..60)) {
            // For the time limit of a wait.
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let _entered = runtime.enter();
            let memory = BodyMemory::with_sizes(SMALL);
            let mut held = Vec::new();
            for (sender, bytes, releases) in steps {
                let key = if sender < 3 { network(sender) } else { user(&format!("user{sender}")) };
                held.extend(try_reserve(&memory, key, bytes));
                if releases && !held.is_empty() {
                    held.swap_remove(bytes % held.len());
                }
            }
            drop(held);
            prop_assert_eq!((memory.total.available_permits(), memory.anonymous.available_permits()), (SMALL.total, SMALL.anonymous));
            prop_assert!(memory.lock().is_empty());
        }
    }
}
