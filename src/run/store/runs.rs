//! Runs and their events, as the store keeps them.

use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;

use super::{Idempotency, NewWebhook, StoreError, UsedKey, WebhookStore};
use crate::types::{OutputCheckpoint, RunDone, RunId, RunSpec, RunStatus, Seq, SessionId, Timestamp, Usage, UserName, Withheld};

/// A run's row.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRecord {
    /// The key.
    pub id: RunId,
    /// The session that it belongs to.
    pub session: SessionId,
    /// Whose it is.
    pub owner: UserName,
    /// Where it stands.
    pub status: RunStatus,
    /// What it asks for.
    pub spec: RunSpec,
    /// Flags among its arguments that widened what the agent may do.
    pub widened: Vec<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its agent was up.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Number of its last event.
    pub last_seq: Seq,
    /// How far its events reach in what the agent wrote; `None` while none comes of it.
    pub checkpoint: Option<OutputCheckpoint>,
    /// What of the agent's text is held back at the end of its log.
    pub withheld: Withheld,
    /// How it ended: what its last event says.
    pub done: Option<RunDone>,
    /// Where its events are sent. Told when the run is made, and not read back with it.
    pub webhooks: Vec<NewWebhook>,
}

/// A committed batch of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Number of its first event.
    pub first: Seq,
    /// Number of its last event.
    pub last: Seq,
    /// One JSON object a line, each with its newline.
    pub body: Bytes,
}

/// What changes in a run's row together with an append. `None` leaves a value as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunChange {
    /// Where the run now stands.
    pub status: Option<RunStatus>,
    /// When its agent was up.
    pub started_at: Option<Timestamp>,
    /// The agent's own id of the conversation.
    pub agent_session: Option<String>,
    /// The model that the agent named.
    pub model: Option<String>,
    /// What the run has used in all by that moment. At its end `done` tells it.
    pub usage: Option<(Usage, Timestamp)>,
    /// How far the events reach in what the agent wrote.
    pub checkpoint: Option<OutputCheckpoint>,
    /// What of the agent's text is held back after the events.
    pub withheld: Option<Withheld>,
    /// The end, with its moment.
    pub done: Option<(RunDone, Timestamp)>,
    /// The key under which a client asked for this.
    pub idempotency: Option<Idempotency>,
}

/// A session's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// The key.
    pub id: SessionId,
    /// Whose it is.
    pub owner: UserName,
    /// Which agent.
    pub agent_type: String,
    /// Where it works.
    pub working_dir: PathBuf,
    /// The agent's own id of the conversation, once it has told one.
    pub agent_session: Option<String>,
    /// When its first run was created.
    pub created_at: Timestamp,
}

/// How far into a prompt a search looks, in characters.
pub const SEARCHED: usize = 1000;

/// Which runs are wanted. Newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Only this user's; `None` for everyone's.
    pub owner: Option<UserName>,
    /// Only those that stand at one of these; empty for all.
    pub status: Vec<RunStatus>,
    /// Only those with this in the first [`SEARCHED`] characters of the prompt or in a label written `name=value`, or whose id begins so,
    /// with `run_` or without. The case of ASCII letters does not matter.
    pub text: Option<String>,
    /// Only those of this agent.
    pub agent_type: Option<String>,
    /// Only those of this session.
    pub session: Option<SessionId>,
    /// Only those with this label: key and value.
    pub label: Option<(String, String)>,
    /// Only those created at this moment or later.
    pub since: Option<Timestamp>,
    /// Only those older than this run, which is where the last page ended.
    pub before: Option<RunId>,
}

/// Keeps runs and their events.
///
/// Implementors owe: a write that has answered is on disk; a write that failed has changed nothing; events of a run are dense.
#[async_trait]
pub trait RunStore: WebhookStore + std::fmt::Debug + Send + Sync {
    /// Adds a run with its first events, and its session if that is new.
    ///
    /// # Errors
    /// [`StoreError::KeyUsed`] if the key was used before; any other [`StoreError`] if the store fails. Nothing was added then.
    async fn create_run(&self, run: RunRecord, first: Vec<Chunk>, idempotency: Option<Idempotency>) -> Result<(), StoreError>;

    /// Adds a batch, which has one chunk or more, each beginning where the one before ends, to a run's log and changes its row: all of
    /// it or nothing.
    ///
    /// # Errors
    /// [`StoreError::NotNext`] if a chunk does not begin right after the event before it or the run has ended;
    /// [`StoreError::KeyUsed`] if the change's key was used before; any other [`StoreError`] if the store fails. Nothing was
    /// written then.
    async fn append(&self, run: RunId, batch: Vec<Chunk>, change: RunChange) -> Result<(), StoreError>;

    /// The run of that id, or `None`.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails or the row is damaged.
    async fn run(&self, id: RunId) -> Result<Option<RunRecord>, StoreError>;

    /// At most `limit` runs that fit the filter, newest first.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails or a row is damaged.
    async fn runs(&self, filter: RunFilter, limit: usize) -> Result<Vec<RunRecord>, StoreError>;

    /// What this owner's key was used for; `None` if it was not, or is forgotten.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails or the row is damaged.
    async fn used_key(&self, owner: &UserName, key: &str) -> Result<Option<UsedKey>, StoreError>;

    /// The session of that id, or `None`.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails or the row is damaged.
    async fn session(&self, id: SessionId) -> Result<Option<SessionRecord>, StoreError>;

    /// At most `limit` sessions of `owner`, or of everyone, that are older than `before`, newest first.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails or a row is damaged.
    async fn sessions(&self, owner: Option<UserName>, before: Option<SessionId>, limit: usize) -> Result<Vec<SessionRecord>, StoreError>;

    /// Forgets keys of requests that came before that moment.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    async fn forget_keys(&self, before: Timestamp) -> Result<(), StoreError>;

    /// Ids of all runs that have not ended, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    async fn unfinished(&self) -> Result<Vec<RunId>, StoreError>;

    /// Ids of the unfinished runs that were live when the backup was made that this store was restored from: whatever carries their marks
    /// on this machine belongs to the server that the backup is of.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    async fn orphans(&self) -> Result<Vec<RunId>, StoreError>;

    /// Removes a run with its events, and its session if that has no other run. Gives whether there was one.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; nothing was removed then.
    async fn delete_run(&self, id: RunId) -> Result<bool, StoreError>;

    /// The chunks that hold events after number `after`, in order: at least one if there is any, more while they stay below
    /// `budget` bytes together. The first may begin before `after`.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if a chunk is not what was written; any other [`StoreError`] if the store fails.
    async fn chunks(&self, run: RunId, after: u64, budget: usize) -> Result<Vec<Chunk>, StoreError>;
}
