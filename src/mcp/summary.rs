//! Runs as the tools return them: the fields that a model needs, of bounded size.

use serde_json::{Map, Value, json};

use super::path::uri_of_run;

/// The fields of a run that a result contains, in their order. Absent and null ones are left out.
const FIELDS: [&str; 18] = [
    "run_id",
    "session_id",
    "status",
    "cause",
    "message",
    "agent_type",
    "model",
    "title",
    "working_dir",
    "queue_position",
    "waits_until",
    "created_at",
    "started_at",
    "ended_at",
    "last_seq",
    "exit_code",
    "usage",
    "output",
];

/// Maximum length of a run's answer in a result, in characters. MCP clients bound the results of tools; the resource of the run has all.
const MAX_ANSWER: usize = 50_000;

/// A run without its answer.
pub(super) fn of_list(run: &Value) -> Value {
    let mut fields = Map::new();
    for name in FIELDS {
        if let Some(value) = run.get(name).filter(|value| !value.is_null()) {
            fields.insert(name.to_owned(), value.clone());
        }
    }
    fields.into()
}

/// A run with its answer, and its open requests.
pub(super) fn of_run(run: &Value, requests: &[Value]) -> Value {
    let mut summary = of_list(run);
    if let Some(answer) = run["result"].as_str() {
        match answer.char_indices().nth(MAX_ANSWER) {
            None => summary["result"] = answer.into(),
            Some((end, _next)) => {
                summary["result"] = answer[..end].into();
                summary["result_is_cut"] = format!("all of it is in the resource {}", uri_of_run(&id(run))).into();
            }
        }
    }
    if !requests.is_empty() {
        summary["requests"] = json!(requests);
        summary["next"] = "the agent waits for an answer: use answer_request".into();
    } else if !is_ended(run) {
        summary["next"] = "the run goes on: use wait_for_run".into();
    }
    summary
}

/// The ID of a run.
pub(super) fn id(run: &Value) -> String {
    run["run_id"].as_str().unwrap_or_default().to_owned()
}

/// The status of a run.
pub(super) fn status(run: &Value) -> &str {
    run["status"].as_str().unwrap_or_default()
}

/// Whether a run has ended.
pub(super) fn is_ended(run: &Value) -> bool {
    run.get("ended_at").is_some_and(Value::is_string)
}

/// Whether a run has ended as it should.
pub(super) fn is_completed(run: &Value) -> bool {
    status(run) == "completed"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_answer_is_cut_at_a_character_and_says_where_the_rest_is() {
        let run = json!({ "run_id": "run_1", "status": "completed", "ended_at": "2026-11-22T13:05:12.000Z", "result": "é".repeat(MAX_ANSWER + 1) });
        let summary = of_run(&run, &[]);
        assert_eq!(summary["result"].as_str().unwrap().chars().count(), MAX_ANSWER);
        assert_eq!(summary["result_is_cut"], "all of it is in the resource openrunner://runs/run_1");
        assert_eq!(summary.get("next"), None);
    }

    #[test]
    fn a_live_run_says_what_to_do_next() {
        let run = json!({ "run_id": "run_1", "status": "waiting", "ended_at": null });
        assert_eq!(of_run(&run, &[json!({"id": "perm_1"})])["next"], "the agent waits for an answer: use answer_request");
        assert_eq!(of_run(&run, &[])["next"], "the run goes on: use wait_for_run");
    }
}
