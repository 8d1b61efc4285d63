//! Creation of runs, idempotent with an idempotency key.
//!
//! ```text
//! key ── validate ── reserve: session, entry, slot, directory ── commit: row, first events, key ── driver ── interrupt other runs
//! ```
//! Everything before the commit is a reservation that is undone when it is dropped, so a request that fails at any step leaves nothing.
//! Effects on other runs follow the commit.

mod commit;
mod profile;
mod reserve;
#[cfg(test)]
mod tests;
mod validate;
mod worktree;

use std::sync::Arc;

use self::commit::NewRecord;
pub use self::profile::MAX_USERS as MAX_PROFILE_USERS;
pub(in crate::run) use self::profile::check_profile;
use self::validate::{Checked, Granted, ValidationContext};
use crate::agent::Capabilities;
use crate::run::errors::{CreateError, SessionError};
use crate::run::idempotency::IdempotencyKey;
use crate::run::manager::RunManager;
use crate::run::request::{BadRun, NewRun};
use crate::run::store::{Audited, RunFilter, SessionRecord, SessionUse, StoreError, UsedKey};
use crate::run::view::RunView;
use crate::types::{Caller, PermissionMode, RunId, SessionId, WorkspaceSpec};

impl RunManager {
    /// Creates a run, or returns the one that the same request with the same key created before. When this returns, the run is stored.
    /// Dropping the future does not cancel the creation.
    ///
    /// # Errors
    /// [`CreateError`], by cause.
    pub async fn create(
        &self,
        caller: &Caller,
        new: NewRun,
        key: Option<IdempotencyKey>,
        audit: Option<Audited>,
    ) -> Result<RunView, CreateError> {
        let (manager, caller) = (self.clone(), caller.clone());
        // In its own task: a client that disconnects must not leave a stored run without a driver.
        let creation = self.inner.tasks.spawn(async move { manager.create_unless_draining(&caller, new, key, audit).await });
        creation.await.unwrap_or_else(|panic| Err(CreateError::Store(StoreError::Internal(panic.to_string()))))
    }

    async fn create_unless_draining(
        &self,
        caller: &Caller,
        new: NewRun,
        key: Option<IdempotencyKey>,
        audit: Option<Audited>,
    ) -> Result<RunView, CreateError> {
        if self.inner.context.shutdown.is_requested() {
            return Err(CreateError::Draining);
        }
        let session = new.session;
        let created = self.once_per_key(caller, key, async |key| self.create_run(caller, new, key, audit).await).await;
        match (created, session) {
            // The session was deleted meanwhile, with its directory.
            (Err(CreateError::Invalid(_)), Some(id)) if self.is_session_gone(caller, id).await => Err(CreateError::NoSession(id)),
            (created, _) => created,
        }
    }

    async fn is_session_gone(&self, caller: &Caller, id: SessionId) -> bool {
        matches!(self.find_visible_session(caller, id).await, Err(SessionError::NotFound(_)))
    }

    /// Calls `create` unless the key was used before. Requests with the same key are handled one after the other, so that a repeated one
    /// finds the run of the first, and neither interrupts nor waits for another run again.
    async fn once_per_key(
        &self,
        caller: &Caller,
        key: Option<IdempotencyKey>,
        create: impl AsyncFnOnce(Option<IdempotencyKey>) -> Result<RunView, CreateError>,
    ) -> Result<RunView, CreateError> {
        let inner = &self.inner;
        let Some(key) = key else { return create(None).await };
        let _in_use = inner.keys_in_use.join((caller.user.id, key.key.clone())).await;
        let fingerprint = key.fingerprint;
        if let Some(used) = inner.store.used_key(caller.user.id, &key.key).await? {
            return self.existing_run(caller, used, fingerprint).await;
        }
        match create(Some(key)).await {
            // A message with the same key was stored meanwhile.
            Err(CreateError::Store(StoreError::KeyUsed(used))) => self.existing_run(caller, used, fingerprint).await,
            created => created,
        }
    }

