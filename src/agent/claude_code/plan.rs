//! The agent's plan, from the calls of its task tools.
//!
//! `TaskCreate` and `TaskUpdate` change one step at a time and take effect only if they succeed (recording `plan_task_tools`). `TodoWrite`,
//! a tool of older versions, replaces the whole list.

use serde::Deserialize;
use serde_json::Value;

use super::wire::CreatedTask;
use crate::agent::Output;
use crate::agent::common::{Limit, cut};
use crate::types::bounds::MAX_PLAN_STEPS;
use crate::types::{PlanEntry, PlanStatus, StreamEvent};

/// Maximum length of a step's text in bytes. Every change emits all steps.
const MAX_TEXT: usize = 512;

/// The current plan.
#[derive(Debug)]
pub(super) struct Plan {
    steps: Vec<Step>,
    /// Number of steps that were created, whose ids the program counts from 1.
    created: usize,
    limit: Limit,
}

impl Default for Plan {
    fn default() -> Self {
        let limit = Limit::new("plan_steps", MAX_PLAN_STEPS, "the plan shows only the newest steps");
        Self { steps: Vec::new(), created: 0, limit }
    }
}

#[derive(Debug)]
struct Step {
    id: String,
    entry: PlanEntry,
}

/// The change of a tool call to the plan.
#[derive(Debug)]
pub(super) enum PlanChange {
    Create { subject: String },
    Update { id: String, status: Option<String>, subject: Option<String> },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TaskUpdate {
    task_id: String,
    status: Option<String>,
    subject: Option<String>,
}

#[derive(Deserialize)]
struct TodoWrite {
    todos: Vec<Todo>,
}

#[derive(Deserialize)]
struct Todo {
    content: String,
    status: String,
}

impl PlanChange {
    /// The change of a call of this tool. `None` if it is not a task tool.
    pub(super) fn from_call(tool: &str, input: &Value) -> Option<Self> {
        match tool {
            "TaskCreate" => Some(Self::Create { subject: cut(input.get("subject")?.as_str()?.to_owned(), MAX_TEXT) }),
            "TaskUpdate" => {
                let TaskUpdate { task_id: id, status, subject } = TaskUpdate::deserialize(input).ok()?;
                Some(Self::Update { id, status, subject: subject.map(|subject| cut(subject, MAX_TEXT)) })
            }
            _ => None,
        }
    }
}

impl Plan {
    /// Applies the change of a successful call. Returns the plan if it has changed.
    pub(super) fn apply(&mut self, change: PlanChange, tool_use_result: Option<&str>, out: &mut Output) -> Option<StreamEvent> {
        match change {
            PlanChange::Create { subject } => {
                let created: Option<CreatedTask> = tool_use_result.and_then(|result| serde_json::from_str(result).ok());
                self.created += 1;
                let id = created.map_or_else(|| self.created.to_string(), |created| created.task.id);
                self.steps.push(Step { id, entry: PlanEntry { content: subject, status: PlanStatus::Pending } });
                self.drop_oldest(out);
            }
            PlanChange::Update { id, status, subject } => {
                let index = self.steps.iter().position(|step| step.id == id)?;
                if status.as_deref() == Some("deleted") {
                    self.steps.remove(index);
                    return Some(self.event());
                }
                let entry = &mut self.steps[index].entry;
                let before = entry.clone();
                entry.content = subject.unwrap_or_else(|| before.content.clone());
                entry.status = status.as_deref().and_then(parse_status).unwrap_or(before.status);
                if *entry == before {
                    return None;
                }
            }
        }
        Some(self.event())
    }

    /// Replaces the plan with the input of `TodoWrite`. Returns the plan if the input is valid.
    pub(super) fn replace(&mut self, input: &Value, out: &mut Output) -> Option<StreamEvent> {
        let TodoWrite { todos } = TodoWrite::deserialize(input).ok()?;
        self.steps = todos
            .into_iter()
            .zip(1_u64..)
            .map(|(todo, id)| Step {
                id: id.to_string(),
                entry: PlanEntry {
                    content: cut(todo.content, MAX_TEXT),
                    status: parse_status(&todo.status).unwrap_or(PlanStatus::Pending),
                },
            })
            .collect();
        self.created = self.steps.len();
        self.drop_oldest(out);
        Some(self.event())
    }

