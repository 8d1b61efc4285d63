//! The lines about tasks in the background and about the state of the session.

use serde::Deserialize;

use super::lenient;
use crate::types::TaskKind;

/// `system/background_tasks_changed`: all live tasks in the background. It replaces the previous list.
#[derive(Debug, Default, Deserialize)]
pub(in super::super) struct BackgroundTasks {
    #[serde(default, deserialize_with = "lenient")]
    pub(in super::super) tasks: Vec<BackgroundTask>,
}

/// One live task.
#[derive(Debug, Deserialize)]
pub(in super::super) struct BackgroundTask {
    pub(in super::super) task_id: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(in super::super) task_type: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(in super::super) description: String,
    /// Whether it is not work but a watcher of the program's own.
    #[serde(default, deserialize_with = "lenient")]
    pub(in super::super) ambient: bool,
    /// Whether it runs outside this process, which need not stay alive for it.
    #[serde(default, deserialize_with = "lenient")]
    pub(in super::super) off_host: bool,
}

/// `system/task_started`: a task started, in the foreground or in the background.
#[derive(Debug, Deserialize)]
pub(in super::super) struct TaskStarted {
    pub(in super::super) task_id: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(in super::super) task_type: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(in super::super) tool_use_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(in super::super) description: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(in super::super) is_backgrounded: bool,
    #[serde(default, deserialize_with = "lenient")]
    pub(in super::super) ambient: bool,
    #[serde(default, deserialize_with = "lenient")]
    pub(in super::super) skip_transcript: bool,
}

/// `system/task_progress`: what a task is doing.
#[derive(Debug, Deserialize)]
pub(in super::super) struct TaskProgress {
    pub(in super::super) task_id: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(in super::super) description: String,
}

/// `system/task_updated`: fields of a task that have changed.
#[derive(Debug, Deserialize)]
pub(in super::super) struct TaskUpdated {
    pub(in super::super) task_id: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(in super::super) patch: TaskPatch,
}

/// The fields used of a patch.
#[derive(Debug, Default, Deserialize)]
pub(in super::super) struct TaskPatch {
    #[serde(default, deserialize_with = "lenient")]
    pub(in super::super) status: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(in super::super) error: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(in super::super) is_backgrounded: bool,
}

/// `system/task_notification`: a task ended.
#[derive(Debug, Deserialize)]
pub(in super::super) struct TaskNotification {
    pub(in super::super) task_id: String,
    /// `completed`, `failed` or `stopped`.
    #[serde(default, deserialize_with = "lenient")]
    pub(in super::super) status: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(in super::super) summary: Option<String>,
}

/// `system/session_state_changed`. Printed if `CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS` is set.
#[derive(Debug, Deserialize)]
pub(in super::super) struct SessionStateChanged {
    /// `idle`, `running` or `requires_action`.
    pub(in super::super) state: String,
}

/// The kind of a task by its `task_type`.
pub(in super::super) fn task_kind(task_type: &str) -> TaskKind {
    match task_type {
        "local_agent" | "remote_agent" | "in_process_teammate" => TaskKind::Agent,
        "local_bash" => TaskKind::Command,
        _ => TaskKind::Other,
    }
}
