//! The caller of an audited request, and the only way to write the audit log.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::{ApiError, AppState};
use crate::auth::{AuditEvent, ClientOrigin, Principal, Target};
use crate::run::store::Audited;
use crate::types::{AuditAction, Caller};

/// The authenticated caller and the origin of the request: the argument of every handler that changes something.
#[derive(Clone, Debug)]
pub(super) struct AuditContext {
    pub(super) principal: Principal,
    pub(super) origin: ClientOrigin,
}

impl AuditContext {
    /// The caller.
    pub(super) fn caller(&self) -> Caller {
        self.principal.caller.clone()
    }

    /// An audit event: the caller performs `action`.
    pub(super) fn event(&self, action: AuditAction) -> AuditEvent {
        AuditEvent::by_principal(&self.principal, self.origin.addr, action)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for AuditContext {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let principal = Principal::from_request_parts(parts, state).await?;
        let Ok(origin) = ClientOrigin::from_request_parts(parts, state).await;
        Ok(Self { principal, origin })
    }
}

impl AppState {
    /// Performs an action and records it with its outcome. The action passes its entry on to the change that it makes, so that both are stored
    /// together. It completes even if the client disconnects.
    pub(super) async fn audited<T: Send + 'static, A: Future<Output = Result<T, ApiError>> + Send + 'static>(
        &self,
        event: AuditEvent,
        action: impl FnOnce(Audited) -> A + Send + 'static,
    ) -> Result<T, ApiError> {
        self.audited_with_target(event, action, |_value| None).await
    }

    /// The same for an action that may return an existing run, and so changes nothing, but has a target.
    pub(super) async fn audited_with_target<T: Send + 'static, A: Future<Output = Result<T, ApiError>> + Send + 'static>(
        &self,
        event: AuditEvent,
        action: impl FnOnce(Audited) -> A + Send + 'static,
        target: impl FnOnce(&T) -> Option<Target> + Send + 'static,
    ) -> Result<T, ApiError> {
        let result = self.audit.spawn(event, action, target, ApiError::code).await;
        result.unwrap_or_else(|panic| Err(ApiError::internal(&std::io::Error::other(panic))))
    }
}
