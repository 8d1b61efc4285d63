//! What becomes of a run whose client leaves, in the one door where that means something.

use super::AppState;
use super::audit_context::AuditContext;
use super::openai::OnDisconnect;
use crate::auth::Target;
use crate::types::{AuditAction, RunId};

/// Stands for the client of a run. Dropping it means that the client has left: the run is cancelled then, on the client's behalf and in
/// the audit log, unless it was to go on or has been [released](Self::release).
///
/// A server that goes away drops its clients, too, and that cancels nothing.
pub(super) struct Client {
    app: AppState,
    audit_context: AuditContext,
    run: RunId,
    on_disconnect: OnDisconnect,
}

impl Client {
    pub(super) fn new(app: AppState, audit_context: AuditContext, run: RunId, on_disconnect: OnDisconnect) -> Self {
        Self { app, audit_context, run, on_disconnect }
    }

    /// Nothing hangs on the client any more: it has its answer, or it is this server that ends the stream.
    pub(super) fn release(&mut self) {
        self.on_disconnect = OnDisconnect::Continue;
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if self.on_disconnect == OnDisconnect::Continue || self.app.runs.is_draining() {
            return;
        }
        tracing::info!(run.id = %self.run, "the run's client has left, so the run is cancelled");
        let (runs, caller, run) = (self.app.runs.clone(), self.audit_context.caller(), self.run);
        let event = self.audit_context.event(AuditAction::RunCancel).to(Target::Run(run)).detail("its client left".to_owned());
        let cancelling = async move { runs.cancel(&caller, run).await.map(drop).map_err(super::ApiError::from) };
        // Carried out to the end by the tracker that it is begun on.
        drop(self.app.audit.spawn(event, cancelling, |()| None, super::ApiError::code));
    }
}
