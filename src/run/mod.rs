//! Runs: their life, their log and where both are kept.

mod admission;
mod budgets;
mod driver;
mod errors;
pub mod events;
mod feed;
mod handle;
mod manager;
mod policy;
mod private;
mod recovery;
mod request;
mod requests;
mod retention;
mod sessions;
mod shutdown;
mod state;
pub mod store;
mod view;
mod webhooks;
mod workspace;

pub use crate::agent::{AgentReport, AgentSummary};
pub use budgets::{BudgetError, BudgetState, OverBudget, Portion};
pub use errors::{AnswerError, CreateError, DeleteError, FindError, MessageError, SessionError};
pub use feed::{BadCursor, Feed, FeedCursor, FeedEvent, FeedItem};
pub use handle::{NotAnswered, NotTaken};
pub use manager::{IdempotencyKey, RunManager, RunSettings};
pub use policy::{BadRule, Rule};
pub use recovery::Recovered;
pub use request::{BadRun, DEFAULT_TIMEOUT, MAX_TIMEOUT, NewRun, OnBusy};
pub use requests::{Asks, BadAnswer, RequestView};
pub use retention::{Keep, Kept, Retention};
pub use state::{Input, Outcome, RunState, StopReason, WrongInput};
pub use view::{RunEnd, RunView, SessionView};
pub use webhooks::{BadSecret, BadWebhook, Guard, SigningSecret, WebhookRequest, WebhookRules, WebhookSettings};
pub use workspace::WorkspaceError;
