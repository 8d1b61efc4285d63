//! The agent's plan, from the calls of its task tools.
//!
//! `TaskCreate` and `TaskUpdate` change one step at a time and take effect only if they succeed (recording `plan_task_tools`). `TodoWrite`,
//! a tool of older versions, replaces the whole list.

use serde::Deserialize;
use serde_json::Value;

use super::wire::CreatedTask;
use crate::types::{PlanEntry, PlanStatus, StreamEvent};

/// The current plan.
#[derive(Debug, Default)]
pub(super) struct Plan {
    steps: Vec<Step>,
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
            "TaskCreate" => Some(Self::Create { subject: input.get("subject")?.as_str()?.to_owned() }),
            "TaskUpdate" => {
                let TaskUpdate { task_id: id, status, subject } = TaskUpdate::deserialize(input).ok()?;
                Some(Self::Update { id, status, subject })
            }
            _ => None,
        }
    }
}

impl Plan {
    /// Applies the change of a successful call. Returns the plan if it has changed.
    pub(super) fn apply(&mut self, change: PlanChange, tool_use_result: Option<&str>) -> Option<StreamEvent> {
        match change {
            PlanChange::Create { subject } => {
                let created: Option<CreatedTask> = tool_use_result.and_then(|result| serde_json::from_str(result).ok());
                // The program's ids count from 1.
                let id = created.map_or_else(|| (self.steps.len() + 1).to_string(), |created| created.task.id);
                self.steps.push(Step { id, entry: PlanEntry { content: subject, status: PlanStatus::Pending } });
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
    pub(super) fn replace(&mut self, input: &Value) -> Option<StreamEvent> {
        let TodoWrite { todos } = TodoWrite::deserialize(input).ok()?;
        self.steps = todos
            .into_iter()
            .zip(1_u64..)
            .map(|(todo, id)| Step {
                id: id.to_string(),
                entry: PlanEntry { content: todo.content, status: parse_status(&todo.status).unwrap_or(PlanStatus::Pending) },
            })
            .collect();
        Some(self.event())
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
        let mut call =
            |tool: &str, input: Value, result: Option<&str>| entries(plan.apply(PlanChange::from_call(tool, &input).unwrap(), result));
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
        assert_eq!(entries(Plan::default().replace(&list)), ["a Completed", "b Pending"]);
        assert_eq!(Plan::default().replace(&json!({ "todos": 3 })), None);
    }
}
