//! A number of slots that waiting callers get in turn, one group after the other.
//!
//! In a single queue, one group with many callers would make all others wait. Here each group has a queue of its own, and a slot that becomes
//! free goes to the next group in turn.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Maximum number of callers that wait, in one group and in all. When all places are taken, a caller of a group with fewer callers takes that
/// of the last one of the longest queue, so that a few groups cannot exclude the others.
const MAX_WAITING: (usize, usize) = (64, 1024);

/// The slots. A clone is another handle.
#[derive(Debug)]
pub(super) struct FairSlots<K: Clone + Eq + Hash>(Arc<Mutex<State<K>>>);

#[derive(Debug)]
struct State<K: Clone + Eq + Hash> {
    free: usize,
    /// The groups with waiting callers, in the order in which they get the next slots.
    turn: VecDeque<K>,
    /// Waiting callers by group. A caller that gave up stays until its turn.
    waiting: HashMap<K, VecDeque<oneshot::Sender<Slot<K>>>>,
}

/// A slot, which the next caller gets when it is dropped.
#[derive(Debug)]
pub(super) struct Slot<K: Clone + Eq + Hash> {
    /// `None` once it has been passed on.
    slots: Option<FairSlots<K>>,
}

/// Too many callers are waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct QueueFull;

impl<K: Clone + Eq + Hash> FairSlots<K> {
    pub(super) fn new(slots: usize) -> Self {
        Self(Arc::new(Mutex::new(State { free: slots, turn: VecDeque::new(), waiting: HashMap::new() })))
    }

    /// Waits for a slot as one of the callers of `group`. Dropping the future gives up the wait.
    ///
    /// # Errors
    /// [`QueueFull`] if too many callers are waiting, in this group or in all.
    pub(super) async fn acquire(&self, group: K) -> Result<Slot<K>, QueueFull> {
        let waiting = {
            let mut state = self.lock();
            if state.free > 0 {
                state.free -= 1;
                return Ok(self.slot());
            }
            state.enqueue(group)?
        };
        // The sender is dropped with the whole queue, or when a caller of another group takes the place.
        waiting.await.map_err(|_dropped| QueueFull)
    }

    fn slot(&self) -> Slot<K> {
        Slot { slots: Some(Self(Arc::clone(&self.0))) }
    }

