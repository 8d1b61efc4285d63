//! A rate limit per key that can be checked without counting.

use std::collections::HashMap;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;
use governor::{Quota, RateLimiter};

/// A number of calls per minute for each key, which may come in one burst and are replenished evenly.
#[derive(Debug)]
pub(super) struct RateMeter<K: Clone + Eq + Hash, C: Clock = DefaultClock> {
    limiter: RateLimiter<Call<K>, RateState<K>, C, NoOpMiddleware<C::Instant>>,
}

/// The limit is reached. The next call is possible after this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wait(pub(super) Duration);

/// A call for a key, which is counted or only checked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Call<K> {
    key: K,
    is_counted: bool,
}

/// The state of each key.
#[derive(Debug)]
struct RateState<K>(Mutex<HashMap<K, Nanos>>);

impl<K: Clone + Eq + Hash> RateMeter<K> {
    pub(super) fn new(per_minute: NonZeroU32) -> Self {
        Self::with_clock(per_minute, DefaultClock::default())
    }
}

impl<K: Clone + Eq + Hash, C: Clock> RateMeter<K, C> {
    fn with_clock(per_minute: NonZeroU32, clock: C) -> Self {
        Self { limiter: RateLimiter::new(Quota::per_minute(per_minute), RateState(Mutex::default()), clock) }
    }

    /// Counts a call for `key`.
    ///
    /// # Errors
    /// [`Wait`] if the limit is reached; then nothing is counted.
    pub(super) fn count(&self, key: K) -> Result<(), Wait> {
        self.call(&Call { key, is_counted: true })
    }

    /// Checks whether [`RateMeter::count`] would succeed.
    ///
    /// # Errors
    /// [`Wait`] if the limit is reached.
    pub(super) fn peek(&self, key: K) -> Result<(), Wait> {
        self.call(&Call { key, is_counted: false })
    }

    fn call(&self, call: &Call<K>) -> Result<(), Wait> {
        self.limiter.check_key(call).map_err(|until| Wait(until.wait_time_from(self.limiter.clock().now())))
    }

    /// Removes the keys whose limit is fully replenished. Without this, new keys would fill the memory.
    pub(super) fn remove_idle(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}

impl<K: Eq + Hash> RateState<K> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, Nanos>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Clone + Eq + Hash> StateStore for RateState<K> {
    type Key = Call<K>;

    fn measure_and_replace<T, F, E>(&self, call: &Call<K>, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut states = self.lock();
        let (outcome, state) = measure(states.get(&call.key).copied())?;
        if call.is_counted {
            states.insert(call.key.clone(), state);
        }
        Ok(outcome)
    }
}

impl<K: Clone + Eq + Hash> ShrinkableKeyedStateStore<Call<K>> for RateState<K> {
    fn retain_recent(&self, drop_below: Nanos) {
        self.lock().retain(|_key, state| *state > drop_below);
    }

    fn shrink_to_fit(&self) {
        self.lock().shrink_to_fit();
    }

    fn len(&self) -> usize {
        self.lock().len()
    }

    fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }
}

#[cfg(test)]
mod tests {
    //! Rules: D8.

    use governor::clock::FakeRelativeClock;

    use super::*;

    #[test]
    fn after_a_burst_calls_are_replenished_evenly() {
        let clock = FakeRelativeClock::default();
        let meter = RateMeter::with_clock(NonZeroU32::new(20).unwrap(), clock.clone());
        for _ in 0..20 {
            assert_eq!(meter.peek("ann"), Ok(()));
            assert_eq!(meter.count("ann"), Ok(()));
        }
        let wait = Wait(Duration::from_secs(3));
        assert_eq!((meter.peek("ann"), meter.count("ann")), (Err(wait), Err(wait)));
        assert_eq!(meter.count("bob"), Ok(()), "keys are independent");
        clock.advance(Duration::from_secs(3));
        assert_eq!((meter.peek("ann"), meter.peek("ann"), meter.count("ann")), (Ok(()), Ok(()), Ok(())), "peeking counts nothing");
        assert_eq!(meter.count("ann"), Err(wait));
    }

    #[test]
    fn idle_keys_are_removed() {
        let clock = FakeRelativeClock::default();
        let meter = RateMeter::with_clock(NonZeroU32::new(2).unwrap(), clock.clone());
        for key in 0..100 {
            meter.count(key).unwrap();
        }
        meter.remove_idle();
        assert_eq!(meter.limiter.len(), 100);
        clock.advance(Duration::from_mins(2));
        meter.count(7).unwrap();
        meter.remove_idle();
        assert_eq!(meter.limiter.len(), 1);
    }
}
