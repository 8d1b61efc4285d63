//! A run as clients see it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use utoipa::ToSchema;

use super::store::{RunRecord, SessionRecord};
use crate::types::{Cause, PermissionMode, RuleSpec, RunDone, RunId, RunStatus, SessionId, Timestamp, Usage, UserName};

/// One run: what it was asked, where it stands, and how it ended.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Run)]
pub struct RunView {
    /// Its id.
    pub run_id: RunId,
    /// The session that it belongs to.
    pub session_id: SessionId,
    /// Where it stands.
    pub status: RunStatus,
    /// How many runs stand before it in the queue now; only while it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_position: Option<u64>,
    /// Why it ended as it did; absent while it has not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// Whose it is.
    pub owner: UserName,
    /// Which agent.
    pub agent_type: String,
    /// Which model was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What it was asked to do.
    pub prompt: String,
    /// The first line of that which is not empty, at most 120 characters of it.
    pub title: String,
    /// Where it works.
    #[schema(value_type = String)]
    pub working_dir: PathBuf,
    /// Who decides on permissions.
    pub permission_mode: PermissionMode,
    /// Rules that count before the mode.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub permission_rules: Vec<RuleSpec>,
    /// Names of the variables that the run adds to the agent's environment.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// Names of the MCP servers that the agent is given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mcp_servers: Vec<String>,
    /// Further command-line elements.
    pub extra_args: Vec<String>,
    /// Those of them that widened what the agent may do.
    pub widened: Vec<String>,
    /// Wall-clock limit, in seconds.
    pub timeout_secs: u64,
    /// Limit of silence, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout_secs: Option<u64>,
    /// The caller's own marks.
    pub labels: BTreeMap<String, String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its agent was up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Number of its last event.
    pub last_seq: u64,
    /// The rest of what its `done` event says.
    #[serde(flatten)]
    // Its fields stand among the others, so for a reader each of them may be absent.
    #[schema(value_type = RunEnd)]
    pub end: Option<RunEnd>,
}

/// What is known only of a run that has ended: its `done` event but for the fields that every run has.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct RunEnd {
    /// What went wrong, for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The program's exit code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The signal that the program died of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// The kernel killed something of the run for want of memory.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub out_of_memory: bool,
    /// The agent's final text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// Totals of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// From creation to end, in milliseconds.
    #[schema(required = false)]
    pub duration_ms: u64,
    /// The end of the agent's standard error, when the run did not go well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stderr_tail: Option<String>,
}

/// One conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionView {
    /// Its id.
    pub session_id: SessionId,
    /// Whose it is.
    pub owner: UserName,
    /// Which agent.
    pub agent_type: String,
    /// Where it works.
    #[schema(value_type = String)]
    pub working_dir: PathBuf,
    /// The agent's own id of the conversation, once it has told one: with it the agent's own program can go on, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_session: Option<String>,
    /// When its first run was created.
    pub created_at: Timestamp,
}

impl From<SessionRecord> for SessionView {
    fn from(session: SessionRecord) -> Self {
        let SessionRecord { id, owner, agent_type, working_dir, agent_session, created_at } = session;
        Self { session_id: id, owner, agent_type, working_dir, agent_session, created_at }
    }
}

impl RunView {
    /// The view of a stored run. `live` is where it stands right now, if it is alive: the row is written with the events only.
    /// `queue_position` is its place in the queue, if it has one.
    pub(super) fn new(run: RunRecord, live: Option<RunStatus>, queue_position: Option<u64>) -> Self {
        let RunRecord {
            id,
            session,
            owner,
            status,
            spec,
            widened,
            created_at,
            started_at,
            ended_at,
            last_seq,
            checkpoint: _,
            withheld: _,
            done,
            webhooks: _,
        } = run;
        Self {
            run_id: id,
            session_id: session,
            status: live.filter(|_| !status.is_ended()).unwrap_or(status),
            queue_position: queue_position.filter(|_| !status.is_ended()),
            cause: done.as_ref().map(|done| done.cause),
            owner,
            agent_type: spec.agent_type,
            model: spec.model,
            title: title(&spec.prompt),
            prompt: spec.prompt,
            working_dir: spec.working_dir,
            permission_mode: spec.permission_mode,
            permission_rules: spec.permission_rules,
            env: spec.env,
            mcp_servers: spec.mcp_servers,
            extra_args: spec.extra_args,
            widened,
            timeout_secs: spec.timeout.as_secs(),
            idle_timeout_secs: spec.idle_timeout.map(|limit| limit.as_secs()),
            labels: spec.labels,
            created_at,
            started_at,
            ended_at,
            last_seq: last_seq.get(),
            end: done.map(RunEnd::from),
        }
    }
}

/// Longest title, in characters.
const MAX_TITLE: usize = 120;

/// What a list shows of a prompt.
fn title(prompt: &str) -> String {
    let line = prompt.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    match line.char_indices().nth(MAX_TITLE) {
        None => line.to_owned(),
        // The mark that something is missing counts, too.
        Some(_) => line.chars().take(MAX_TITLE - 1).chain(['…']).collect(),
    }
}

impl From<RunDone> for RunEnd {
    fn from(done: RunDone) -> Self {
        let RunDone { status: _, cause: _, message, exit_code, signal, out_of_memory, result, usage, duration_ms, stderr_tail } = done;
        Self { message, exit_code, signal, out_of_memory, result, usage, duration_ms, stderr_tail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_the_first_line_with_something_in_it_and_never_long() {
        assert_eq!(title("\n  \n  create hello.py \nand more"), "create hello.py");
        assert_eq!(title("\n"), "");
        assert_eq!(title(&"ö".repeat(120)), "ö".repeat(120));
        assert_eq!(title(&"ö".repeat(121)), format!("{}…", "ö".repeat(119)));
    }
}
