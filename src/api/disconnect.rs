//! Cancels the run of a client that disconnects while it waits for the answer, where that is requested.

use super::AppState;
use super::audit_context::AuditContext;
use crate::auth::Target;
use crate::types::{AuditAction, OnDisconnect, RunId};

/// Cancels a run when dropped, which means that its client has disconnected. The cancellation is recorded in the audit log. Nothing happens if
/// the run is to continue, or after [`disarm`](Self::disarm).
///
/// A server that shuts down drops its guards as well; that cancels nothing.
pub(super) struct DisconnectGuard {
    app: AppState,
    audit_context: AuditContext,
    run: RunId,
    on_disconnect: OnDisconnect,
}

impl DisconnectGuard {
    pub(super) fn new(app: AppState, audit_context: AuditContext, run: RunId, on_disconnect: OnDisconnect) -> Self {
        Self { app, audit_context, run, on_disconnect }
    }

    /// Disarms the guard: the client has its response, or the server ends the stream.
    pub(super) fn disarm(&mut self) {
        self.on_disconnect = OnDisconnect::Continue;
    }
}

impl Drop for DisconnectGuard {
    fn drop(&mut self) {
        if self.on_disconnect == OnDisconnect::Continue || self.app.runs.is_draining() {
            return;
        }
        tracing::info!(run.id = %self.run, "run cancelled because its client disconnected");
        let (runs, caller, run) = (self.app.runs.clone(), self.audit_context.caller(), self.run);
        let event = self.audit_context.event(AuditAction::RunCancel).to(Target::Run(run)).detail("client disconnected".to_owned());
        let cancel = move |audit| async move { runs.cancel(&caller, run, Some(audit)).await.map(drop).map_err(super::ApiError::from) };
        // The task tracker runs it to completion.
        drop(self.app.audit.spawn(event, cancel, |()| None, super::ApiError::code));
    }
}
