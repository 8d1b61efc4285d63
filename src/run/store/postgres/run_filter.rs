//! The filter of runs as conditions of a query.

use super::sql::Conditions;
use super::value::Value;
use crate::run::store::RunFilter;
use crate::types::Timestamp;

/// A label as it is stored.
pub(super) fn label(name: &str, value: &str) -> String {
    serde_json::json!([name, value]).to_string()
}

/// Adds the terms of a filter on `runs`.
pub(super) fn conditions(filter: RunFilter, mut conditions: Conditions) -> Conditions {
    let RunFilter { owner, status, agent_type, session, label: wanted, since, before } = filter;
    conditions.add_owner("runs.owner", owner);
    let names: Vec<String> = status.iter().map(|status| status.as_str().to_owned()).collect();
    conditions.add("runs.status = ANY (?)", (!names.is_empty()).then_some(names));
    conditions.add("runs.agent_type = ?", agent_type);
    conditions.add("runs.session_id = ?", session.map(|session| session.to_string()));
    let wanted = wanted.map(|(name, value)| Value::from(vec![label(&name, &value)]));
    conditions.add("runs.labels @> ?", wanted);
    conditions.add("runs.created_at >= ?", since.map(Timestamp::as_millis));
    conditions.add("runs.id < ?", before.map(|before| before.to_string()));
    conditions
}
