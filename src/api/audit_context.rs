//! The caller of an audited request, and the only way to write the audit log.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::{ApiError, AppState};
use crate::auth::{AuditEvent, ClientOrigin, Principal, Target};
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
    /// Performs an action and records it with its outcome. The action completes even if the client disconnects.
    pub(super) async fn audited<T: Send + 'static>(
        &self,
        event: AuditEvent,
        action: impl Future<Output = Result<T, ApiError>> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.audited_with_target(event, action, |_value| None).await
    }

    /// The same for an action whose target is known only from its result, such as a new run or key.
    pub(super) async fn audited_with_target<T: Send + 'static>(
        &self,
        event: AuditEvent,
        action: impl Future<Output = Result<T, ApiError>> + Send + 'static,
        target: impl FnOnce(&T) -> Option<Target> + Send + 'static,
    ) -> Result<T, ApiError> {
        let result = self.audit.perform(event, action, target, ApiError::code).await;
        result.unwrap_or_else(|| Err(ApiError::internal(&std::io::Error::other("the action of a handler panicked"))))
    }
}
