//! The program's tasks in the background: sub-agents and commands that it does not wait for.
//!
//! `background_tasks_changed` lists the live ones. `task_started`, `task_progress`, `task_updated` and `task_notification` describe each of
//! them, and also sub-agents in the foreground, whose activity has its own lines and yields no events here.

use std::collections::{BTreeMap, BTreeSet};

use super::wire::{self, BackgroundTask};
use crate::agent::Output;
use crate::agent::common::{CallIds, Limit, cut};
use crate::types::bounds::MAX_TASKS;
use crate::types::{StreamEvent, TaskKind, TaskStatus};

/// Maximum length of a text that is kept for a task, in bytes.
const MAX_TEXT: usize = 16 * 1024;

/// The tasks of one process.
#[derive(Debug)]
pub(super) struct Tasks {
    /// The tasks that have not ended, by id.
    open: BTreeMap<String, Task>,
    /// The ids of the live tasks in the background.
    live: BTreeSet<String>,
    /// Whether `live` is that of `background_tasks_changed`. Older versions do not print it.
    listed: bool,
    limit: Limit,
}

impl Default for Tasks {
    fn default() -> Self {
        // The list of live tasks is cut, too, but the turn does not end before the list is empty.
        let limit = Limit::new("tasks", MAX_TASKS, "further tasks in the background are not reported");
        Self { open: BTreeMap::new(), live: BTreeSet::new(), listed: false, limit }
    }
}

#[derive(Debug)]
struct Task {
    kind: TaskKind,
    title: String,
    /// The program's id of the call that started it.
    call: Option<String>,
    in_background: bool,
    /// Whether `task_started` was emitted.
    announced: bool,
    /// The last progress message.
    message: String,
    /// How the task ended, if that is known before its notification.
    end: Option<(TaskStatus, Option<String>)>,
}

impl Task {
    fn new(task_type: &str, title: String) -> Self {
        let kind = wire::task_kind(task_type);
        Self { kind, title: cut(title, MAX_TEXT), call: None, in_background: false, announced: false, message: String::new(), end: None }
    }

    /// Emits `task_started` once the task is in the background. Returns whether it is.
    fn announce(&mut self, id: &str, calls: &CallIds, out: &mut Output) -> bool {
        if self.in_background && !std::mem::replace(&mut self.announced, true) {
            let (id, kind, title) = (id.to_owned(), self.kind, self.title.clone());
            out.emit(StreamEvent::TaskStarted { id, kind, title, tool_call_id: self.call.as_deref().map(|call| calls.current(call)) });
        }
        self.in_background
    }
}

impl Tasks {
    /// Replaces the list of live tasks. A new task is announced with its next line, which has its details.
    pub(super) fn handle_list(&mut self, tasks: Vec<BackgroundTask>, out: &mut Output) {
        self.listed = true;
        self.live.clear();
        for task in tasks.into_iter().filter(|task| !task.ambient && !task.off_host) {
            if let Some(open) = self.open_task(&task.task_id, &task.task_type, &task.description, out) {
                open.in_background = true;
            }
            if self.live.len() < MAX_TASKS {
                self.live.insert(task.task_id);
            }
        }
    }

    pub(super) fn handle_start(&mut self, task: wire::TaskStarted, calls: &CallIds, out: &mut Output) {
        if task.ambient || task.skip_transcript {
            return;
        }
        let Some(open) = self.open_task(&task.task_id, &task.task_type, &task.description, out) else { return };
        open.in_background |= task.is_backgrounded;
        open.call = task.tool_use_id;
        if open.announce(&task.task_id, calls, out) && !self.listed {
            self.live.insert(task.task_id);
        }
    }

    pub(super) fn handle_progress(&mut self, task: wire::TaskProgress, calls: &CallIds, out: &mut Output) {
        let Some(open) = self.open.get_mut(&task.task_id) else { return };
        let message = cut(task.description.clone(), MAX_TEXT);
        if open.announce(&task.task_id, calls, out) && !message.is_empty() && open.message != message {
            open.message = message;
            out.emit(StreamEvent::TaskUpdated { id: task.task_id, message: task.description });
        }
    }

    pub(super) fn handle_update(&mut self, task: wire::TaskUpdated, calls: &CallIds, out: &mut Output) {
        let Some(open) = self.open.get_mut(&task.task_id) else { return };
        open.in_background |= task.patch.is_backgrounded;
        if let Some(status) = end_status(&task.patch.status) {
            open.end = Some((status, task.patch.error.map(|error| cut(error, MAX_TEXT))));
        }
        if open.announce(&task.task_id, calls, out) && !self.listed && open.end.is_none() {
            self.live.insert(task.task_id);
        }
    }

    /// Handles the end of a task. Returns how it ended if it was in the background.
    pub(super) fn handle_end(&mut self, task: wire::TaskNotification, calls: &CallIds, out: &mut Output) -> Option<TaskStatus> {
        if !self.listed {
            self.live.remove(&task.task_id);
        }
        let mut open = self.open.remove(&task.task_id)?;
        if !open.announce(&task.task_id, calls, out) {
            return None;
        }
        let (known, error) = open.end.unzip();
        let status = end_status(&task.status).or(known).unwrap_or(TaskStatus::Stopped);
        let message = task.summary.filter(|summary| !summary.is_empty()).or(error.flatten());
        out.emit(StreamEvent::TaskEnded { id: task.task_id, status, message });
        Some(status)
    }

    /// Whether a task is alive in the background.
    pub(super) fn any_live(&self) -> bool {
        !self.live.is_empty()
    }

    /// The ids of the live tasks in the background.
    pub(super) fn live(&self) -> impl Iterator<Item = &str> {
        self.live.iter().map(String::as_str)
    }

    /// Whether the call with the program's id `call` started a task that is alive in the background.
    pub(super) fn is_live_call(&self, call: &str) -> bool {
        self.live.iter().filter_map(|id| self.open.get(id)).any(|task| task.call.as_deref() == Some(call))
    }

    /// Ends the tasks whose end was not reported. Called when no work is left, or with the end of the output.
    pub(super) fn close_all(&mut self, out: &mut Output) {
        self.live.clear();
        for (id, task) in std::mem::take(&mut self.open).into_iter().filter(|(_, task)| task.announced) {
            let (status, message) = task.end.unwrap_or((TaskStatus::Stopped, None));
            out.emit(StreamEvent::TaskEnded { id, status, message });
        }
    }

    /// The unfinished task with this id, new or known. `None` if there are too many.
    fn open_task(&mut self, id: &str, task_type: &str, title: &str, out: &mut Output) -> Option<&mut Task> {
        if !self.open.contains_key(id) && self.open.len() >= MAX_TASKS {
            self.limit.report(out);
            return None;
        }
        Some(self.open.entry(id.to_owned()).or_insert_with(|| Task::new(task_type, title.to_owned())))
    }
}

/// The status of an ended task. `None` if the task has not ended.
fn end_status(status: &str) -> Option<TaskStatus> {
    match status {
        "completed" => Some(TaskStatus::Completed),
        "failed" => Some(TaskStatus::Failed),
        "killed" | "stopped" => Some(TaskStatus::Stopped),
        _ => None,
    }
}
