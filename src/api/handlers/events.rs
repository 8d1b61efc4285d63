//! The event stream of a run.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::{Stream, unfold};
use serde::Deserialize;
use utoipa::IntoParams;

use super::super::stream::{Access, AccessEnd};
use super::super::{ApiError, AppState, FaultCode, Path, Query, stream};
use super::params::RunPath;
use crate::auth::Principal;
use crate::run::events::{Follower, Framing};
use crate::run::store::StoreError;
use crate::types::RunId;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct FollowQuery {
    /// Start after the event with this number. Default: 0, the beginning. `Last-Event-ID` takes precedence.
    after: Option<u64>,
    // Always rejected, so it is not described: other servers have this parameter, and ignoring it would be misleading.
    #[param(ignore)]
    format: Option<String>,
}

/// Streams the events of a run up to `done`.
#[utoipa::path(get, path = "/api/runs/{id}/events", operation_id = "follow_events", tag = "runs",
    summary = "Streams the events of a run up to `done`.",
    description = include_str!("../openapi/stream.md"),
    params(RunPath, FollowQuery,
        ("Last-Event-ID" = Option<u64>, Header, description = "Start after the event with this `id`."),
        ("access_token" = Option<String>, Query, description = "A ticket for this stream, or a token, for a browser's `EventSource`, which cannot send headers.")),
    extensions(("x-error-codes" = json!(["not_found", "too_many_streams"]))),
    responses(
        (status = 200, description = "The stream. It ends after `done`, or when the reader loses access.",
            content((ref("#/components/schemas/EventFrame") = "text/event-stream"), (ref("#/components/schemas/Event") = "application/x-ndjson"))),
        (status = 204, description = "The run has ended and there is nothing left to read. An `EventSource` does not reconnect.")))]
pub(in crate::api) async fn follow(
    State(app): State<AppState>,
    principal: Principal,
    Path(run): Path<RunId>,
    Query(query): Query<FollowQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if let Some(format) = query.format {
        return Err(ApiError::invalid_field("format", FaultCode::NotSupported, format!("format {format:?} is not supported; omit it")));
    }
    // The header takes precedence: a browser that reconnects sends it with the original URL.
    let after = last_event_id(&headers)?.or(query.after).unwrap_or(0);
    let framing = stream::framing(&headers);
    let mut follower = app.runs.follow(&principal.caller, run, after, framing).await?;
    if framing == Framing::Sse && follower.is_exhausted() {
        // The standard for server-sent events: a browser does not reconnect after 204.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    stream::respond(&app, &principal, framing, log(follower), access_to(&app, &principal, run))
}

/// The events of `follower`, in NDJSON, for as long as `principal` has access, with empty lines while there are none.
pub(super) fn follow_while_allowed(
    app: &AppState,
    principal: &Principal,
    run: RunId,
    follower: Follower,
) -> impl Stream<Item = Result<Bytes, StoreError>> + Send + Unpin + use<> {
    Box::pin(stream::while_allowed(Framing::Ndjson, log(follower), access_to(app, principal, run)))
}

/// The access of `principal` to the run.
fn access_to(app: &AppState, principal: &Principal, run: RunId) -> Access {
    let (state, reader) = (app.clone(), principal.clone());
    Access::new(app, principal, Box::new(move || Box::pin(check_access(state.clone(), reader.clone(), run))))
}

/// Whether the reader still has access to the run. A deleted run ends its stream itself. If the store fails, the stream ends, and the client
/// reconnects.
async fn check_access(app: AppState, principal: Principal, run: RunId) -> Result<(), AccessEnd> {
    let now = app.auth.recheck(&principal).await.map_err(|_refused| AccessEnd::Revoked)?;
    app.runs.get(&now.caller, run).await.map(|_run| ()).map_err(|_refused| AccessEnd::Forbidden)
}

/// The events of a follower as a stream.
fn log(follower: Follower) -> impl Stream<Item = Result<Bytes, StoreError>> + Send + Unpin {
    Box::pin(unfold(follower, async |mut follower| Some((follower.next().await?, follower))))
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let bad = |_| ApiError::invalid_field("Last-Event-ID", FaultCode::Invalid, "must be the `id` of an event, which is a number");
    stream::last_event_id(headers).map(|text| text.parse().map_err(bad)).transpose()
}
