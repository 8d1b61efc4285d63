//! Runs, their events and sessions.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::{Audited, ChatStore, Idempotency, NewWebhook, OwnerFilter, SearchText, StoreError, UsedKey, WebhookStore};
use crate::types::{
    Lease, NodeId, OutputCheckpoint, RunDone, RunId, RunSpec, RunStatus, Seq, SessionId, Timestamp, Usage, UserId, UserRef, Withheld,
};
use crate::workspace::StoredChanges;

/// A stored run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRecord {
    /// Id of the run.
    pub id: RunId,
    /// Its session.
    pub session: SessionId,
    /// Its owner.
    pub owner: UserRef,
    /// Its status.
    pub status: RunStatus,
    /// What was requested.
    pub spec: RunSpec,
    /// Arguments that extend what the agent is allowed to do.
    pub widened: Vec<String>,
    /// The lease under which it may be changed, or ended. `None` only before the run is stored: the store gives the lease.
    pub lease: Option<Lease>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its agent's program was about to be started. `None` proves that no agent was started for it.
    pub launched_at: Option<Timestamp>,
    /// Until when it waits for a limit of the model's provider to reset, if it does.
    pub waits_until: Option<Timestamp>,
    /// When its agent had started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Number of its last event.
    pub last_seq: Seq,
    /// How much of the agent's output its events cover; `None` while they cover none.
    pub checkpoint: Option<OutputCheckpoint>,
    /// Text that is withheld at the end of its log.
    pub withheld: Withheld,
    /// The content of its `done` event.
    pub done: Option<RunDone>,
    /// Its webhook endpoints. Only written, with [`RunStore::create_run`]; empty when a run is read.
    pub webhooks: Vec<NewWebhook>,
    /// The content of the attachments in `spec`. Only written, with [`RunStore::create_run`]; empty when a run is read.
    pub attachments: Vec<Bytes>,
}

/// A conversation of an agent's own that belongs to no session any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// The agent.
    pub agent_type: String,
    /// The agent's id of the conversation.
    pub id: String,
    /// The first run of the session that had it.
    pub first_run: RunId,
}

/// The outcome of a deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// The run was deleted.
    Done {
        /// The run after which the fresh workspace is named that is no longer used, if there was one: the first of a session that was deleted
        /// with its last run.
        workspace: Option<RunId>,
        /// The agent's conversation of a session that was deleted with its last run, unless another session has the same.
        conversation: Option<Conversation>,
    },
    /// The run does not exist. Nothing was deleted.
    NotFound,
    /// The run has not ended. Nothing was deleted.
    Live,
}

/// How a new run uses its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionUse {
    /// The session starts with the run.
    Starts,
    /// The run continues a session that must exist.
    Continues,
    /// Like `Continues`, and the session's working directory is the run's from here on.
    Moves,
}

/// A stored batch of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Number of its first event.
    pub first: Seq,
    /// Number of its last event.
    pub last: Seq,
    /// One JSON object per line, each with its newline.
    pub body: Bytes,
}

/// A part of a log that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedChunk {
    /// Number of the first event that cannot be read.
    pub first: Seq,
    /// Number of the last event that cannot be read.
    pub last: Seq,
    /// What is wrong.
    pub problem: String,
}

/// A step of a wait for a limit of the model's provider to reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitChange {
    /// The run waits until then, and its agent is exiting.
    Until(Timestamp),
    /// The run waits until then, and nothing of its agent is left: the run is stored as one whose agent was not launched, and whose events
    /// cover no output.
    Parked(Timestamp),
    /// The run no longer waits.
    Over,
}

/// Changes to a run that are stored together with a batch of events. `None` keeps a value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunChange {
    /// The new status.
    pub status: Option<RunStatus>,
    /// When the agent's program is about to be started. It must be stored before that: a later server takes it as the fact that an agent
    /// may have been started.
    pub launched_at: Option<Timestamp>,
    /// When the agent had started.
    pub started_at: Option<Timestamp>,
    /// A step of a wait for a limit to reset.
    pub wait: Option<WaitChange>,
    /// The agent's own id of the session.
    pub agent_session: Option<String>,
    /// The title that the agent gave the session; empty to remove it.
    pub session_title: Option<String>,
    /// The model that the agent reported.
    pub model: Option<String>,
    /// The run's total usage so far, with the time at which it was reported. At the end of the run, `done` contains it instead.
    pub usage: Option<(Usage, Timestamp)>,
    /// How much of the agent's output the events cover.
    pub checkpoint: Option<OutputCheckpoint>,
    /// Text that is withheld after the events.
    pub withheld: Option<Withheld>,
    /// The changes of the working directory so far. They replace those that are stored.
    pub changes: Option<Box<StoredChanges>>,
    /// The end of the run, with its time.
    pub done: Option<(RunDone, Timestamp)>,
    /// The attachments of the message that the events contain. They count towards the stored bytes of the run.
    pub attachments: Option<MessageAttachments>,
    /// The idempotency key of the request that caused the events.
    pub idempotency: Option<Idempotency>,
    /// The audit entries of the actions that caused the events or the status.
    pub audit: Vec<Audited>,
}

