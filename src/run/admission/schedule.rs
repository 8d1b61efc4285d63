//! Decides which runs are active and which wait. Pure: no clock, no I/O, no lock.
//!
//! ```text
//! add ─┬─ parked ── enqueue ──┬─ queued ─── its turn ─── active ── remove
//!      └──────────────────────┘   (or active at once, if there is room)
//! ```
//! A run is parked while it waits for something other than a slot, such as its session; it does not delay others. Agents with a limit of
//! their own have their own queue, so that runs waiting for one of them do not delay runs of other agents; all other runs share the
//! common queue. Each queue is a round robin between users: a user who was served moves to the end. Between queues, the user who has
//! waited longest since their run was enqueued or they were last served is next, so that no queue and no user starves.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::Hash;

use crate::types::{RunId, UserId};

/// Admission limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::run) struct Limits {
    /// Maximum number of active runs; at least 1.
    pub(in crate::run) total: usize,
    /// Maximum number of active runs per user; at least 1.
    pub(in crate::run) per_user: usize,
    /// Maximum number of active runs per agent, for agents with a limit of their own.
    pub(in crate::run) per_agent: BTreeMap<String, usize>,
    /// Maximum number of waiting runs, queued or parked.
    pub(in crate::run) queue: usize,
    /// Maximum number of waiting runs per user. Besides, no user gets another place whose waiting runs outnumber the free places, so the
    /// last places are left to users who wait with few runs.
    pub(in crate::run) queue_per_user: usize,
}

/// Why a run may not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::run) enum QueueFull {
    /// The maximum number of runs is waiting.
    Total,
    /// The user has this many waiting runs, and gets no further place.
    User(usize),
}

/// Key of a queue: the agent, or `None` for the common queue.
type QueueKey = Option<String>;

/// All waiting and active runs.
///
/// Invariants of every method: no admission exceeds a limit, and no run is queued for which there is room. Only
/// [`Schedule::admit_existing`] may exceed a limit, because it records a run that is active already.
#[derive(Debug)]
pub(super) struct Schedule {
    limits: Limits,
    runs: HashMap<RunId, Entry>,
    queues: BTreeMap<QueueKey, VecDeque<UserQueue>>,
    /// Number of waiting runs by user, queued or parked.
    waiting: HashMap<UserId, usize>,
    /// Number of active runs by user.
    by_user: HashMap<UserId, usize>,
    /// Number of active runs by agent.
    by_agent: HashMap<String, usize>,
    /// Number of active runs.
    active: usize,
    /// When each user with queued runs was last served.
    served: HashMap<UserId, Tick>,
    now: Tick,
}

/// Logical time: incremented by every enqueue and admission.
type Tick = u64;

#[derive(Debug)]
struct Entry {
    user: UserId,
    agent: String,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Parked,
    Queued,
    Active,
}

/// The runs of one user in one queue, oldest first. Never empty.
#[derive(Debug)]
struct UserQueue {
    user: UserId,
    runs: VecDeque<(Tick, RunId)>,
}

impl Schedule {
    /// An empty schedule. At least one run may always be active.
    pub(super) fn new(limits: Limits) -> Self {
        let limits = Limits { total: limits.total.max(1), per_user: limits.per_user.max(1), ..limits };
        Self {
            limits,
            runs: HashMap::new(),
            queues: BTreeMap::new(),
            waiting: HashMap::new(),
            by_user: HashMap::new(),
            by_agent: HashMap::new(),
            active: 0,
            served: HashMap::new(),
            now: 0,
        }
    }

    /// Adds a run, queued or parked. If there is room it is active immediately (see [`Schedule::is_active`]).
    ///
    /// # Errors
    /// [`QueueFull`] if it would have to wait and may not.
    pub(super) fn add(&mut self, run: RunId, user: UserId, agent: String, parked: bool) -> Result<(), QueueFull> {
        let is_immediate = !parked && self.has_room(user, &agent);
        if !is_immediate {
            self.check_queue(user)?;
        }
        self.readd(run, user, agent, parked);
        Ok(())
    }

