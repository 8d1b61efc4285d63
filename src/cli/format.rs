//! Formats values for people: counts, durations, ages, ids, usage.

use std::collections::BTreeSet;

use serde_json::Value;

use super::terminal;
use crate::types::{Clock, SystemClock, Timestamp, Usage};

/// Minimum number of digits of a shortened id: those that hold the time of creation.
const MIN_DIGITS: usize = 12;

/// A count with its noun: `1 run`, `2 runs`.
pub(super) fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// A field of a JSON object as text; empty if it is absent or null.
pub(super) fn field(object: &Value, name: &str) -> String {
    match &object[name] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// A value of a closed list for people: `timed_out` becomes `timed out`.
pub(super) fn words(object: &Value, name: &str) -> String {
    field(object, name).replace('_', " ")
}

/// The items of a page of the API.
pub(super) fn items(page: &Value) -> impl Iterator<Item = &Value> {
    page["items"].as_array().into_iter().flatten()
}

/// Tokens and cost.
pub(super) fn usage(usage: &Usage) -> String {
    let cached = usage.cache_read_tokens + usage.cache_write_tokens;
    let cached = if cached > 0 { format!(" (plus {cached} cached)") } else { String::new() };
    let about = if usage.cost_is_estimate { "about " } else { "" };
    let cost = usage.cost_usd.map(|cost| format!(", {about}${cost:.4}")).unwrap_or_default();
    let at_least = if usage.tokens_are_partial { "at least " } else { "" };
    format!("{at_least}{} in{cached}, {} out{cost}", count(usage.input_tokens, "token"), usage.output_tokens)
}

/// A duration in milliseconds.
pub(super) fn duration(millis: u64) -> String {
    let seconds = millis / 1000;
    match seconds {
        0 => format!("{millis} ms"),
        1..60 => format!("{seconds}.{} s", millis % 1000 / 100),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// The time since `created_at`, in its largest unit; empty if there is none.
pub(super) fn age(object: &Value) -> String {
    let Some(created) = object["created_at"].as_str().and_then(Timestamp::parse) else { return String::new() };
    largest_unit(SystemClock.now().as_millis().saturating_sub(created.as_millis()) / 1000)
}

fn largest_unit(seconds: i64) -> String {
    match seconds {
        ..0 => "now".to_owned(),
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// The ids in `name` of each item: in full for programs, as short as they stay distinct for people.
pub(super) fn ids(items: &[Value], name: &str) -> Vec<String> {
    let ids: Vec<String> = items.iter().map(|item| field(item, name)).collect();
    if terminal::is_stdout() { shorten(&ids) } else { ids }
}

/// Prefixes of ids, all of one length: the shortest at which no two are the same.
fn shorten(ids: &[String]) -> Vec<String> {
    let cut = |length: usize| ids.iter().map(move |id| id.chars().take("run_".len() + length).collect::<String>());
    let distinct = ids.iter().collect::<BTreeSet<_>>().len();
    let are_distinct = |length: &usize| cut(*length).collect::<BTreeSet<_>>().len() == distinct;
    cut((MIN_DIGITS..32).find(are_distinct).unwrap_or(32)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_a_plural() {
        assert_eq!([count(0, "run"), count(1, "run"), count(2, "run")], ["0 runs", "1 run", "2 runs"]);
    }

    #[test]
    fn ids_are_shortened_as_far_as_they_stay_distinct() {
        let ids = |ids: &[&str]| shorten(&ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>());
        assert_eq!(ids(&["run_0198a8f0c0de70001111", "run_0198a8f0ffff70001111"]), ["run_0198a8f0c0de", "run_0198a8f0ffff"]);
        assert_eq!(ids(&["run_0198a8f0c0de70001111", "run_0198a8f0c0de70002111"]), ["run_0198a8f0c0de70001", "run_0198a8f0c0de70002"]);
        assert!(ids(&[]).is_empty());
    }

    #[test]
    fn ages_use_the_largest_unit() {
        assert_eq!([-5, 5, 65, 7200, 200_000].map(largest_unit), ["now", "5 s", "1 min", "2 h", "2 d"]);
    }
}
