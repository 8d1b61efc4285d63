//! Where events of runs are sent, and what became of it, as the store keeps it.

use async_trait::async_trait;
use serde::Serialize;
use utoipa::ToSchema;

use super::StoreError;
use crate::types::{RunId, SessionId, Timestamp, UserName, string_enum};

/// A place that a new run's events are sent to.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct NewWebhook {
    /// Its address; `None` for the server's own place.
    pub url: Option<String>,
    /// What is signed with; `None` for the server's own secret.
    pub secret: Option<String>,
    /// Which events; `None` for the usual ones.
    pub events: Option<Vec<String>>,
}

/// Only that there is one: address and secret are nobody else's business.
impl std::fmt::Debug for NewWebhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewWebhook").field("events", &self.events).finish_non_exhaustive()
    }
}

/// A place that something may still have to be sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveWebhook {
    /// The row's number. Places of later runs have greater ones.
    pub id: i64,
    /// Whose events.
    pub run: RunId,
    /// The session of that run.
    pub session: SessionId,
    /// Where, and which.
    pub webhook: NewWebhook,
    /// Number of the last event that was taken or passed over; 0 for none.
    pub cursor: u64,
    /// How often the next one was tried in vain.
    pub attempts: u32,
    /// When it is tried again.
    pub next_at: Option<Timestamp>,
}

/// One try to send one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The place.
    pub webhook: i64,
    /// The id that the receiver sees; the same at every try.
    pub message_id: String,
    /// Number of the event.
    pub seq: u64,
    /// Its type.
    pub event: String,
    /// The place's host.
    pub host: String,
    /// When it was tried.
    pub at: Timestamp,
    /// HTTP status of the response, if there was one.
    pub http_status: Option<u16>,
    /// What went wrong, for a person.
    pub error: Option<String>,
    /// What follows from it.
    pub then: NextAttempt,
}

/// What follows from a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextAttempt {
    /// The receiver has it.
    Delivered,
    /// It is tried again at this moment.
    Again(Timestamp),
    /// Nothing more is sent to this place for this run.
    GivenUp,
}

string_enum! {
    /// Status of a webhook delivery.
    #[derive(ToSchema)]
    pub enum DeliveryStatus {
        /// Not delivered yet; will be retried.
        Pending = "pending",
        /// Accepted by the receiver.
        Delivered = "delivered",
        /// Given up after the last attempt.
        Failed = "failed",
    }
}

/// What became of one event at one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Delivery)]
pub struct Delivery {
    /// Its place in the listing, for paging.
    #[serde(skip)]
    pub number: u64,
    /// The `webhook-id` that the receiver sees: the same at every attempt.
    pub id: String,
    /// The run.
    pub run_id: RunId,
    /// Number of the event.
    pub seq: u64,
    /// The event's type.
    pub event: String,
    /// The receiver's host and port. The whole address is shown to nobody, since it may hold a secret.
    pub host: String,
    /// Where it stands.
    pub status: DeliveryStatus,
    /// How often it was tried.
    pub attempts: u32,
    /// HTTP status of the last response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// What went wrong at the last attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it was last tried.
    pub last_attempt_at: Timestamp,
    /// When it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<Timestamp>,
}

/// Which deliveries are wanted. Newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Only of this user's runs; `None` for everyone's.
    pub owner: Option<UserName>,
    /// Only of this run.
    pub run: Option<RunId>,
    /// Only those that stand there.
    pub status: Option<DeliveryStatus>,
    /// Only those before this one, which is where the last page ended.
    pub before: Option<u64>,
}

/// Keeps where events of runs are sent. New places come with their runs.
#[async_trait]
pub trait WebhookStore: Send + Sync {
    /// At most `limit` places that something may still have to be sent to, by number, those after number `after`.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails or a row is damaged.
    async fn active_webhooks(&self, after: i64, limit: usize) -> Result<Vec<ActiveWebhook>, StoreError>;

    /// Writes down a try with what follows from it, both or neither. A place or run that is gone meanwhile is no error.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; nothing was written then.
    async fn record_attempt(&self, attempt: Attempt) -> Result<(), StoreError>;

    /// Nothing more is to be sent to a place: its run has ended.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    async fn finish_webhook(&self, webhook: i64) -> Result<(), StoreError>;

    /// At most `limit` deliveries that fit the filter, newest first.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails or a row is damaged.
    async fn deliveries(&self, filter: DeliveryFilter, limit: usize) -> Result<Vec<Delivery>, StoreError>;
}
