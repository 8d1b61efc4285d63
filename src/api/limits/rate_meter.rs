//! A limit by key that can be looked at without being counted against.

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

/// So many a minute for each key, all of them at once if need be, and then as they grow back.
#[derive(Debug)]
pub(super) struct RateMeter<K: Clone + Eq + Hash, C: Clock = DefaultClock> {
    limiter: RateLimiter<Asked<K>, RateState<K>, C, NoOpMiddleware<C::Instant>>,
}

/// The limit is reached; after this time one more is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wait(pub(super) Duration);

/// A key, and whether one is to be counted against it or it is only looked at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Asked<K> {
    key: K,
    counts: bool,
}

/// Where each key stands.
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

    /// Counts one against `key`.
    ///
    /// # Errors
    /// [`Wait`] if there is none left; then nothing is counted.
    pub(super) fn count(&self, key: K) -> Result<(), Wait> {
        self.ask(&Asked { key, counts: true })
    }

    /// Whether [`RateMeter::count`] would count one.
    ///
    /// # Errors
    /// [`Wait`] if there is none left.
    pub(super) fn peek(&self, key: K) -> Result<(), Wait> {
        self.ask(&Asked { key, counts: false })
    }

    fn ask(&self, asked: &Asked<K>) -> Result<(), Wait> {
        self.limiter.check_key(asked).map_err(|until| Wait(until.wait_time_from(self.limiter.clock().now())))
    }

    /// Forgets the keys that stand as if they had never been there. Whoever sends new ones all the time would fill the memory otherwise.
    pub(super) fn tidy(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}

impl<K: Eq + Hash> RateState<K> {
    fn standings(&self) -> MutexGuard<'_, HashMap<K, Nanos>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Clone + Eq + Hash> StateStore for RateState<K> {
    type Key = Asked<K>;

    fn measure_and_replace<T, F, E>(&self, asked: &Asked<K>, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut standings = self.standings();
        let (outcome, standing) = measure(standings.get(&asked.key).copied())?;
        if asked.counts {
            standings.insert(asked.key.clone(), standing);
        }
        Ok(outcome)
    }
}

impl<K: Clone + Eq + Hash> ShrinkableKeyedStateStore<Asked<K>> for RateState<K> {
    fn retain_recent(&self, drop_below: Nanos) {
        self.standings().retain(|_key, standing| *standing > drop_below);
    }

    fn shrink_to_fit(&self) {
        self.standings().shrink_to_fit();
    }

    fn len(&self) -> usize {
        self.standings().len()
    }

    fn is_empty(&self) -> bool {
        self.standings().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    #[test]
    fn d8_so_many_are_counted_and_then_one_has_to_wait() {
        let clock = FakeRelativeClock::default();
        let rate_meter = RateMeter::with_clock(NonZeroU32::new(20).unwrap(), clock.clone());
        for _ in 0..20 {
            assert_eq!(rate_meter.peek("ann"), Ok(()));
            assert_eq!(rate_meter.count("ann"), Ok(()));
        }
        let wait = Wait(Duration::from_secs(3));
        assert_eq!((rate_meter.peek("ann"), rate_meter.count("ann")), (Err(wait), Err(wait)));
        assert_eq!(rate_meter.count("bob"), Ok(()), "each key has its own count");
        clock.advance(Duration::from_secs(3));
        assert_eq!(
            (rate_meter.peek("ann"), rate_meter.peek("ann"), rate_meter.count("ann")),
            (Ok(()), Ok(()), Ok(())),
            "a look counts nothing"
        );
        assert_eq!(rate_meter.count("ann"), Err(wait));
    }

    #[test]
    fn d8_whoever_has_not_come_for_long_is_forgotten() {
        let clock = FakeRelativeClock::default();
        let rate_meter = RateMeter::with_clock(NonZeroU32::new(2).unwrap(), clock.clone());
        for key in 0..100 {
            rate_meter.count(key).unwrap();
        }
        rate_meter.tidy();
        assert_eq!(rate_meter.limiter.len(), 100);
        clock.advance(Duration::from_mins(2));
        rate_meter.count(7).unwrap();
        rate_meter.tidy();
        assert_eq!(rate_meter.limiter.len(), 1);
    }
}
