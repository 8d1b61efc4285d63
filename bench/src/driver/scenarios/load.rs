//! What hundreds of agents do at once: their scripts, which differ in phase, rate and pauses but are the same in every pass.

use std::path::PathBuf;

use crate::script::{Script, Step};

const MICROS_PER_SEC: u64 = 1_000_000;
/// How long an agent stays after its last event, so that the CPU time of its shim can be sampled, in milliseconds.
const FINAL_PAUSE_MS: u64 = 1000;

/// What the agents of a scenario do.
#[derive(Clone, Copy, Debug)]
pub(super) enum Load {
    /// The same rate for all, in events per second.
    Steady { rate: u64 },
    /// As users work: bursts of 20 to 200 events per second, and after each a tool call, which may ask for permission, or a pause of at
    /// most `pause_secs`.
    Mixed { pause_secs: u64 },
}

impl Load {
    /// The script of one of `runs` agents, which writes for about `secs` seconds once the gate is open.
    pub(super) fn script(self, gate: PathBuf, (run, runs): (u64, u64), secs: u64) -> Script {
        let mut steps = vec![Step::Gate(gate)];
        match self {
            Self::Steady { rate } => {
                // Spread over one interval between events.
                steps.push(Step::PauseMicros(MICROS_PER_SEC / rate * run / runs));
                steps.push(Step::events(rate * secs, rate));
            }
            Self::Mixed { pause_secs } => {
                let mut random = Random(run);
                let end = secs * MICROS_PER_SEC;
                let mut at = random.within(0, pause_secs.min(2) * MICROS_PER_SEC);
                steps.push(Step::PauseMicros(at));
                while at < end {
                    let (rate, micros) = (random.within(20, 200), random.within(MICROS_PER_SEC / 2, 2 * MICROS_PER_SEC));
                    let count = (rate * micros / MICROS_PER_SEC).max(1);
                    steps.push(Step::events(count, rate));
                    let (micros, asks) = (random.within(MICROS_PER_SEC / 10, MICROS_PER_SEC / 2), random.within(0, 3) == 0);
                    let pause = random.within(MICROS_PER_SEC, pause_secs.max(1) * MICROS_PER_SEC);
                    let (step, micros) =
                        if random.within(0, 1) == 0 { (Step::Tool { micros, asks }, micros) } else { (Step::PauseMicros(pause), pause) };
                    steps.push(step);
                    at += count * MICROS_PER_SEC / rate + micros;
                }
            }
        }
        Script { steps }.with_final_pause(FINAL_PAUSE_MS)
    }

    /// The number of readers of a run.
    pub(super) fn readers(self, run: u64) -> usize {
        match self {
            Self::Steady { .. } => 1,
            Self::Mixed { .. } => usize::try_from(1 + run % 3).unwrap_or(1),
        }
    }
}

/// A sequence of numbers that depends only on its seed (splitmix64).
struct Random(u64);

impl Random {
    /// The next number between `low` and `high`, inclusive.
    fn within(&mut self, low: u64, high: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        low + (bits ^ (bits >> 31)) % (high.max(low) - low + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_the_same_each_time_and_differ_between_runs() {
        let script = |run| Load::Mixed { pause_secs: 3 }.script("gate".into(), (run, 100), 10).to_prompt();
        assert_eq!(script(7), script(7));
        assert_ne!(script(7), script(8));
    }

    #[test]
    fn steady_runs_are_spread_over_one_interval() {
        let load = Load::Steady { rate: 100 };
        let pause = |run| match load.script("gate".into(), (run, 4), 1).steps[1] {
            Step::PauseMicros(micros) => micros,
            ref other => panic!("{other:?}"),
        };
        assert_eq!([0, 1, 2, 3].map(pause), [0, 2500, 5000, 7500]);
    }
}
