//! Runs and sessions as clients see them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::store::{RunRecord, SessionRecord};
use crate::types::{
    AttachmentInfo, Cause, HostPattern, IsolationLevel, OnRateLimit, PermissionMode, ProfileName, ProjectConfig, ResponseSpec, RuleSpec,
    RunDone, RunId, RunStatus, SessionId, SpendLimits, Timestamp, Usage, UserName, WorkspaceSpec,
};

/// A run: its specification, status and outcome.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Run)]
pub struct RunView {
    /// ID of the run.
    pub run_id: RunId,
    /// Session that the run belongs to.
    pub session_id: SessionId,
    /// Current status.
    pub status: RunStatus,
    /// Number of runs ahead in the queue; only while the run is queued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_position: Option<u64>,
    /// Cause of the end; only after the run has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// Username of the owner.
    pub owner: UserName,
    /// Name of the agent.
    pub agent_type: String,
    /// Requested model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The prompt; in a summary its first 2,000 characters.
    pub prompt: String,
    /// The images and files that were given to the agent with the prompt, without their content.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<AttachmentInfo>,
    /// JSON Schema of the answer; absent in summaries.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub output_schema: Option<Value>,
    /// Text that was added to the agent's system prompt; absent in summaries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// First non-empty line of the prompt, at most 120 characters.
    pub title: String,
    /// Working directory.
    #[schema(value_type = String)]
    pub working_dir: PathBuf,
    /// What the working directory is, if it is more than a directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<WorkspaceSpec>,
    /// Profile that the run was created with. Its values at that time are in the other fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<ProfileName>,
    /// How permission requests are decided.
    pub permission_mode: PermissionMode,
    /// Permission rules of the run, which precede the mode.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub permission_rules: Vec<RuleSpec>,
    /// Names of the additional environment variables. The values are not stored.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// Names of the MCP servers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mcp_servers: Vec<String>,
    /// Additional command-line arguments of the agent.
    pub extra_args: Vec<String>,
    /// Fields and arguments of the request that extended the agent's permissions.
    pub widened: Vec<String>,
    /// Time limit of the run, in seconds.
    pub timeout_secs: u64,
    /// Time limit without output, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout_secs: Option<u64>,
    /// What the run does at a rate or usage limit of the model's provider.
    pub on_rate_limit: OnRateLimit,
    /// How long the run may wait for such a limit to reset, in seconds; only with `on_rate_limit` `wait`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_wait_secs: Option<u64>,
    /// Until when the run waits for a limit to reset; only while it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_until: Option<Timestamp>,
    /// Spend limits in effect: the stricter ones of the request and of the owner.
    #[serde(flatten)]
    pub spend_limits: SpendLimits,
    /// Requested isolation level; absent for the server's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolation: Option<IsolationLevel>,
    /// Hosts that the agent may reach besides its model; only at isolation level `sandbox`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    pub egress: Option<Vec<HostPattern>>,
    /// Whether the agent's configuration in the working directory has an effect.
    pub project_config: ProjectConfig,
    /// Labels for filtering.
    pub labels: BTreeMap<String, String>,
    /// When the run was created.
    pub created_at: Timestamp,
    /// When the agent was ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When the run ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Sequence number of the last event.
    pub last_seq: u64,
    /// How the run was requested as a response of the OpenAI-compatible API.
    #[serde(skip)]
    #[schema(ignore)]
    pub response: Option<ResponseSpec>,
    /// Whether this is a summary, as in lists and in the stream of changes: long texts are truncated or absent. `GET /api/runs/{id}` returns
    /// them.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub summary: bool,
    /// Outcome, with the fields of the `done` event.
    #[serde(flatten)]
    // Flattened: each field is absent while the run is live.
    #[schema(value_type = RunEnd)]
    pub end: Option<RunEnd>,
}

/// Fields of the `done` event; only after the run has ended.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct RunEnd {
    /// Human-readable description of the failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Exit code of the agent program, if it exited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Number of the signal that killed the agent program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Whether the kernel killed a process of the run because it ran out of memory.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub out_of_memory: bool,
    /// Final text of the agent; in a summary its first 400 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// The agent's answer as a value that matches `output_schema`; absent in summaries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Total usage of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Time from creation to end, in milliseconds.
    #[schema(required = false)]
    pub duration_ms: u64,
    /// Last part of the agent's standard error, if the run failed; absent in summaries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stderr_tail: Option<String>,
}

/// A session: a conversation of one or more runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionView {
    /// ID of the session.
    pub session_id: SessionId,
    /// Username of the owner.
    pub owner: UserName,
    /// Name of the agent.
    pub agent_type: String,
    /// Working directory.
    #[schema(value_type = String)]
    pub working_dir: PathBuf,
    /// The agent's own ID of the conversation, once reported. The agent program can resume the conversation with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_session: Option<String>,
    /// Title that the agent gave the conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// When the first run was created.
    pub created_at: Timestamp,
}