    /// Adds a run that an earlier server had accepted, queued or parked, regardless of the limits of the queue.
    pub(super) fn readd(&mut self, run: RunId, user: UserId, agent: String, parked: bool) {
        *self.waiting.entry(user).or_default() += 1;
        self.runs.insert(run, Entry { user, agent, phase: Phase::Parked });
        if !parked {
            self.enqueue(run);
        }
    }

    /// Whether another run of the user may wait.
    fn check_queue(&self, user: UserId) -> Result<(), QueueFull> {
        let free = self.limits.queue.saturating_sub(self.runs.len() - self.active);
        let own = self.waiting.get(&user).copied().unwrap_or(0);
        match () {
            () if free == 0 => Err(QueueFull::Total),
            () if own >= self.limits.queue_per_user || own > free => Err(QueueFull::User(own)),
            () => Ok(()),
        }
    }

    /// Adds a run that is active already, regardless of the limits. While a limit is exceeded, no other run is admitted.
    pub(super) fn admit_existing(&mut self, run: RunId, user: UserId, agent: String) {
        *self.by_agent.entry(agent.clone()).or_default() += 1;
        *self.by_user.entry(user).or_default() += 1;
        self.active += 1;
        self.runs.insert(run, Entry { user, agent, phase: Phase::Active });
    }

    /// Moves a parked run into its queue, or makes it active if there is room. Does not affect other runs.
    pub(super) fn enqueue(&mut self, run: RunId) {
        let Some(entry) = self.runs.get_mut(&run).filter(|entry| entry.phase == Phase::Parked) else { return };
        entry.phase = Phase::Queued;
        self.now += 1;
        let (user, agent, enqueued_at) = (entry.user, entry.agent.clone(), self.now);
        let queue = self.queues.entry(queue_key(&self.limits, &agent)).or_default();
        match queue.iter_mut().find(|group| group.user == user) {
            Some(group) => group.runs.push_back((enqueued_at, run)),
            None => queue.push_back(UserQueue { user, runs: VecDeque::from([(enqueued_at, run)]) }),
        }
        self.admit_next();
    }

    /// Removes a run in any phase. Returns the runs that became active.
    pub(super) fn remove(&mut self, run: RunId) -> Vec<RunId> {
        let Some(Entry { user, agent, phase }) = self.runs.remove(&run) else { return Vec::new() };
        match phase {
            Phase::Parked => {
                decrement(&mut self.waiting, &user);
                return Vec::new();
            }
            Phase::Queued => {
                decrement(&mut self.waiting, &user);
                self.dequeue(run, user, &agent);
                return Vec::new();
            }
            Phase::Active => {}
        }
        self.active -= 1;
        decrement(&mut self.by_user, &user);
        decrement(&mut self.by_agent, &agent);
        self.admit_next()
    }

    /// Whether a run is active.
    pub(super) fn is_active(&self, run: RunId) -> bool {
        self.runs.get(&run).is_some_and(|entry| entry.phase == Phase::Active)
    }

    /// Parks an active run. Returns the runs that are admitted in its place.
    pub(super) fn park(&mut self, run: RunId) -> Vec<RunId> {
        let known = self.runs.get(&run).map(|entry| (entry.user, entry.agent.clone()));
        let admitted = self.remove(run);
        if let Some((user, agent)) = known {
            self.readd(run, user, agent, true);
        }
        admitted
    }

    /// Number of runs in the same queue that would be admitted before this one if no run was added or removed; for a parked run, if it was
    /// enqueued now. `None` for a run that is not waiting.
    pub(super) fn position(&self, run: RunId) -> Option<u64> {
        let entry = self.runs.get(&run).filter(|entry| entry.phase != Phase::Active)?;
        let empty = VecDeque::new();
        let queue = self.queues.get(&queue_key(&self.limits, &entry.agent)).unwrap_or(&empty);
        let index = queue.iter().position(|group| group.user == entry.user).unwrap_or(queue.len());
        let own = queue.get(index).map_or(0, |group| group.runs.iter().position(|(_, other)| *other == run).unwrap_or(group.runs.len()));
        // Each round admits one run of every user, in queue order. This run is admitted in the round after `own` others of its user.
        let before: usize = queue
            .iter()
            .enumerate()
            .map(|(at, group)| match at.cmp(&index) {
                Ordering::Less => group.runs.len().min(own + 1),
                Ordering::Equal => own,
                Ordering::Greater => group.runs.len().min(own),
            })
            .sum();
        Some(before as u64)
    }

