//! Webhook deliveries.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use super::super::audit_context::AuditContext;
use super::super::{ApiError, AppState, Path, Query};
use super::pagination::{Page, page_size};
use crate::auth::Principal;
use crate::run::store::{Delivery, DeliveryFilter, DeliveryStatus, OwnerFilter};
use crate::types::{AuditAction, RunId, UserName};

/// Maximum length of an id in the audit log, in characters. Ids of deliveries are shorter.
const MAX_DETAIL: usize = 100;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ListQuery {
    /// Filter by run.
    run_id: Option<RunId>,
    /// Filter by status.
    status: Option<DeliveryStatus>,
    /// Filter by owner of the run; admins only.
    owner: Option<UserName>,
    /// Maximum number of items.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
    /// Cursor of the page: the `next_cursor` of the previous one.
    cursor: Option<u64>,
}

/// A delivery of a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only described, not read")]
pub(in crate::api) struct DeliveryPath {
    /// `id` of the delivery.
    delivery: String,
}

/// Attempts a failed delivery again.
///
/// The attempt is made at once, with the usual retries. After it the following events of the run are sent to the endpoint as well.
#[utoipa::path(post, path = "/api/webhooks/deliveries/{delivery}/retry", operation_id = "retry_delivery", tag = "webhooks",
    params(DeliveryPath), extensions(("x-error-codes" = json!(["not_found", "delivery_not_failed", "storage"]))),
    responses((status = 204, description = "The delivery is pending.")))]
pub(in crate::api) async fn retry(
    State(app): State<AppState>,
    audit_context: AuditContext,
    Path(delivery): Path<String>,
) -> Result<StatusCode, ApiError> {
    let (runs, caller) = (app.runs.clone(), audit_context.caller());
    let event = audit_context.event(AuditAction::WebhookRetry).detail(delivery.chars().take(MAX_DETAIL).collect());
    app.audited(event, move |audit| async move { Ok(runs.retry_delivery(&caller, delivery, Some(audit)).await?) }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A page of deliveries.
pub(in crate::api) type DeliveryPage = Page<Delivery>;

/// Lists the webhook deliveries of the caller's runs, newest first; for admins, of all runs.
#[utoipa::path(get, path = "/api/webhooks/deliveries", operation_id = "list_deliveries", tag = "webhooks", params(ListQuery),
    responses((status = 200, description = "A page of deliveries.", body = DeliveryPage)))]
pub(in crate::api) async fn list(
    State(app): State<AppState>,
    principal: Principal,
    Query(query): Query<ListQuery>,
) -> Result<Answer<DeliveryPage>, ApiError> {
    let limit = page_size(query.limit)?;
    let filter =
        DeliveryFilter { owner: query.owner.map(OwnerFilter::Name), run: query.run_id, status: query.status, before: query.cursor };
    let found = app.runs.deliveries(&principal.caller, filter, limit + 1).await?;
    Ok(Answer(Page::new(found, limit, |delivery| delivery.number)))
}
