//! Webhook endpoints and deliveries.

use async_trait::async_trait;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Audited, OwnerFilter, StoreError};
use crate::types::{RunId, SessionId, Timestamp, UserId, string_enum};

/// An endpoint of a new run.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct NewWebhook {
    /// Its URL; `None` for the endpoint in the server's settings.
    pub url: Option<String>,
    /// Its signing secret; `None` for the one in the server's settings.
    pub secret: Option<String>,
    /// The event types to send; `None` for the default ones.
    pub events: Option<Vec<String>>,
}

/// Omits URL and secret, which are confidential.
impl std::fmt::Debug for NewWebhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewWebhook").field("events", &self.events).finish_non_exhaustive()
    }
}

/// An endpoint with events that may still have to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveWebhook {
    /// Number of the row. Endpoints of later runs have greater ones.
    pub id: i64,
    /// The run whose events are sent.
    pub run: RunId,
    /// The session of that run.
    pub session: SessionId,
    /// The endpoint.
    pub webhook: NewWebhook,
    /// Number of the last event that was delivered or skipped; 0 for none.
    pub cursor: u64,
    /// Number of failed attempts for the next event.
    pub attempts: u32,
    /// When the next event is retried.
    pub next_attempt_at: Option<Timestamp>,
}

/// One attempt to deliver one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Id of the endpoint.
    pub webhook: i64,
    /// The `webhook-id` that the receiver sees, the same for every attempt.
    pub message_id: String,
    /// Number of the event.
    pub seq: u64,
    /// Type of the event.
    pub event: String,
    /// Host and port of the endpoint.
    pub host: String,
    /// Time of the attempt.
    pub at: Timestamp,
    /// HTTP status of the response, if there was one.
    pub http_status: Option<u16>,
    /// What went wrong, in text for a user.
    pub error: Option<String>,
    /// What happens next.
    pub next: NextAttempt,
}

/// What follows an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextAttempt {
    /// Nothing: the event was delivered.
    Delivered,
    /// A retry at this time.
    RetryAt(Timestamp),
    /// Nothing: no further event of the run is sent to the endpoint.
    Abandoned,
}

string_enum! {
    /// Status of a webhook delivery.
    #[derive(ToSchema)]
    pub enum DeliveryStatus {
        /// Not delivered yet; will be retried.
        Pending = "pending",
        /// Accepted by the receiver.
        Delivered = "delivered",
        /// Abandoned after the last attempt.
        Failed = "failed",
    }
}

/// The delivery of one event to one endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Delivery)]
pub struct Delivery {
    /// Its number, for paging.
    #[serde(skip)]
    pub number: u64,
    /// The `webhook-id` that the receiver sees, the same for every attempt.
    pub id: String,
    /// The run.
    pub run_id: RunId,
    /// Number of the event.
    pub seq: u64,
    /// Type of the event.
    pub event: String,
    /// Host and port of the endpoint. The rest of its URL may contain a secret and is not shown.
    pub host: String,
    /// Status of the delivery.
    pub status: DeliveryStatus,
    /// Number of attempts.
    pub attempts: u32,
    /// HTTP status of the last response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// Error of the last attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Time of the last attempt.
    pub last_attempt_at: Timestamp,
    /// Time of the next attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<Timestamp>,
}

/// What became of a request to retry a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryRetry {
    /// The delivery is pending again, and this endpoint active.
    Retried(i64),
    /// The delivery has not failed, but has this status.
    NotFailed(DeliveryStatus),
    /// There is no such delivery.
    NotFound,
}

/// Selects deliveries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Only of runs of this owner; `None` for all.
    pub owner: Option<OwnerFilter>,
    /// Only of this run.
    pub run: Option<RunId>,
    /// Only with this status.
    pub status: Option<DeliveryStatus>,
    /// Only deliveries with a smaller number: the last one of the previous page.
    pub before: Option<u64>,
}

/// Stores webhook endpoints and deliveries. [`RunStore::create_run`](super::RunStore::create_run) adds the endpoints.
#[async_trait]
pub trait WebhookStore: Send + Sync {
    /// At most `limit` endpoints with unsent events and ids greater than `after`, in the order of ids. Damaged rows are left
    /// out.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    async fn active_webhooks(&self, after: i64, limit: usize) -> Result<Vec<ActiveWebhook>, StoreError>;

    /// Records an attempt together with what follows from it. Does nothing if the endpoint or its run was deleted.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; nothing was written then.
    async fn record_attempt(&self, attempt: Attempt) -> Result<(), StoreError>;

    /// Marks an endpoint as done because all events of its run were handled.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    async fn finish_webhook(&self, webhook: i64) -> Result<(), StoreError>;

    /// Makes a failed delivery pending again, with a first attempt at `at`, and its endpoint active, so that the following events of the run
    /// are sent as well. `owner` is that of the run; `None` for any.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; nothing was changed then.
    async fn retry_delivery(
        &self,
        owner: Option<UserId>,
        message_id: String,
        at: Timestamp,
        audit: Option<Audited>,
    ) -> Result<DeliveryRetry, StoreError>;

    /// At most `limit` deliveries that match the filter, newest first. Damaged rows are left
    /// out.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    async fn deliveries(&self, filter: DeliveryFilter, limit: usize) -> Result<Vec<Delivery>, StoreError>;
}
