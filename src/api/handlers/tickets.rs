//! Tickets for one run's stream.

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
    /// What stands for a token in the address of this run's stream, and nowhere else.
    ticket: String,
    /// For how many seconds a stream can be begun with it.
    expires_in: i64,
    /// The address of the stream, with the ticket in it.
    events_url: String,
}

/// Gives a ticket for the stream of a run, for browsers, which can send no header with it.
///
/// It stands for a token in the address of this one stream. What was begun with it goes on as long as what it was asked for with is good.
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
    let making = async move {
        state.runs.get(&principal.caller, run).await?;
        state.auth.ticket(&principal, run).ok_or_else(|| ApiError::internal(&std::io::Error::other("the ticket could not be signed")))
    };
    let ticket = app.audited(event, making).await?;
    // Nothing in a ticket needs to be written differently in an address.
    let events_url = format!("/api/runs/{run}/events?access_token={ticket}");
    Ok(Answer(TicketResponse { ticket, expires_in: TICKET_SECS, events_url }))
}