/// The attachments of a further message.
#[derive(Clone, PartialEq, Eq)]
pub struct MessageAttachments {
    /// The number of the message among those of its run with attachments, from 1. Content under the same number is replaced: the log that
    /// the number was derived from is damaged then.
    pub message: u64,
    /// Their content, in their order.
    pub contents: Vec<Bytes>,
}

/// Without the content, which can be megabytes.
impl std::fmt::Debug for MessageAttachments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MessageAttachments").field("message", &self.message).finish_non_exhaustive()
    }
}

/// A stored session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// Id of the session.
    pub id: SessionId,
    /// Its owner.
    pub owner: UserRef,
    /// Its agent type.
    pub agent_type: String,
    /// Its working directory.
    pub working_dir: PathBuf,
    /// The agent's own id of the session, once known.
    pub agent_session: Option<String>,
    /// The title that the agent gave it.
    pub title: Option<String>,
    /// When its first run was created.
    pub created_at: Timestamp,
    /// Its first run.
    pub first_run: RunId,
}

/// The end of a run's log, from the run's row.
#[derive(Clone, Debug, PartialEq)]
pub struct LogTip {
    /// Number of the last event.
    pub last: Seq,
    /// When the run ended; `None` if it has not.
    pub ended_at: Option<Timestamp>,
    /// The end of the run; `None` if it has not ended or its end is damaged.
    pub done: Option<RunDone>,
}

/// Selects runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Only of this owner; `None` for all.
    pub owner: Option<OwnerFilter>,
    /// Only with one of these statuses; empty for all.
    pub status: Vec<RunStatus>,
    /// Only of this agent type.
    pub agent_type: Option<String>,
    /// Only of this session.
    pub session: Option<SessionId>,
    /// Only with this label, as name and value.
    pub label: Option<(String, String)>,
    /// Only created at or after this time.
    pub since: Option<Timestamp>,
    /// Only older than this run: the last one of the previous page.
    pub before: Option<RunId>,
}

/// Stores runs and their events.
///
/// Implementors must return from a successful write only when it is on disk, must leave no trace of a failed one, and must keep the numbers
/// of a run's events without gaps. A run changes only under its present [`Lease`]: a write under an earlier one changes nothing, whenever it
/// arrives.
#[async_trait]
pub trait RunStore: ChatStore + WebhookStore + std::fmt::Debug + Send + Sync {
    /// The node on whose behalf this store writes.
    fn node(&self) -> NodeId;

    /// Adds a run with its first events and its audit entry, and its session if that starts with the run. Returns the run's first lease.
    ///
    /// # Errors
    /// [`StoreError::OverQuota`] if a quota of the owner is reached; [`StoreError::NoSession`] if the session to continue does not exist;
    /// [`StoreError::KeyUsed`] if the idempotency key was used before;
    /// any other [`StoreError`] if the store fails. Nothing was added then.
    async fn create_run(
        &self,
        run: RunRecord,
        session: SessionUse,
        first: Vec<Chunk>,
        idempotency: Option<Idempotency>,
        audit: Option<Audited>,
    ) -> Result<Lease, StoreError>;

    /// Appends a batch of consecutive chunks to a run's log and changes the run, all or nothing. Without a chunk only the change is made.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] if the lease is not the present one, or the run was deleted; [`StoreError::Ended`] if the run has ended;
    /// [`StoreError::NotNext`] if a chunk does not begin right after the event before it; [`StoreError::KeyUsed`] if the idempotency key
    /// was used before; any other [`StoreError`] if the store fails. Nothing was written then.
    async fn append(&self, lease: &Lease, batch: Vec<Chunk>, change: RunChange) -> Result<(), StoreError>;