    /// Gives a slot that became free to the next caller that still waits.
    fn pass_on(&self) {
        loop {
            let next = {
                let mut state = self.lock();
                let next = state.next();
                state.free += usize::from(next.is_none());
                next
            };
            let Some(next) = next else { return };
            match next.send(self.slot()) {
                Ok(()) => return,
                // This caller gave up. Its slot goes to the next one.
                Err(mut refused) => refused.slots = None,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Clone + Eq + Hash> State<K> {
    fn enqueue(&mut self, group: K) -> Result<oneshot::Receiver<Slot<K>>, QueueFull> {
        if self.is_full(&group) {
            self.remove_abandoned();
            if self.is_full(&group) && !self.make_room(&group) {
                return Err(QueueFull);
            }
        }
        let (sender, receiver) = oneshot::channel();
        let queue = self.waiting.entry(group.clone()).or_default();
        if queue.is_empty() {
            self.turn.push_back(group);
        }
        queue.push_back(sender);
        Ok(receiver)
    }

    fn is_full(&self, group: &K) -> bool {
        let (per_group, total) = MAX_WAITING;
        self.waiting.get(group).is_some_and(|queue| queue.len() >= per_group)
            || self.waiting.values().map(VecDeque::len).sum::<usize>() >= total
    }

    /// Drops the last caller of the longest queue, if that stays longer than the queue of `group`.
    fn make_room(&mut self, group: &K) -> bool {
        let own = self.waiting.get(group).map_or(0, VecDeque::len);
        let longest = self.waiting.values_mut().max_by_key(|queue| queue.len());
        longest.filter(|queue| queue.len() > own + 1).and_then(VecDeque::pop_back).is_some()
    }

    fn remove_abandoned(&mut self) {
        for queue in self.waiting.values_mut() {
            queue.retain(|sender| !sender.is_closed());
        }
        self.waiting.retain(|_group, queue| !queue.is_empty());
        self.turn.retain(|group| self.waiting.contains_key(group));
    }

    /// The first caller of the group whose turn it is.
    fn next(&mut self) -> Option<oneshot::Sender<Slot<K>>> {
        let group = self.turn.pop_front()?;
        let queue = self.waiting.get_mut(&group)?;
        let next = queue.pop_front();
        if queue.is_empty() {
            self.waiting.remove(&group);
        } else {
            self.turn.push_back(group);
        }
        next
    }
}

impl<K: Clone + Eq + Hash> Drop for Slot<K> {
    fn drop(&mut self) {
        if let Some(slots) = self.slots.take() {
            slots.pass_on();
        }
    }
}

#[cfg(test)]
mod tests {
    //! Rules: D12.

    use futures_util::FutureExt as _;
    use futures_util::future::BoxFuture;
    use proptest::prelude::*;

    use super::*;

    type Waiting = BoxFuture<'static, Result<Slot<char>, QueueFull>>;

    /// A caller that has begun to wait.
    fn wait(slots: &FairSlots<char>, group: char) -> Waiting {
        let slots = FairSlots(Arc::clone(&slots.0));
        let mut waiting = async move { slots.acquire(group).await }.boxed();
        assert!((&mut waiting).now_or_never().is_none(), "there is no free slot");
        waiting
    }

    /// The caller that has got a slot, with it.
    fn served(waiting: &mut Vec<(char, Waiting)>) -> (char, Slot<char>) {
        for index in 0..waiting.len() {
            if let Some(slot) = (&mut waiting[index].1).now_or_never() {
                return (waiting.remove(index).0, slot.unwrap());
            }
        }
        panic!("no caller has got the slot");
    }

    #[tokio::test]
    async fn a_caller_waits_for_one_caller_of_each_other_group_at_most() {
        let slots = FairSlots::new(1);
        let mut slot = slots.acquire('a').await.unwrap();
        let mut waiting: Vec<(char, Waiting)> = (0..60).map(|_| ('a', wait(&slots, 'a'))).collect();
        waiting.extend(['b', 'c', 'b'].map(|group| (group, wait(&slots, group))));
        let mut order = String::new();
        for _ in 0..7 {
            drop(slot);
            let (group, next) = served(&mut waiting);
            order.push(group);
            slot = next;
        }
        assert_eq!(order, "abcabaa");
    }

    #[tokio::test]
    async fn a_caller_that_gave_up_is_skipped_even_if_it_had_got_the_slot() {
        let slots = FairSlots::new(1);
        let slot = slots.acquire('a').await.unwrap();
        let (first, second, third) = (wait(&slots, 'a'), wait(&slots, 'a'), wait(&slots, 'b'));
        drop(first);
        drop(slot);
        // It was passed on to the second one, which never looked.
        drop(second);
        let _third = third.await.unwrap();
        assert_eq!(slots.lock().free, 0);
    }

    #[tokio::test]
    async fn waiting_callers_are_bounded_by_group_and_those_that_gave_up_do_not_count() {
        let slots = FairSlots::new(0);
        let mut waiting: Vec<Waiting> = (0..MAX_WAITING.0).map(|_| wait(&slots, 'a')).collect();
        assert!(matches!(slots.acquire('a').now_or_never(), Some(Err(QueueFull))));
        waiting.push(wait(&slots, 'b'));
        drop(waiting.swap_remove(0));
        waiting.push(wait(&slots, 'a'));
        assert!(matches!(slots.acquire('a').now_or_never(), Some(Err(QueueFull))));
    }

    #[tokio::test]
    async fn groups_that_take_all_places_do_not_exclude_others() {
        let slots = FairSlots::new(0);
        let (per_group, total) = MAX_WAITING;
        let groups: Vec<char> = ('A'..).take(total / per_group).collect();
        let mut waiting: Vec<Waiting> = groups.iter().flat_map(|group| vec![*group; per_group]).map(|group| wait(&slots, group)).collect();
        assert!(matches!(slots.acquire(groups[0]).now_or_never(), Some(Err(QueueFull))), "its own queue is full");
        let _other = wait(&slots, 'z');
        let refused = waiting.iter_mut().filter_map(futures_util::FutureExt::now_or_never).filter(Result::is_err).count();
        assert_eq!(refused, 1, "the last caller of a longest queue");
        assert_eq!(slots.lock().waiting.values().map(VecDeque::len).sum::<usize>(), total);
    }

    proptest! {
        #[test]
        fn no_slot_is_lost_or_invented(steps in proptest::collection::vec((0_u8..3, 0_usize..8), 0..80)) {
            let slots = FairSlots::new(2);
            let (mut held, mut waiting): (Vec<Slot<char>>, Vec<Waiting>) = (Vec::new(), Vec::new());
            for (action, number) in steps {
                match action {
                    0 => {
                        let (slots, group) = (FairSlots(Arc::clone(&slots.0)), ['a', 'b', 'c'][number % 3]);
                        waiting.push(async move { slots.acquire(group).await }.boxed());
                    }
                    1 if !held.is_empty() => drop(held.swap_remove(number % held.len())),
                    2 if !waiting.is_empty() => drop(waiting.swap_remove(number % waiting.len())),
                    _ => {}
                }
                let mut pending = Vec::new();
                for mut caller in waiting.drain(..) {
                    match (&mut caller).now_or_never() {
                        Some(slot) => held.push(slot.unwrap()),
                        None => pending.push(caller),
                    }
                }
                waiting = pending;
                prop_assert_eq!(held.len() + slots.lock().free, 2);
                prop_assert!(waiting.is_empty() || held.len() == 2, "a free slot while a caller waits");
            }
            drop((waiting, held));
            prop_assert_eq!(slots.lock().free, 2);
        }
    }
}
