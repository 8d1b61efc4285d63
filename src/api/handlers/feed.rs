//! The stream of changes to all runs that the caller may see.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::{Stream, StreamExt, unfold};
use serde::Deserialize;
use utoipa::IntoParams;

use super::super::stream::{Access, AccessEnd};
use super::super::{ApiError, AppState, FaultCode, Query, stream};
use crate::auth::Principal;
use crate::run::events::Framing;
use crate::run::store::StoreError;
use crate::run::{Feed, FeedCursor, FeedItem};
use crate::types::escape_line_breaks;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct FeedQuery {
    /// Start after this cursor. Default: now. `Last-Event-ID` takes precedence.
    #[param(pattern = "^[0-9a-f]{16}-[0-9]+$")]
    after: Option<String>,
}

/// Streams changes to all runs that the caller may see.
#[utoipa::path(get, path = "/api/events", operation_id = "follow_runs", tag = "runs",
    summary = "Streams changes to all runs that the caller may see.",
    description = include_str!("../openapi/feed.md"),
    params(FeedQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "Start after the event with this `id`.")),
    extensions(("x-error-codes" = json!(["too_many_streams"]))),
    responses(
        (status = 200, description = "The stream. It ends when the server shuts down, or when the reader loses access.",
            content((FeedItem = "text/event-stream"), (FeedItem = "application/x-ndjson")))))]
pub(in crate::api) async fn follow(
    State(app): State<AppState>,
    principal: Principal,
    Query(query): Query<FeedQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    // The header takes precedence: a browser that reconnects sends it with the original URL.
    let after = match stream::last_event_id(&headers) {
        Some(text) => Some(cursor("Last-Event-ID", text)?),
        None => query.after.map(|text| cursor("after", &text)).transpose()?,
    };
    let framing = stream::framing(&headers);
    let feed = app.runs.feed(&principal.caller, after);
    let (state, reader) = (app.clone(), principal.clone());
    // The feed has no event for notices. Its cursor stays valid, also for another role.
    let access = Access::new(&app, &principal, Box::new(move || Box::pin(check_access(state.clone(), reader.clone())))).unannounced();
    stream::respond(&app, &principal, framing, items(feed, framing), access)
}

/// Whether the reader is still authenticated with the same role. Another role sees other runs.
async fn check_access(app: AppState, principal: Principal) -> Result<(), AccessEnd> {
    let now = app.auth.recheck(&principal).await.map_err(|_refused| AccessEnd::Revoked)?;
    if now.caller == principal.caller { Ok(()) } else { Err(AccessEnd::Forbidden) }
}

fn items(feed: Feed, framing: Framing) -> impl Stream<Item = Result<Bytes, StoreError>> + Send + Unpin {
    let items = unfold(feed, async |mut feed| Some((feed.next().await?, feed)));
    Box::pin(items.map(move |item| item.and_then(|item| encode(&item, framing))))
}

/// Encodes an event. Its id and name contain no line breaks and its JSON is one line, so frames cannot be forged.
fn encode(item: &FeedItem, framing: Framing) -> Result<Bytes, StoreError> {
    let mut out = match framing {
        Framing::Sse => format!("id: {}\nevent: {}\ndata: ", item.cursor, item.event.name()).into_bytes(),
        Framing::Ndjson => Vec::new(),
    };
    let data = out.len();
    serde_json::to_writer(&mut out, item).map_err(|error| StoreError::Read(error.to_string()))?;
    escape_line_breaks(&mut out, data);
    out.extend_from_slice(match framing {
        Framing::Sse => b"\n\n",
        Framing::Ndjson => b"\n",
    });
    Ok(out.into())
}

fn cursor(field: &'static str, text: &str) -> Result<FeedCursor, ApiError> {
    text.parse().map_err(|error: crate::run::BadCursor| ApiError::invalid_field(field, FaultCode::Invalid, error.to_string()))
}
