//! Runs as tasks of MCP.

use rmcp::model::{CallToolResult, DetailedTask, Task, TaskPayload, TaskStatus};
use serde_json::Value;

use super::wait::Awaited;
use super::{input_requests, summary};

/// How often a client is asked to look at a task, in milliseconds.
const POLL_MS: u64 = 1_000;

/// The task of a run.
pub(super) fn of_run(awaited: &Awaited) -> DetailedTask {
    let run = &awaited.run;
    let payload = if summary::status(run) == "cancelled" {
        TaskPayload::Cancelled
    } else if summary::is_ended(run) {
        TaskPayload::Completed { result: result_object(&result(awaited)) }
    } else if awaited.requests.is_empty() {
        TaskPayload::Working
    } else {
        TaskPayload::InputRequired { input_requests: input_requests::to_forms(&awaited.requests) }
    };
    DetailedTask::new(base(run), payload)
}

/// The task of a run that was just created.
pub(super) fn created(run: &Value) -> Task {
    base(run)
}

/// What a tool returns about a run. A run that has ended and is not completed is an error.
pub(super) fn result(awaited: &Awaited) -> CallToolResult {
    let structured = summary::of_run(&awaited.run, &awaited.requests);
    if summary::is_ended(&awaited.run) && !summary::is_completed(&awaited.run) {
        CallToolResult::structured_error(structured)
    } else {
        CallToolResult::structured(structured)
    }
}

fn result_object(result: &CallToolResult) -> rmcp::model::JsonObject {
    match serde_json::to_value(result) {
        Ok(Value::Object(object)) => object,
        // It is an object of strings and JSON values.
        _ => rmcp::model::JsonObject::new(),
    }
}

fn base(run: &Value) -> Task {
    let time = |name: &str| run[name].as_str();
    let created = time("created_at").unwrap_or_default();
    let updated = time("ended_at").or(time("started_at")).unwrap_or(created);
    let status = match run["queue_position"].as_u64() {
        Some(ahead) => format!("queued, {ahead} runs are ahead"),
        None => summary::status(run).to_owned(),
    };
    Task::new(summary::id(run), TaskStatus::Working, created, updated).with_status_message(status).with_poll_interval_ms(POLL_MS)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn task(status: &str, ended: bool, requests: Vec<Value>) -> Value {
        let run = json!({
            "run_id": "run_1", "status": status, "created_at": "2026-11-22T13:05:00.001Z", "result": "done",
            "ended_at": ended.then_some("2026-11-22T13:05:12.000Z"),
        });
        serde_json::to_value(of_run(&Awaited { run, requests })).unwrap()
    }

    #[test]
    fn each_status_of_a_run_is_one_of_a_task() {
        assert_eq!(task("queued", false, vec![])["status"], "working");
        assert_eq!(task("running", false, vec![])["status"], "working");
        assert_eq!(task("stopping", false, vec![])["status"], "working");
        assert_eq!(task("cancelled", true, vec![])["status"], "cancelled");
        for (status, is_error) in [("completed", false), ("failed", true), ("timed_out", true), ("interrupted", true)] {
            let task = task(status, true, vec![]);
            assert_eq!(task["status"], "completed", "{status}");
            assert_eq!(task["result"]["isError"], is_error, "{status}");
            assert_eq!(task["result"]["structuredContent"]["result"], "done");
        }
    }

    #[test]
    fn a_run_that_waits_for_an_answer_requires_input_and_one_that_waits_for_a_limit_does_not() {
        let request = json!({ "id": "perm_1", "type": "permission", "tool": "bash", "input": {}, "options": ["allow_once", "deny"] });
        let waiting = task("waiting", false, vec![request]);
        assert_eq!(waiting["status"], "input_required");
        assert_eq!(waiting["inputRequests"]["perm_1"]["method"], "elicitation/create");
        assert_eq!(task("waiting", false, vec![])["status"], "working");
    }
}
