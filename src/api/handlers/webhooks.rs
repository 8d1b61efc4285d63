//! Webhook deliveries.

use axum::Json as Answer;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::super::{ApiError, AppState, Query};
use super::pagination::{Page, page_size};
use crate::auth::Principal;
use crate::run::store::{Delivery, DeliveryFilter, DeliveryStatus, OwnerFilter};
use crate::types::{RunId, UserName};

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
