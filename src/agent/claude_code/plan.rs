//! The agent's plan, put together from the calls of its task tools.
//!
//! `TaskCreate` and `TaskUpdate` change one step at a time and count only once they have worked (seen in `plan_task_tools`).
//! `TodoWrite`, which older versions have, names the whole list at once.

use serde::Deserialize;
use serde_json::Value;

use super::wire::CreatedTask;
use crate::types::{PlanEntry, PlanStatus, StreamEvent};

/// The plan as it stands.
#[derive(Debug, Default)]
pub(super) struct Plan {
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    id: String,
    entry: PlanEntry,
}

/// What a call will do to the plan when it has worked.
#[derive(Debug)]
pub(super) enum Change {
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

impl Change {
    /// What a call of this tool will do; `None` if it is none of the task tools.
    pub(super) fn of(tool: &str, input: &Value) -> Option<Self> {
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
    /// A call has worked. Gives the plan if that changed it.
    pub(super) fn apply(&mut self, change: Change, tool_use_result: Option<&str>) -> Option<StreamEvent> {
        match change {
            Change::Create { subject } => {
                let created: Option<CreatedTask> = tool_use_result.and_then(|result| serde_json::from_str(result).ok());
                // The program counts from 1.
                let id = created.map_or_else(|| (self.steps.len() + 1).to_string(), |created| created.task.id);
                self.steps.push(Step { id, entry: PlanEntry { content: subject, status: PlanStatus::Pending } });
            }
            Change::Update { id, status, subject } => {
                let at = self.steps.iter().position(|step| step.id == id)?;
                if status.as_deref() == Some("deleted") {
                    self.steps.remove(at);
                    return Some(self.event());
                }
                let entry = &mut self.steps[at].entry;
                let before = entry.clone();
                entry.content = subject.unwrap_or_else(|| before.content.clone());
                entry.status = status.as_deref().and_then(self::status).unwrap_or(before.status);
                if *entry == before {
                    return None;
                }
            }
        }
        Some(self.event())
    }

    /// `TodoWrite` was called. Gives the plan if the call can be read.
    pub(super) fn replace(&mut self, input: &Value) -> Option<StreamEvent> {
        let TodoWrite { todos } = TodoWrite::deserialize(input).ok()?;
        self.steps = todos
            .into_iter()
            .zip(1_u64..)
            .map(|(todo, id)| Step {
                id: id.to_string(),
                entry: PlanEntry { content: todo.content, status: status(&todo.status).unwrap_or(PlanStatus::Pending) },
            })
            .collect();
        Some(self.event())
    }

    fn event(&self) -> StreamEvent {
        StreamEvent::Plan { entries: self.steps.iter().map(|step| step.entry.clone()).collect() }
    }
}

fn status(word: &str) -> Option<PlanStatus> {
    match word {
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

    fn shown(event: Option<StreamEvent>) -> Vec<String> {
        match event {
            Some(StreamEvent::Plan { entries }) => entries.iter().map(|entry| format!("{} {:?}", entry.content, entry.status)).collect(),
            _ => vec![],
        }
    }

    #[test]
    fn steps_are_added_moved_on_and_taken_away() {
        let mut plan = Plan::default();
        let mut call = |tool: &str, input: Value, result: Option<&str>| shown(plan.apply(Change::of(tool, &input).unwrap(), result));
        assert_eq!(call("TaskCreate", json!({ "subject": "one" }), Some(r#"{"task":{"id":"1"}}"#)), ["one Pending"]);
        assert_eq!(call("TaskCreate", json!({ "subject": "two" }), None), ["one Pending", "two Pending"]);
        assert_eq!(call("TaskUpdate", json!({ "taskId": "2", "status": "in_progress" }), None), ["one Pending", "two InProgress"]);
        assert_eq!(call("TaskUpdate", json!({ "taskId": "2", "status": "in_progress" }), None), Vec::<String>::new(), "nothing new");
        assert_eq!(call("TaskUpdate", json!({ "taskId": "1", "status": "deleted" }), None), ["two InProgress"]);
        assert_eq!(call("TaskUpdate", json!({ "taskId": "9", "status": "completed" }), None), Vec::<String>::new(), "no such step");
    }

    #[test]
    fn a_todo_list_is_the_whole_plan() {
        let list = json!({ "todos": [{ "content": "a", "status": "completed" }, { "content": "b", "status": "?" }] });
        assert_eq!(shown(Plan::default().replace(&list)), ["a Completed", "b Pending"]);
        assert_eq!(Plan::default().replace(&json!({ "todos": 3 })), None);
    }
}