    async fn create_run(
        &self,
        caller: &Caller,
        new: NewRun,
        key: Option<IdempotencyKey>,
        audit: Option<Audited>,
    ) -> Result<RunView, CreateError> {
        let inner = &self.inner;
        let owner_limits = inner.context.budgets.check(&caller.user).await?;
        let session = match new.session {
            Some(id) => Some(self.find_visible_session(caller, id).await.map_err(|error| match error {
                SessionError::NotFound(id) => CreateError::NoSession(id),
                SessionError::Store(error) => error.into(),
            })?),
            None => None,
        };
        let mut new = new;
        let granted = self.apply_profile(caller, &mut new).await?;
        let (id, on_busy) = (RunId::new(), new.on_busy);
        let weak_guarantee = new.default_passwords && new.permission_mode.unwrap_or_default() != PermissionMode::Auto;
        // Only if needed, because an agent that was just installed must be probed first.
        let capabilities = if validate::needs_capabilities(&new) || !owner_limits.is_empty() {
            inner.context.agents.capabilities(validate::agent_type_of(&new, session.as_ref())).await
        } else {
            Capabilities::default()
        };
        let inherited = self.workspace_of(session.as_ref()).await?;
        let (shared, owner, continued) = (Arc::clone(inner), caller.clone(), session.clone());
        let validation = tokio::task::spawn_blocking(move || {
            let context = ValidationContext {
                agents: &shared.context.agents,
                workspaces: &shared.workspaces,
                config: &shared.config,
                granted,
                inherited,
            };
            let checked = validate::validate(new, id, &owner, continued.as_ref(), capabilities, owner_limits, &context);
            // On the blocking thread, because the values may be megabytes.
            checked.map(|checked| {
                let of_agent = shared.context.agents.secrets(&checked.spec.agent_type);
                let values = checked.secrets.values().chain(of_agent.iter().map(String::as_str));
                (shared.log.secrets().with(values), checked)
            })
        });
        let checked = validation.await.map_err(|panic| StoreError::Internal(panic.to_string()))?;
        let (masked, Checked { mut spec, directory, trust, attachments, moved_from, widened, secrets, webhooks }) =
            checked.map_err(CreateError::Invalid)?;
        let session_use = match &session {
            None => SessionUse::Starts,
            Some(_) if moved_from.is_some() => SessionUse::Moves,
            Some(_) => SessionUse::Continues,
        };
        let session = session.map_or_else(SessionId::new, |session| session.id);
        if let Some(workspace) = spec.workspace.as_mut().filter(|workspace| workspace.branch.is_empty()) {
            workspace.branch = format!("openrunner/{session}");
        }
        let reservation = self.reserve(id, caller, session, on_busy, &spec.agent_type, directory).await?;
        let (shared, path) = (Arc::clone(inner), reservation.directory.path().to_owned());
        let decided = tokio::task::spawn_blocking(move || trust.decide(&path, &shared.config));
        let decided = decided.await.map_err(|panic| StoreError::Internal(panic.to_string()))?;
        spec.project_config = decided.map_err(|fault| CreateError::Invalid(vec![fault]))?;
        let new = NewRecord { spec, session, session_use, attachments, moved_from, widened, secrets, masked, webhooks, weak_guarantee };
        self.commit(reservation, caller, new, key, audit).await
    }

    /// The workspace of a session that is continued, from its newest run.
    async fn workspace_of(&self, session: Option<&SessionRecord>) -> Result<Option<WorkspaceSpec>, CreateError> {
        let Some(session) = session.filter(|session| self.inner.workspaces.is_fresh(&session.working_dir)) else { return Ok(None) };
        let filter = RunFilter { session: Some(session.id), ..RunFilter::default() };
        Ok(self.inner.store.runs(filter, 1).await?.pop().and_then(|run| run.spec.workspace))
    }

    /// Adds what the profile of the request sets, if it names one.
    async fn apply_profile(&self, caller: &Caller, new: &mut NewRun) -> Result<Granted, CreateError> {
        let Some(name) = new.profile.clone() else { return Ok(Granted::default()) };
        let Some(named) = self.usable_profile(caller, &name).await? else {
            return Err(CreateError::Invalid(vec![BadRun::UnknownProfile(name)]));
        };
        profile::apply(&name, named.profile, new).map_err(CreateError::Invalid)
    }

    /// The run that an earlier request with the same key created.
    async fn existing_run(&self, caller: &Caller, used: UsedKey, fingerprint: [u8; 32]) -> Result<RunView, CreateError> {
        if used.fingerprint != fingerprint {
            return Err(CreateError::KeyReused);
        }
        self.get(caller, used.run).await.map_err(CreateError::from)
    }
}