    /// Takes the lease of an unfinished run for this node. The earlier lease is void when this returns. Reads nothing but the lease, so
    /// that a run with a damaged row can be taken and ended.
    ///
    /// # Errors
    /// [`StoreError::NoRun`] if the run does not exist; [`StoreError::Ended`] if it has ended; any other [`StoreError`] if the store fails.
    /// The earlier lease stays then.
    async fn take_lease(&self, run: RunId) -> Result<Lease, StoreError>;

    /// The run with this id.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails or the row is damaged.
    async fn run(&self, id: RunId) -> Result<Option<RunRecord>, StoreError>;

    /// The content of the attachments of a run's prompt (`message` 0) or of a further message ([`MessageAttachments::message`]), in their
    /// order. Empty if there are none.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    async fn attachments(&self, run: RunId, message: u64) -> Result<Vec<Bytes>, StoreError>;

    /// The end of a run's log; `None` if the run does not exist. Reads nothing else of the run's row, so that the log of a run with a
    /// damaged row can be read.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails, or if the number of the last event is damaged.
    async fn log_tip(&self, run: RunId) -> Result<Option<LogTip>, StoreError>;

    /// At most `limit` runs that match the filter, newest first. Damaged rows are left out.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    async fn runs(&self, filter: RunFilter, limit: usize) -> Result<Vec<RunRecord>, StoreError>;

    /// At most `limit` runs that match the filter and the text, in the reverse order in which they were stored. Damaged rows are left out.
    /// Searches do not delay other reads. Dropping the future stops the search.
    ///
    /// # Errors
    /// [`StoreError::SearchTimeout`] if it takes longer than `max_time`; any other [`StoreError`] if the store fails.
    async fn search(&self, text: SearchText, filter: RunFilter, limit: usize, max_time: Duration) -> Result<Vec<RunRecord>, StoreError>;

    /// What an idempotency key of this owner was used for; `None` if it was not used or was deleted since.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails or the row is damaged.
    async fn used_key(&self, owner: UserId, key: &str) -> Result<Option<UsedKey>, StoreError>;

    /// The session with this id.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails or the row is damaged.
    async fn session(&self, id: SessionId) -> Result<Option<SessionRecord>, StoreError>;

    /// At most `limit` sessions of `owner`, or of all users, that are older than `before`, newest first. Damaged rows are left
    /// out.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    async fn sessions(&self, owner: Option<UserId>, before: Option<SessionId>, limit: usize) -> Result<Vec<SessionRecord>, StoreError>;

    /// Deletes at most `limit` idempotency keys of requests before this time, oldest first. Returns whether there may be more.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; nothing was deleted then.
    async fn forget_keys(&self, before: Timestamp, limit: usize) -> Result<bool, StoreError>;

    /// Ids of all runs that have not ended, oldest first. Reads nothing but the ids; a damaged one is left out.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    async fn unfinished(&self) -> Result<Vec<RunId>, StoreError>;

    /// Ids of the unfinished runs that were live when the backup was made from which this store was restored. Their processes on this
    /// machine, if any, belong to the server that the backup was made of.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    async fn orphans(&self) -> Result<Vec<RunId>, StoreError>;

    /// The first runs of all sessions, after which fresh working directories are named. A session can outlive its first run.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    async fn first_runs(&self) -> Result<Vec<RunId>, StoreError>;

    /// Deletes an ended run, and its session if that has no other run. From then on no query finds them. What can be large is removed
    /// later, in steps of [`RetentionStore::remove_deleted`](super::RetentionStore::remove_deleted), and the directories to remove are in
    /// [`RetentionStore::pending_removals`](super::RetentionStore::pending_removals).
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; nothing was deleted then.
    async fn begin_delete(&self, id: RunId, audit: Option<Audited>) -> Result<Deleted, StoreError>;

    /// The log after event number `after`, in order: at least one chunk if there is any, and more while their total size stays below
    /// `budget` bytes. The first one may begin before `after`. Events that were written but cannot be read are a [`DamagedChunk`], also at
    /// the end of the log. Together, the result covers every event that follows `after` without a gap, except those that retention removed
    /// from the beginning. Empty if the run does not exist or no event follows.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    async fn chunks(&self, run: RunId, after: u64, budget: usize) -> Result<Vec<Result<Chunk, DamagedChunk>>, StoreError>;

    /// The changes of the working directory that are stored with a run; `None` if there are none.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails or the row is damaged.
    async fn changes(&self, run: RunId) -> Result<Option<StoredChanges>, StoreError>;
}
