//! Plans, from the protocol's `plan` updates and from the input of to-do tools.

use serde_json::Value;

use crate::types::{PlanEntry, PlanStatus};

/// The entries of a plan. Malformed and cancelled entries are omitted.
pub(crate) fn plan_entries(entries: &[Value]) -> Vec<PlanEntry> {
    let entry = |entry: &Value| {
        let status = match entry.get("status").and_then(Value::as_str) {
            Some("cancelled") => return None,
            Some("in_progress") => PlanStatus::InProgress,
            Some("completed") => PlanStatus::Completed,
            _ => PlanStatus::Pending,
        };
        Some(PlanEntry { content: entry.get("content")?.as_str()?.to_owned(), status })
    };
    entries.iter().filter_map(entry).collect()
}
