//! Runs: lifecycle, log, queue, permissions, retention, and the store of all of it.
//!
//! [`RunManager`] is the entry point. Each live run is owned by one driver task; everything else reads the store.

mod admission;
mod attachments;
mod budgets;
mod chats;
mod completions;
mod config;
mod conversations;
mod create;
mod driver;
mod errors;
pub mod events;
mod feed;
mod git_hosts;
mod idempotency;
mod keyed_locks;
mod live;
mod manager;
mod output_schema;
mod policy;
mod profiles;
mod queued_message;
mod quotas;
mod recovery;
mod request;
mod requests;
mod retention;
mod run_secrets;
mod searches;
mod sessions;
mod shutdown;
mod state;
pub mod store;
mod uploads;
mod view;
mod webhooks;
mod workspace;
mod workspace_size;

pub use crate::agent::{AgentReport, AgentSummary, Authenticated, BadIsolation, Capabilities};
pub use attachments::{BadAttachment, MAX_ATTACHMENT_BYTES, NewAttachment};
pub use budgets::{Allowance, BudgetError, BudgetState, OverBudget, RunAllowance};
pub use config::{RetentionPolicy, RunConfig};
pub use create::MAX_PROFILE_USERS;
pub use errors::{AnswerError, CreateError, DeleteError, FindError, MessageError, RetryError, SearchError, SessionError};
pub use feed::{BadCursor, Feed, FeedCursor, FeedEvent, FeedItem};
pub use git_hosts::GitHosts;
pub use idempotency::IdempotencyKey;
pub use live::{AnswerRejected, MessageRejected};
pub use manager::{
    ChangesError, FilesError, FoundFile, NewCommit, RevertError, RevertTo, RunChanges, RunManager, SessionCommit, SessionWorkspaceError,
    StoredContent,
};
pub use output_schema::BadSchema;
pub use policy::{BadPattern, BadRule, BadRules, Rule};
pub use profiles::{NamedProfile, ProfileError, ProfileSource, fault_of_profile};
pub use queued_message::MessageInput;
pub use quotas::QuotaState;
pub use recovery::Recovered;
pub use request::{BadRun, DEFAULT_TIMEOUT, MAX_TIMEOUT, NewRun, OnBusy, WorkspaceRequest};
pub use requests::{BadAnswer, RequestKind, RequestView};
pub use retention::{Retention, RetentionReport};
pub use searches::TooManySearches;
pub use state::{Input, InvalidTransition, Outcome, RunState, StopReason};
pub use uploads::{MAX_UPLOAD_BYTES, Upload, UploadError};
pub use view::{RunEnd, RunView, SessionView};
pub use webhooks::{AddressGuard, BadSecret, BadWebhook, SigningSecret, WebhookConfig, WebhookRequest, WebhookSettings};
pub use workspace::WorkspaceError;
