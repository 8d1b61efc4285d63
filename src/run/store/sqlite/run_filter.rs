//! The filter of runs as conditions of a query.

use super::sql::Conditions;
use crate::run::store::RunFilter;
use crate::types::Timestamp;

/// Adds the terms of a filter. A damaged `spec` has no labels.
pub(super) fn conditions(filter: RunFilter, mut conditions: Conditions) -> Conditions {
    const LABELS: &str = "EXISTS (SELECT 1 FROM json_each(iif(json_valid(spec), spec, '{}'), '$.labels') AS label WHERE";
    let RunFilter { owner, status, agent_type, session, label, since, before } = filter;
    conditions.add_owner(owner);
    let names = (!status.is_empty()).then(|| status.iter().map(|status| status.as_str()).collect::<Vec<_>>());
    conditions.add("status IN (SELECT value FROM json_each(?))", names.map(|names| serde_json::json!(names).to_string()));
    conditions.add("agent_type = ?", agent_type);
    conditions.add("session_id = ?", session.map(|session| session.to_string()));
    let label = label.map(|(key, value)| serde_json::json!([key, value]).to_string());
    conditions.add(&format!("{LABELS} json_array(label.key, label.value) = ?)"), label);
    conditions.add("created_at >= ?", since.map(Timestamp::as_millis));
    conditions.add("id < ?", before.map(|before| before.to_string()));
    conditions
}