    fn drop_oldest(&mut self, out: &mut Output) {
        let excess = self.steps.len().saturating_sub(self.limit.max());
        if excess > 0 {
            self.steps.drain(..excess);
            self.limit.report(out);
        }
    }

    fn event(&self) -> StreamEvent {
        StreamEvent::Plan { entries: self.steps.iter().map(|step| step.entry.clone()).collect() }
    }
}

fn parse_status(status: &str) -> Option<PlanStatus> {
    match status {
        "pending" => Some(PlanStatus::Pending),
        "in_progress" => Some(PlanStatus::InProgress),
        "completed" => Some(PlanStatus::Completed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entries(event: Option<StreamEvent>) -> Vec<String> {
        match event {
            Some(StreamEvent::Plan { entries }) => entries.iter().map(|entry| format!("{} {:?}", entry.content, entry.status)).collect(),
            _ => vec![],
        }
    }

    #[test]
    fn steps_are_added_updated_and_removed() {
        let mut plan = Plan::default();
        let mut call = |tool: &str, input: Value, result: Option<&str>| {
            entries(plan.apply(PlanChange::from_call(tool, &input).unwrap(), result, &mut Output::default()))
        };
        assert_eq!(call("TaskCreate", json!({ "subject": "one" }), Some(r#"{"task":{"id":"1"}}"#)), ["one Pending"]);
        assert_eq!(call("TaskCreate", json!({ "subject": "two" }), None), ["one Pending", "two Pending"]);
        assert_eq!(call("TaskUpdate", json!({ "taskId": "2", "status": "in_progress" }), None), ["one Pending", "two InProgress"]);
        assert_eq!(call("TaskUpdate", json!({ "taskId": "2", "status": "in_progress" }), None), Vec::<String>::new(), "no change");
        assert_eq!(call("TaskUpdate", json!({ "taskId": "1", "status": "deleted" }), None), ["two InProgress"]);
        assert_eq!(call("TaskUpdate", json!({ "taskId": "9", "status": "completed" }), None), Vec::<String>::new(), "no such step");
    }

    #[test]
    fn a_todo_list_replaces_the_plan() {
        let list = json!({ "todos": [{ "content": "a", "status": "completed" }, { "content": "b", "status": "?" }] });
        let mut out = Output::default();
        assert_eq!(entries(Plan::default().replace(&list, &mut out)), ["a Completed", "b Pending"]);
        assert_eq!(Plan::default().replace(&json!({ "todos": 3 }), &mut out), None);
    }

    #[test]
    fn the_plan_keeps_the_newest_steps_and_reports_that_once() {
        let (mut plan, mut out) = (Plan::default(), Output::default());
        for number in 0..2 * MAX_PLAN_STEPS {
            let subject = format!("{number} {}", "x".repeat(2 * MAX_TEXT));
            let change = PlanChange::from_call("TaskCreate", &json!({ "subject": subject })).unwrap();
            let Some(StreamEvent::Plan { entries }) = plan.apply(change, None, &mut out) else { panic!("no plan") };
            assert!(entries.len() <= MAX_PLAN_STEPS && entries.iter().all(|entry| entry.content.len() <= MAX_TEXT + '…'.len_utf8()));
        }
        assert_eq!(out.items.len(), 1, "{out:?}");
        let change = |id: usize| PlanChange::Update { id: id.to_string(), status: Some("completed".to_owned()), subject: None };
        assert_eq!(plan.apply(change(1), None, &mut out), None, "forgotten");
        assert!(plan.apply(change(2 * MAX_PLAN_STEPS), None, &mut out).is_some(), "ids still count all steps");
    }
}
