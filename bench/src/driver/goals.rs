//! Goals that were agreed upon, and whether they are kept.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;

use super::table::{Median, Results};

/// The goals of a file. Without one there is one goal all the same: nothing is lost.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Goals {
    goals: Vec<Goal>,
}

/// A bound of one figure. Bounds of the ratio hold on any machine; bounds of the value on one like that of `docs/performance.md`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Goal {
    scenario: String,
    figure: String,
    at_least: Option<f64>,
    at_most: Option<f64>,
    ratio_at_least: Option<f64>,
    ratio_at_most: Option<f64>,
    /// Whether it was reached: if so, it is to stay reached.
    reached: bool,
}

impl Goals {
    /// Reads a file.
    ///
    /// # Errors
    /// If it is not there or is none of these.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{}", path.display()))
    }

    /// Tells how each goal fares, of which something was measured, and gives whether none is missed that was reached before.
    pub(super) fn judge(&self, results: &Results) -> bool {
        let medians = results.medians();
        let mut kept = true;
        for goal in &self.goals {
            let Some(median) = medians.iter().find(|median| median.scenario == goal.scenario && median.name == goal.figure) else {
                continue;
            };
            let (is_met, says) = (goal.is_met(median), goal.says());
            let word = match (is_met, goal.reached) {
                (true, true) => "kept",
                (true, false) => "reached now",
                (false, true) => "MISSED",
                (false, false) => "not reached yet",
            };
            kept &= is_met || !goal.reached;
            let ratio = median.ratio.map(|ratio| format!(", {ratio:.2} × floor")).unwrap_or_default();
            println!("{word}: {} {}, {says}: {:.2}{ratio}", goal.scenario, goal.figure, median.value);
        }
        // Whatever the goals are: nothing may be lost, ever.
        for median in medians.iter().filter(|median| median.is_loss() && median.value > 0.0) {
            println!("MISSED: {} {}: {}", median.scenario, median.name, median.value);
            kept = false;
        }
        kept
    }
}

impl Goal {
    fn is_met(&self, median: &Median) -> bool {
        let within =
            |value: f64, low: Option<f64>, high: Option<f64>| low.is_none_or(|low| value >= low) && high.is_none_or(|high| value <= high);
        let ratio_counts = self.ratio_at_least.is_some() || self.ratio_at_most.is_some();
        within(median.value, self.at_least, self.at_most)
            && (!ratio_counts || median.ratio.is_some_and(|ratio| within(ratio, self.ratio_at_least, self.ratio_at_most)))
    }

    fn says(&self) -> String {
        let bounds = [
            ("at least", self.at_least, ""),
            ("at most", self.at_most, ""),
            ("at least", self.ratio_at_least, " × floor"),
            ("at most", self.ratio_at_most, " × floor"),
        ];
        let bounds = bounds.into_iter().filter_map(|(word, bound, unit)| Some(format!("{word} {}{unit}", bound?)));
        bounds.collect::<Vec<_>>().join(" and ")
    }
}
