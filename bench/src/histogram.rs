//! Durations by the million in little memory.

use serde::{Deserialize, Serialize};

/// Buckets for each power of two: a value is known to less than 1 %.
const FINE: u32 = 128;
const FINE_BITS: u32 = FINE.trailing_zeros();

/// Counts durations in nanoseconds.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max: u64,
}

/// What is told of many durations, in microseconds; all 0 if there were none.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Summary {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self { buckets: vec![0; (u64::BITS as usize + 1) * FINE as usize], count: 0, max: 0 }
    }

    /// Counts one.
    pub(crate) fn add(&mut self, nanos: u64) {
        self.buckets[index(nanos)] += 1;
        self.count += 1;
        self.max = self.max.max(nanos);
    }

    /// The middle, the worst of a hundred, and the worst.
    pub(crate) fn summary(&self) -> Summary {
        Summary { p50: micros(self.quantile(50)), p99: micros(self.quantile(99)), max: micros(self.max) }
    }

    /// The smallest value that at least this many per cent do not exceed, to the precision of a bucket.
    fn quantile(&self, per_cent: u64) -> u64 {
        let wanted = (self.count * per_cent).div_ceil(100).max(1);
        let mut seen = 0;
        for (at, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return upper(at).min(self.max);
            }
        }
        0
    }
}

fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1000.0
}

fn index(value: u64) -> usize {
    let shift = (u64::BITS - value.leading_zeros()).saturating_sub(FINE_BITS + 1);
    let fine = value >> shift; // below 2 * FINE
    usize::try_from(u64::from(shift) * u64::from(FINE) + fine).unwrap_or(usize::MAX)
}

/// The largest value of a bucket.
fn upper(index: usize) -> u64 {
    let (index, fine) = (index as u64, u64::from(FINE));
    let shift = (index / fine).saturating_sub(1);
    let low = (index - shift * fine) << shift;
    low + (1 << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_told_to_less_than_one_per_cent() {
        for value in [0, 1, 127, 128, 255, 256, 1000, 123_456, 9_876_543_210, u64::MAX >> 1] {
            let told = upper(index(value));
            assert!(told >= value && told - value <= value / 100, "{value} was told as {told}");
        }
    }

    #[test]
    fn quantiles_are_those_of_the_values() {
        let mut histogram = Histogram::new();
        (1..=1000).for_each(|value| histogram.add(value * 1000));
        let Summary { p50, p99, max } = histogram.summary();
        assert!((500.0..505.0).contains(&p50) && (990.0..1000.0).contains(&p99), "{p50} {p99}");
        assert!((max - 1000.0).abs() < f64::EPSILON);
    }
}
