//! When a delivery is retried.

use std::time::Duration;

/// Maximum wait that a receiver can request with `Retry-After`.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);

/// The wait before the next attempt after `failed` failed ones (at least 1); `None` if the endpoint is to be abandoned. It is the wait in
/// `schedule`, varied by `random` by up to a fifth in either direction, and at least `retry_after`.
pub(super) fn next_wait(schedule: &[Duration], failed: u32, retry_after: Option<Duration>, random: u32) -> Option<Duration> {
    let base = schedule.get(usize::try_from(failed).ok()?.checked_sub(1)?)?;
    let factor = 0.8 + 0.4 * f64::from(random) / f64::from(u32::MAX);
    Some(base.mul_f64(factor).max(retry_after.unwrap_or_default().min(MAX_RETRY_AFTER)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_follow_the_schedule_within_a_fifth_and_end_with_it() {
        let schedule = [5, 30].map(Duration::from_secs);
        for random in [0, 7, u32::MAX / 2, u32::MAX] {
            let first = next_wait(&schedule, 1, None, random).unwrap();
            assert!(first >= Duration::from_secs(4) && first <= Duration::from_secs(6), "{first:?}");
        }
        assert_eq!(next_wait(&schedule, 2, None, 0), Some(Duration::from_secs(24)));
        assert_eq!(next_wait(&schedule, 3, None, 0), None);
    }

    #[test]
    fn a_receiver_can_request_a_longer_wait_within_limits() {
        let schedule = [Duration::from_secs(5)];
        assert_eq!(next_wait(&schedule, 1, Some(Duration::from_mins(2)), 0), Some(Duration::from_mins(2)));
        assert_eq!(next_wait(&schedule, 1, Some(Duration::from_hours(100)), 0), Some(MAX_RETRY_AFTER));
        assert_eq!(next_wait(&schedule, 1, Some(Duration::ZERO), 0), Some(Duration::from_secs(4)));
    }
}
