//! Performance goals, and whether they are met.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;

use super::results::{Median, Results};

/// The goals of a file. That nothing is lost is always a goal, even without a file.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Goals {
    goals: Vec<Goal>,
}

/// A bound of one figure. Bounds of the ratio to the floor hold on any machine; bounds of the value on one like that of
/// `docs/performance.md`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Goal {
    scenario: String,
    figure: String,
    at_least: Option<f64>,
    at_most: Option<f64>,
    ratio_at_least: Option<f64>,
    ratio_at_most: Option<f64>,
    /// Whether the goal was reached before, and so must not be missed.
    reached: bool,
}

impl Goals {
    /// Reads a JSON file.
    ///
    /// # Errors
    /// If it cannot be read or is not valid.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{}", path.display()))
    }

    /// Prints the state of each goal that was measured. Returns whether all goals that were reached before are still met.
    pub(super) fn check(&self, results: &Results) -> bool {
        let medians = results.medians();
        let mut success = true;
        for goal in &self.goals {
            let Some(median) = medians.iter().find(|median| median.scenario == goal.scenario && median.name == goal.figure) else {
                continue;
            };
            let is_met = goal.is_met(median);
            let state = match (is_met, goal.reached) {
                (true, true) => "met",
                (true, false) => "newly met",
                (false, true) => "MISSED",
                (false, false) => "not met yet",
            };
            success &= is_met || !goal.reached;
            let ratio = median.ratio.map(|ratio| format!(", {ratio:.2} × floor")).unwrap_or_default();
            println!("{state}: {} {}, {}: {:.2}{ratio}", goal.scenario, goal.figure, goal.bounds(), median.value);
        }
        for median in medians.iter().filter(|median| median.is_loss() && median.value > 0.0) {
            println!("MISSED: {} {}: {}", median.scenario, median.name, median.value);
            success = false;
        }
        success
    }
}

impl Goal {
    fn is_met(&self, median: &Median) -> bool {
        let within =
            |value: f64, low: Option<f64>, high: Option<f64>| low.is_none_or(|low| value >= low) && high.is_none_or(|high| value <= high);
        let has_ratio = self.ratio_at_least.is_some() || self.ratio_at_most.is_some();
        within(median.value, self.at_least, self.at_most)
            && (!has_ratio || median.ratio.is_some_and(|ratio| within(ratio, self.ratio_at_least, self.ratio_at_most)))
    }

    fn bounds(&self) -> String {
        let bounds = [
            ("at least", self.at_least, ""),
            ("at most", self.at_most, ""),
            ("at least", self.ratio_at_least, " × floor"),
            ("at most", self.ratio_at_most, " × floor"),
        ];
        let bounds = bounds.into_iter().filter_map(|(relation, bound, unit)| Some(format!("{relation} {}{unit}", bound?)));
        bounds.collect::<Vec<_>>().join(" and ")
    }
}
