//! A histogram of durations in constant memory.

use serde::{Deserialize, Serialize};

/// Buckets per power of two; the relative error is below 1 %.
const SUB_BUCKETS: u32 = 128;
const SUB_BUCKET_BITS: u32 = SUB_BUCKETS.trailing_zeros();

/// Counts durations in nanoseconds.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max: u64,
}

/// Quantiles in microseconds; all 0 if the histogram is empty.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Summary {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self { buckets: vec![0; (u64::BITS as usize + 1) * SUB_BUCKETS as usize], count: 0, max: 0 }
    }

    /// Adds one duration.
    pub(crate) fn add(&mut self, nanos: u64) {
        self.buckets[bucket_index(nanos)] += 1;
        self.count += 1;
        self.max = self.max.max(nanos);
    }

    /// The median, the 99th percentile and the maximum.
    pub(crate) fn summary(&self) -> Summary {
        Summary { p50: micros(self.percentile(50)), p99: micros(self.percentile(99)), max: micros(self.max) }
    }

    /// The smallest value that at least this percentage of values does not exceed, within the precision of a bucket.
    fn percentile(&self, percent: u64) -> u64 {
        let rank = (self.count * percent).div_ceil(100).max(1);
        let mut cumulative = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            cumulative += count;
            if cumulative >= rank {
                return bucket_max(index).min(self.max);
            }
        }
        0
    }
}

fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1000.0
}

fn bucket_index(value: u64) -> usize {
    let shift = (u64::BITS - value.leading_zeros()).saturating_sub(SUB_BUCKET_BITS + 1);
    let sub_bucket = value >> shift; // below 2 * SUB_BUCKETS
    usize::try_from(u64::from(shift) * u64::from(SUB_BUCKETS) + sub_bucket).unwrap_or(usize::MAX)
}

/// The largest value of a bucket.
fn bucket_max(index: usize) -> u64 {
    let (index, sub_buckets) = (index as u64, u64::from(SUB_BUCKETS));
    let shift = (index / sub_buckets).saturating_sub(1);
    let low = (index - shift * sub_buckets) << shift;
    low + (1 << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_relative_error_is_below_one_percent() {
        for value in [0, 1, 127, 128, 255, 256, 1000, 123_456, 9_876_543_210, u64::MAX >> 1] {
            let reported = bucket_max(bucket_index(value));
            assert!(reported >= value && reported - value <= value / 100, "{value} was reported as {reported}");
        }
    }

    #[test]
    fn the_summary_matches_the_values() {
        let mut histogram = Histogram::new();
        (1..=1000).for_each(|value| histogram.add(value * 1000));
        let Summary { p50, p99, max } = histogram.summary();
        assert!((500.0..505.0).contains(&p50) && (990.0..1000.0).contains(&p99), "{p50} {p99}");
        assert!((max - 1000.0).abs() < f64::EPSILON);
    }
}