impl From<SessionRecord> for SessionView {
    fn from(session: SessionRecord) -> Self {
        let SessionRecord { id, owner, agent_type, working_dir, agent_session, title, created_at, first_run: _ } = session;
        Self { session_id: id, owner: owner.name, agent_type, working_dir, agent_session, title, created_at }
    }
}

impl RunView {
    /// The view of a stored run.
    pub(super) fn new(run: RunRecord, queue_position: Option<u64>) -> Self {
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
            lease: _,
            launched_at: _,
            waits_until,
            webhooks: _,
            attachments: _,
        } = run;
        Self {
            run_id: id,
            session_id: session,
            status,
            queue_position: queue_position.filter(|_| !status.is_ended() && waits_until.is_none()),
            cause: done.as_ref().map(|done| done.cause),
            owner: owner.name,
            agent_type: spec.agent_type,
            model: spec.model,
            title: title(&spec.prompt),
            prompt: spec.prompt,
            attachments: spec.attachments,
            output_schema: spec.output_schema,
            instructions: spec.instructions,
            working_dir: spec.working_dir,
            workspace: spec.workspace,
            profile: spec.profile,
            permission_mode: spec.permission_mode,
            isolation: spec.isolation,
            egress: spec.egress,
            project_config: spec.project_config,
            permission_rules: spec.permission_rules,
            env: spec.env,
            mcp_servers: spec.mcp_servers,
            extra_args: spec.extra_args,
            widened,
            timeout_secs: spec.timeout.as_secs(),
            idle_timeout_secs: spec.idle_timeout.map(|limit| limit.as_secs()),
            on_rate_limit: if spec.max_wait.is_some() { OnRateLimit::Wait } else { OnRateLimit::Fail },
            max_wait_secs: spec.max_wait.map(|max| max.as_secs()),
            waits_until: waits_until.filter(|_| status == RunStatus::Waiting),
            spend_limits: spec.spend_limits,
            labels: spec.labels,
            created_at,
            started_at,
            ended_at,
            last_seq: last_seq.get(),
            response: spec.response,
            summary: false,
            end: done.map(RunEnd::from),
        }
    }

    /// The same without what can be long, for lists and streams of many runs.
    #[must_use]
    pub(super) fn into_summary(mut self) -> Self {
        truncate(&mut self.prompt, MAX_SUMMARY_PROMPT);
        self.output_schema = None;
        self.instructions = None;
        self.summary = true;
        if let Some(end) = &mut self.end {
            if let Some(result) = &mut end.result {
                truncate(result, MAX_SUMMARY_RESULT);
            }
            end.output = None;
            end.stderr_tail = None;
        }
        self
    }
}

/// Shortens a text to at most `max` characters, and frees the rest.
fn truncate(text: &mut String, max: usize) {
    if let Some((index, _char)) = text.char_indices().nth(max) {
        text.truncate(index);
        text.shrink_to_fit();
    }
}

/// Maximum length of the prompt in a summary, in characters: as much as is searched.
const MAX_SUMMARY_PROMPT: usize = 2_000;

/// Maximum length of the result in a summary, in characters.
const MAX_SUMMARY_RESULT: usize = 400;

/// Maximum length of a title, in characters.
const MAX_TITLE: usize = 120;

/// The title of a run, derived from its prompt.
fn title(prompt: &str) -> String {
    let line = prompt.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    match line.char_indices().nth(MAX_TITLE) {
        None => line.to_owned(),
        // The ellipsis counts towards the maximum.
        Some(_) => line.chars().take(MAX_TITLE - 1).chain(['…']).collect(),
    }
}

impl From<RunDone> for RunEnd {
    fn from(done: RunDone) -> Self {
        let RunDone { status: _, cause: _, message, exit_code, signal, out_of_memory, result, output, usage, duration_ms, stderr_tail } =
            done;
        Self { message, exit_code, signal, out_of_memory, result, output, usage, duration_ms, stderr_tail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_truncated_text_is_cut_between_characters() {
        for (text, expected) in [("", ""), ("öö", "öö"), ("ööx", "öö"), ("🦀🦀🦀", "🦀🦀")] {
            let mut cut = text.to_owned();
            truncate(&mut cut, 2);
            assert_eq!(cut, expected);
        }
    }

    #[test]
    fn a_title_is_the_first_non_empty_line_truncated_to_120_characters() {
        assert_eq!(title("\n  \n  create hello.py \nand more"), "create hello.py");
        assert_eq!(title("\n"), "");
        assert_eq!(title(&"ö".repeat(120)), "ö".repeat(120));
        assert_eq!(title(&"ö".repeat(121)), format!("{}…", "ö".repeat(119)));
    }
}
