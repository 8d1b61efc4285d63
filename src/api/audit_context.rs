//! Whoever changes something, and the one way into the audit log.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::client_origin::ClientAddress;
use super::{ApiError, AppState};
use crate::auth::{AuditEvent, Principal, Target};
use crate::types::{AuditAction, Caller};

/// Whoever passed the door, with where the request came from: what a handler takes that changes something.
#[derive(Clone, Debug)]
pub(super) struct AuditContext {
    pub(super) principal: Principal,
    pub(super) client: ClientAddress,
}

impl AuditContext {
    /// Who it is.
    pub(super) fn caller(&self) -> Caller {
        self.principal.caller.clone()
    }

    /// This actor is about to do this.
    pub(super) fn deed(&self, action: AuditAction) -> AuditEvent {
        AuditEvent::of(&self.principal, self.client.ip(), action)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for AuditContext {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let principal = Principal::from_request_parts(parts, state).await?;
        let Ok(client) = ClientAddress::from_request_parts(parts, state).await;
        Ok(Self { principal, client })
    }
}

impl AppState {
    /// Does what changes something, and writes down who did it and how it came out. It is done to the end, whether or not the client
    /// stays.
    pub(super) async fn audited<T: Send + 'static>(
        &self,
        deed: AuditEvent,
        work: impl Future<Output = Result<T, ApiError>> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.audited_new(deed, work, |_done| None).await
    }

    /// The same where only what comes out tells to what it was done: a new run, a new key.
    pub(super) async fn audited_new<T: Send + 'static>(
        &self,
        deed: AuditEvent,
        work: impl Future<Output = Result<T, ApiError>> + Send + 'static,
        about: impl FnOnce(&T) -> Option<Target> + Send + 'static,
    ) -> Result<T, ApiError> {
        let done = self.audit.carry_out(deed, work, about, ApiError::code).await;
        done.unwrap_or_else(|| Err(ApiError::internal(&std::io::Error::other("what a handler began has panicked"))))
    }
}
