//! Collected results, as a Markdown table and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::figure::{Figure, LOST};

/// The median of a figure over all passes.
#[derive(Clone, Debug)]
pub(super) struct Median {
    pub(super) scenario: &'static str,
    pub(super) name: &'static str,
    unit: &'static str,
    pub(super) value: f64,
    floor: Option<f64>,
    /// The median of the passes' ratios to the floor, not the ratio of the medians.
    pub(super) ratio: Option<f64>,
}

impl Median {
    /// Whether the figure counts failures.
    pub(super) fn is_loss(&self) -> bool {
        self.unit == LOST
    }
}

/// All passes of all scenarios.
pub(super) struct Results {
    passes: usize,
    /// By scenario, then by pass.
    figures: Vec<(&'static str, Vec<Vec<Figure>>)>,
}

impl Results {
    pub(super) fn new(passes: usize) -> Self {
        Self { passes, figures: Vec::new() }
    }

    /// Adds one pass of a scenario.
    pub(super) fn add(&mut self, scenario: &'static str, figures: Vec<Figure>) {
        match self.figures.last_mut().filter(|(last, _)| *last == scenario) {
            Some((_, passes)) => passes.push(figures),
            None => self.figures.push((scenario, vec![figures])),
        }
    }

    /// The median of each figure, in the order of the first pass.
    pub(super) fn medians(&self) -> Vec<Median> {
        let scenario_medians = |(scenario, passes): &(&'static str, Vec<Vec<Figure>>)| {
            let names = passes.first().into_iter().flatten().map(|figure| (figure.name, figure.unit));
            let median = |(name, unit)| {
                let same = || passes.iter().flatten().filter(move |figure| figure.name == name);
                Median {
                    scenario,
                    name,
                    unit,
                    // Of failures, the worst pass counts.
                    value: if unit == LOST {
                        same().map(|figure| figure.value).fold(0.0, f64::max)
                    } else {
                        median_of(same().map(|figure| figure.value)).unwrap_or(0.0)
                    },
                    floor: median_of(same().filter_map(|figure| figure.floor)),
                    ratio: median_of(same().filter_map(|figure| Some(figure.value / figure.floor.filter(|floor| *floor > 0.0)?))),
                }
            };
            names.map(median).collect::<Vec<_>>()
        };
        self.figures.iter().flat_map(scenario_medians).collect()
    }

    /// Formats the medians as a Markdown table.
    pub(super) fn table(&self) -> String {
        let mut table = String::from("| scenario | figure | measured | floor | × floor |\n| --- | --- | ---: | ---: | ---: |\n");
        let mut last = "";
        for median in self.medians() {
            let scenario = if std::mem::replace(&mut last, median.scenario) == median.scenario { "" } else { median.scenario };
            let floor = median.floor.map(|floor| format_value(floor, median.unit)).unwrap_or_default();
            let ratio = median.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
            let value = format_value(median.value, median.unit);
            let _ = writeln!(table, "| {scenario} | {} | {value} | {floor} | {ratio} |", median.name);
        }
        table
    }

    /// The medians and the values of every pass.
    pub(super) fn json(&self) -> Value {
        let medians = self.medians().into_iter().map(|median| {
            let passes = self.figures.iter().filter(|(scenario, _)| *scenario == median.scenario).flat_map(|(_, passes)| passes);
            let values: Vec<f64> = passes.flatten().filter(|figure| figure.name == median.name).map(|figure| figure.value).collect();
            json!({
                "scenario": median.scenario, "figure": median.name, "unit": median.unit, "value": median.value,
                "floor": median.floor, "ratio": median.ratio, "passes": values,
            })
        });
        json!({ "passes": self.passes, "figures": medians.collect::<Vec<_>>() })
    }
}

fn median_of(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        length if length % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

fn format_value(value: f64, unit: &str) -> String {
    let number = match value.abs() {
        size if size >= 100.0 => group_digits(value),
        size if size >= 10.0 => format!("{value:.1}"),
        0.0 => "0".to_owned(),
        _ => format!("{value:.2}"),
    };
    if unit == LOST { number } else { format!("{number} {unit}") }
}

/// Formats a number with thousands separators.
fn group_digits(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_formatted_with_separators_and_units() {
        assert_eq!(format_value(1_234_567.4, "events/s"), "1,234,567 events/s");
        assert_eq!(format_value(0.523, "µs"), "0.52 µs");
        assert_eq!(format_value(-1234.0, "KiB"), "-1,234 KiB");
        assert_eq!(format_value(0.0, LOST), "0");
    }

    #[test]
    fn the_median_of_an_even_number_of_values_is_the_mean_of_the_middle_two() {
        assert_eq!(median_of([4.0, 1.0, 3.0, 2.0].into_iter()), Some(2.5));
        assert_eq!(median_of([9.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median_of(std::iter::empty()), None);
    }
}