    /// Whether no state is left.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let counts = self.runs.len()
            + self.queues.len()
            + self.waiting.len()
            + self.by_user.len()
            + self.by_agent.len()
            + self.served.len()
            + self.active;
        counts == 0
    }

    /// Admits queued runs while there is room. Returns them.
    fn admit_next(&mut self) -> Vec<RunId> {
        let mut admitted = Vec::new();
        while let Some((queue, index)) = self.next() {
            admitted.extend(self.admit(&queue, index));
        }
        admitted
    }

    /// The queue and the user in it to serve next; `None` if there is no room for any waiting run.
    fn next(&self) -> Option<(QueueKey, usize)> {
        if self.active >= self.limits.total {
            return None;
        }
        let candidate = |(key, groups): (&QueueKey, &VecDeque<UserQueue>)| {
            if !key.as_ref().is_none_or(|agent| self.agent_has_room(agent)) {
                return None;
            }
            let (index, group) = groups.iter().enumerate().find(|(_, group)| self.user_has_room(group.user))?;
            let (enqueued_at, _run) = *group.runs.front()?;
            let served = self.served.get(&group.user).copied().unwrap_or(0);
            // A user who is next in two queues is served for the older run.
            Some(((served.max(enqueued_at), enqueued_at), key.clone(), index))
        };
        let (_waiting_since, key, index) = self.queues.iter().filter_map(candidate).min_by_key(|(since, _, _)| *since)?;
        Some((key, index))
    }

    /// Admits the oldest run of the user at `index` in the queue.
    fn admit(&mut self, key: &QueueKey, index: usize) -> Option<RunId> {
        let groups = self.queues.get_mut(key)?;
        let mut group = groups.remove(index)?;
        let (_enqueued_at, run) = group.runs.pop_front()?;
        let user = group.user;
        if !group.runs.is_empty() {
            groups.push_back(group);
        }
        if let Some(entry) = self.runs.get_mut(&run) {
            entry.phase = Phase::Active;
            *self.by_agent.entry(entry.agent.clone()).or_default() += 1;
        }
        decrement(&mut self.waiting, &user);
        *self.by_user.entry(user).or_default() += 1;
        self.active += 1;
        self.now += 1;
        self.served.insert(user, self.now);
        self.prune(key, user);
        Some(run)
    }

    /// Removes a run from its queue.
    fn dequeue(&mut self, run: RunId, user: UserId, agent: &str) {
        let key = queue_key(&self.limits, agent);
        let Some(groups) = self.queues.get_mut(&key) else { return };
        if let Some(index) = groups.iter().position(|group| group.user == user)
            && let Some(group) = groups.get_mut(index)
        {
            group.runs.retain(|(_, other)| *other != run);
            if group.runs.is_empty() {
                groups.remove(index);
            }
        }
        self.prune(&key, user);
    }

    /// Drops the state of an empty queue and of a user without queued runs.
    fn prune(&mut self, key: &QueueKey, user: UserId) {
        if self.queues.get(key).is_some_and(VecDeque::is_empty) {
            self.queues.remove(key);
        }
        if !self.queues.values().flatten().any(|group| group.user == user) {
            self.served.remove(&user);
        }
    }

    fn has_room(&self, user: UserId, agent: &str) -> bool {
        self.active < self.limits.total && self.user_has_room(user) && self.agent_has_room(agent)
    }

    fn user_has_room(&self, user: UserId) -> bool {
        self.by_user.get(&user).copied().unwrap_or(0) < self.limits.per_user
    }

    fn agent_has_room(&self, agent: &str) -> bool {
        self.limits.per_agent.get(agent).is_none_or(|limit| self.by_agent.get(agent).copied().unwrap_or(0) < *limit)
    }
}

fn queue_key(limits: &Limits, agent: &str) -> QueueKey {
    limits.per_agent.contains_key(agent).then(|| agent.to_owned())
}

/// Decrements a count and removes it at zero.
fn decrement<K: Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}
