//! Tickets for the event stream of a run.

use axum::Json as Answer;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::audit_context::AuditContext;
use super::super::{ApiError, AppState, Path};
use super::params::RunPath;
use crate::auth::{TICKET_SECS, Target};
use crate::types::{AuditAction, RunId};

/// A ticket.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct TicketResponse {
    /// The ticket, for `access_token` of this run's event stream only.
    ticket: String,
    /// Seconds within which a stream can be opened with it.
    expires_in: i64,
    /// Path of the event stream, including the ticket.
    events_url: String,
}

/// Creates a ticket for the event stream of a run, for browsers, whose `EventSource` cannot send headers.
///
/// It replaces a token in the query of this stream. A stream opened with it lasts as long as the token or key that the ticket was created with.
#[utoipa::path(post, path = "/api/runs/{id}/ticket", operation_id = "create_ticket", tag = "runs", params(RunPath),
    extensions(("x-error-codes" = json!(["not_found"]))),
    responses((status = 200, description = "The ticket.", body = TicketResponse)))]
pub(in crate::api) async fn create(
    State(app): State<AppState>,
    audit_context: AuditContext,
    Path(run): Path<RunId>,
) -> Result<Answer<TicketResponse>, ApiError> {
    let event = audit_context.event(AuditAction::Ticket).to(Target::Run(run));
    let (state, principal) = (app.clone(), audit_context.principal);
    // A ticket is signed, not stored.
    let making = move |_audit| async move {
        state.runs.get(&principal.caller, run).await?;
        state.auth.issue_ticket(&principal, run).ok_or_else(|| ApiError::internal(&std::io::Error::other("cannot sign the ticket")))
    };
    let ticket = app.audited(event, making).await?;
    // A ticket contains no characters that need encoding in a query.
    let events_url = app.base_path.path_of(&format!("/api/runs/{run}/events?access_token={ticket}"));
    Ok(Answer(TicketResponse { ticket, expires_in: TICKET_SECS, events_url }))
}
