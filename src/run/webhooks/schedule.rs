//! When a delivery is tried again.

use std::time::Duration;

/// Longest wait that a receiver may ask for by `Retry-After`.
const LONGEST_ASKED: Duration = Duration::from_hours(1);

/// The wait before the next attempt, after `failed` failed ones, of which there is at least one; `None` when it is given up. The waits are
/// those of `schedule`, each up to a fifth shorter or longer by `random`, and never shorter than what the receiver has asked for.
pub(super) fn wait(schedule: &[Duration], failed: u32, asked: Option<Duration>, random: u32) -> Option<Duration> {
    let base = schedule.get(usize::try_from(failed).ok()?.checked_sub(1)?)?;
    let factor = 0.8 + 0.4 * f64::from(random) / f64::from(u32::MAX);
    Some(base.mul_f64(factor).max(asked.unwrap_or_default().min(LONGEST_ASKED)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_follow_the_schedule_within_a_fifth_and_end_with_it() {
        let schedule = [5, 30].map(Duration::from_secs);
        for random in [0, 7, u32::MAX / 2, u32::MAX] {
            let first = wait(&schedule, 1, None, random).unwrap();
            assert!(first >= Duration::from_secs(4) && first <= Duration::from_secs(6), "{first:?}");
        }
        assert_eq!(wait(&schedule, 2, None, 0), Some(Duration::from_secs(24)));
        assert_eq!(wait(&schedule, 3, None, 0), None);
    }

    #[test]
    fn a_receiver_may_ask_for_a_longer_wait_within_bounds() {
        let schedule = [Duration::from_secs(5)];
        assert_eq!(wait(&schedule, 1, Some(Duration::from_mins(2)), 0), Some(Duration::from_mins(2)));
        assert_eq!(wait(&schedule, 1, Some(Duration::from_hours(100)), 0), Some(LONGEST_ASKED));
        assert_eq!(wait(&schedule, 1, Some(Duration::ZERO), 0), Some(Duration::from_secs(4)));
    }
}
