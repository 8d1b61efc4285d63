//! Reserves what a new run needs before it is stored.

use std::sync::Arc;

use crate::run::admission::{QueueFull, Ticket};
use crate::run::errors::CreateError;
use crate::run::live::{self, Inbox, Registration, RunHandle};
use crate::run::manager::RunManager;
use crate::run::request::{BadRun, OnBusy};
use crate::run::sessions::SessionTurn;
use crate::run::store::StoreError;
use crate::run::workspace::{DirectoryRequest, ReservedDirectory};
use crate::types::{Caller, RunId, SessionId};

/// Everything that a run which is about to be stored occupies. Dropping it gives all of it back.
pub(super) struct Reservation {
    pub(super) turn: SessionTurn,
    /// Runs of the session to be stopped in favor of this one, as `on_busy` demands.
    pub(super) interrupted: Vec<RunHandle>,
    /// The entry in the registry: observers that read the run's row also find its driver.
    pub(super) registration: Registration,
    pub(super) inbox: Inbox,
    pub(super) ticket: Ticket,
    pub(super) directory: ReservedDirectory,
}

impl RunManager {
    /// Reserves the session, the entry, a place in the queue and the working directory of run `id`, in this order.
    ///
    /// # Errors
    /// [`CreateError`] if one of them cannot be had. What was reserved before it is released.
    pub(super) async fn reserve(
        &self,
        id: RunId,
        caller: &Caller,
        session: SessionId,
        on_busy: OnBusy,
        agent_type: &str,
        directory: DirectoryRequest,
    ) -> Result<Reservation, CreateError> {
        let inner = &self.inner;
        let notifier = inner.changes.notifier(id, caller.user.id);
        let (handle, inbox) = live::channel(session, agent_type.to_owned(), notifier);
        let (registration, (turn, is_free), ahead) = inner.live.reserve_with(id, handle, || self.join_session(session, on_busy))?;
        let interrupted = if on_busy == OnBusy::Interrupt { ahead } else { Vec::new() };
        let ticket = inner.admission.queue(id, caller.user.id, agent_type, !is_free).map_err(|full| match full {
            QueueFull::Total => CreateError::QueueFull { max_queue: inner.config.max_queue },
            QueueFull::User(waiting) => CreateError::UserQueueFull { waiting, max: inner.config.max_queue_per_user },
        })?;
        let shared = Arc::clone(inner);
        let reserved = match directory {
            // Without access to the disk.
            DirectoryRequest::OfSession(..) => inner.workspaces.reserve(&directory),
            DirectoryRequest::Path(..) | DirectoryRequest::Fresh(_) => {
                let reserving = tokio::task::spawn_blocking(move || shared.workspaces.reserve(&directory));
                reserving.await.map_err(|panic| StoreError::Internal(panic.to_string()))?
            }
        };
        let directory = reserved.map_err(|error| CreateError::Invalid(vec![BadRun::from(error)]))?;
        Ok(Reservation { turn, interrupted, registration, inbox, ticket, directory })
    }

    /// Joins the session's queue as `on_busy` demands. Also returns whether the session is free.
    fn join_session(&self, session: SessionId, on_busy: OnBusy) -> Result<(SessionTurn, bool), CreateError> {
        let sessions = &self.inner.sessions;
        match sessions.try_acquire(session) {
            Some(guard) => Ok((Box::pin(std::future::ready(guard)), true)),
            None if on_busy == OnBusy::Reject => Err(CreateError::SessionBusy(session)),
            None => Ok((sessions.join(session), false)),
        }
    }
}
