//! The stream of a run's events.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{Stream, unfold};
use serde::Deserialize;
use utoipa::IntoParams;

use super::super::{ApiError, AppState, FaultCode, Path, Query, stream};
use super::params::RunPath;
use crate::auth::Principal;
use crate::run::events::{Follower, Framing};
use crate::run::store::StoreError;
use crate::types::RunId;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct FollowQuery {
    /// Go on after the event of this number; 0, or nothing, is the beginning. `Last-Event-ID` counts before it.
    after: Option<u64>,
    // Refused whatever it says, so it is no part of the description: other servers know it, and it must not be ignored here.
    #[param(ignore)]
    format: Option<String>,
}

/// Follows the events of a run, from the first or after a given one up to `done`.
#[utoipa::path(get, path = "/api/runs/{id}/events", operation_id = "follow_events", tag = "runs",
    summary = "Follows the events of a run, from the first or after a given one up to `done`.",
    description = include_str!("../openapi/stream.md"),
    params(RunPath, FollowQuery,
        ("Last-Event-ID" = Option<u64>, Header, description = "Go on after the event of this number, as its `id` told."),
        ("access_token" = Option<String>, Query, description = "A ticket for this stream, or a token, for a browser's `EventSource`, which cannot send headers.")),
    extensions(("x-error-codes" = json!(["not_found", "too_many_streams"]))),
    responses(
        (status = 200, description = "The stream. It ends after `done`, or when its reader has lost the right to it.",
            content((ref("#/components/schemas/EventFrame") = "text/event-stream"), (ref("#/components/schemas/Event") = "application/x-ndjson"))),
        (status = 204, description = "The run has ended and every event was seen: an `EventSource` does not come again.")))]
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
    // The header is the newer word: a browser that reconnects sends it with the address that it first came by.
    let after = last_event_id(&headers)?.or(query.after).unwrap_or(0);
    let framing = stream::framing(&headers);
    let mut follower = app.runs.follow(&principal.caller, run, after, framing).await?;
    if framing == Framing::Sse && follower.is_exhausted() {
        // By the standard of server-sent events this tells a browser not to come again.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let may_go_on = {
        let (app, principal) = (app.clone(), principal.clone());
        move || -> BoxFuture<'static, bool> { Box::pin(may_follow(app.clone(), principal.clone(), run)) }
    };
    stream::answer(&app, &principal, framing, log(follower), may_go_on)
}

/// What a follower reads for somebody, for as long as they may read it, with `keep_alive` where it is silent.
pub(super) fn following(
    app: AppState,
    principal: Principal,
    run: RunId,
    follower: Follower,
    keep_alive: &'static [u8],
) -> impl Stream<Item = Result<Bytes, StoreError>> + Send + Unpin {
    let expires_in = principal.expires_in;
    let may_go_on = move || -> BoxFuture<'static, bool> { Box::pin(may_follow(app.clone(), principal.clone(), run)) };
    Box::pin(stream::while_allowed(expires_in, keep_alive, log(follower), may_go_on))
}

/// Whether the reader would still be let in, and to this run. A store that cannot say so ends the stream: the client comes again.
async fn may_follow(app: AppState, principal: Principal, run: RunId) -> bool {
    match app.auth.recheck(&principal).await {
        Ok(now) => app.runs.get(&now.caller, run).await.is_ok(),
        Err(_refused) => false,
    }
}

/// What a follower reads, as a stream.
fn log(follower: Follower) -> impl Stream<Item = Result<Bytes, StoreError>> + Send + Unpin {
    Box::pin(unfold(follower, async |mut follower| Some((follower.next().await?, follower))))
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let bad = |_| ApiError::invalid_field("Last-Event-ID", FaultCode::Invalid, "must be the `id` of an event, which is a number");
    stream::last_event_id(headers).map(|text| text.parse().map_err(bad)).transpose()
}
