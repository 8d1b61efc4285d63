//! What was measured, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::scenarios::Scenario;

/// One figure of one pass.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) value: f64,
    /// The same of the floor, in the same pass.
    pub(super) floor: Option<f64>,
}

impl Figure {
    pub(super) fn new(name: &'static str, unit: &'static str, value: f64) -> Self {
        Self { name, unit, value, floor: None }
    }

    pub(super) fn over(mut self, floor: f64) -> Self {
        self.floor = Some(floor);
        self
    }
}

/// The median of a figure over all passes.
#[derive(Clone, Debug)]
pub(super) struct Median {
    pub(super) scenario: &'static str,
    pub(super) name: &'static str,
    unit: &'static str,
    pub(super) value: f64,
    floor: Option<f64>,
    /// The median of the passes' ratios, and not the ratio of the medians.
    pub(super) ratio: Option<f64>,
}

impl Median {
    /// Whether the figure counts what must not be.
    pub(super) fn is_loss(&self) -> bool {
        self.unit == "lost"
    }
}

/// All passes of all scenarios.
pub(super) struct Results {
    passes: usize,
    figures: Vec<(&'static Scenario, Vec<Vec<Figure>>)>,
}

impl Results {
    pub(super) fn new(passes: usize) -> Self {
        Self { passes, figures: Vec::new() }
    }

    /// Adds one pass of a scenario.
    pub(super) fn add(&mut self, scenario: &'static Scenario, figures: Vec<Figure>) {
        match self.figures.last_mut().filter(|(last, _)| last.name == scenario.name) {
            Some((_, passes)) => passes.push(figures),
            None => self.figures.push((scenario, vec![figures])),
        }
    }

    /// One median for each figure, in the order of their first pass.
    pub(super) fn medians(&self) -> Vec<Median> {
        let of_scenario = |(scenario, passes): &(&'static Scenario, Vec<Vec<Figure>>)| {
            let names = passes.first().into_iter().flatten().map(|figure| (figure.name, figure.unit));
            let median = |(name, unit)| {
                let same = || passes.iter().flatten().filter(move |figure| figure.name == name);
                Median {
                    scenario: scenario.name,
                    name,
                    unit,
                    // Of what is wrong, the worst pass counts.
                    value: if unit == "lost" {
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
        self.figures.iter().flat_map(of_scenario).collect()
    }

    /// A table in Markdown.
    pub(super) fn table(&self) -> String {
        let mut table = String::from("| scenario | figure | measured | floor | × floor |\n| --- | --- | ---: | ---: | ---: |\n");
        let mut last = "";
        for median in self.medians() {
            let scenario = if std::mem::replace(&mut last, median.scenario) == median.scenario { "" } else { median.scenario };
            let floor = median.floor.map(|floor| shown(floor, median.unit)).unwrap_or_default();
            let ratio = median.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
            let value = shown(median.value, median.unit);
            let _ = writeln!(table, "| {scenario} | {} | {value} | {floor} | {ratio} |", median.name);
        }
        table
    }

    /// The same, with every pass.
    pub(super) fn json(&self) -> Value {
        let medians = self.medians().into_iter().map(|median| {
            let passes = self.figures.iter().filter(|(scenario, _)| scenario.name == median.scenario).flat_map(|(_, passes)| passes);
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

fn shown(value: f64, unit: &str) -> String {
    let number = match value.abs() {
        size if size >= 100.0 => grouped(value),
        size if size >= 10.0 => format!("{value:.1}"),
        0.0 => "0".to_owned(),
        _ => format!("{value:.2}"),
    };
    if unit == "lost" { number } else { format!("{number} {unit}") }
}

/// With a comma after every third digit.
fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
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
    fn numbers_are_shown_as_people_read_them() {
        assert_eq!(shown(1_234_567.4, "events/s"), "1,234,567 events/s");
        assert_eq!(shown(0.523, "µs"), "0.52 µs");
        assert_eq!(shown(-1234.0, "KiB"), "-1,234 KiB");
        assert_eq!(shown(0.0, "lost"), "0");
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_two_in_the_middle() {
        assert_eq!(median_of([4.0, 1.0, 3.0, 2.0].into_iter()), Some(2.5));
        assert_eq!(median_of([9.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median_of(std::iter::empty()), None);
    }
}
