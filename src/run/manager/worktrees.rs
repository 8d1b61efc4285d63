//! The worktrees of sessions: their work as commits, and their removal.

use std::time::Duration;

use super::RunManager;
use crate::run::errors::SessionError;
use crate::run::sessions::SessionGuard;
use crate::run::store::{RunFilter, RunRecord, SessionRecord, StoreError};
use crate::types::{Caller, RunId, SessionId, WorkspaceKind, WorkspaceSpec};
use crate::workspace::{CommitMessage, Committed, WorktreeError, WorktreeState};

/// How long a session is waited for whose newest run has ended.
const MAX_CLEANUP: Duration = Duration::from_secs(10);

/// In whose turn worktrees are looked at before their removal: that of no user.
const JANITOR: &str = "";

/// Maximum length of a commit message, in bytes.
const MAX_MESSAGE: usize = 64 * 1024;

/// Maximum length of the name and the address of an author, in bytes.
const MAX_IDENTITY: usize = 200;

/// A commit as requested by the caller, not validated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCommit {
    /// The message.
    pub message: String,
    /// Name of the author; default: the caller's username.
    pub author_name: Option<String>,
    /// Email address of the author; default: one that does not exist.
    pub author_email: Option<String>,
    /// Whether the branch is pushed.
    pub push: bool,
}

/// The work of a session on its branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionCommit {
    /// The newest run of the session.
    pub run: RunId,
    /// The workspace.
    pub workspace: WorkspaceSpec,
    /// The commit.
    pub committed: Committed,
    /// Whether the branch was pushed.
    pub is_pushed: bool,
}

/// Why something could not be done with the workspace of a session.
#[derive(Debug, thiserror::Error)]
pub enum SessionWorkspaceError {
    /// The session was not found.
    #[error(transparent)]
    Find(#[from] SessionError),
    /// A run of the session has not ended.
    #[error("session {0} has a live run; wait for its end or cancel it")]
    Live(SessionId),
    /// The session has no worktree.
    #[error("the session has no worktree; start one with metadata.workspace")]
    NoWorktree,
    /// The working directory was not made for the session.
    #[error("the session works in a directory that was not made for it")]
    InPlace,
    /// Work would be lost.
    #[error("the workspace has work that is not committed; commit it with POST /api/sessions/{{id}}/branch, or remove it with force=true")]
    Uncommitted,
    /// A field is invalid.
    #[error("{problem}")]
    Field {
        /// The field.
        field: &'static str,
        /// Why.
        problem: String,
    },
    /// The branch was not pushed. The commit is made.
    #[error("the work is committed, but its branch was not pushed: {0}")]
    Push(String),
    /// The worktree or its repository cannot be used.
    #[error(transparent)]
    Worktree(#[from] WorktreeError),
}

impl From<StoreError> for SessionWorkspaceError {
    fn from(error: StoreError) -> Self {
        Self::Find(error.into())
    }
}

impl RunManager {
    /// Commits the work in a session's worktree on its branch in the user's repository.
    ///
    /// # Errors
    /// [`SessionWorkspaceError`], by cause.
    pub async fn commit_worktree(&self, caller: &Caller, id: SessionId, new: NewCommit) -> Result<SessionCommit, SessionWorkspaceError> {
        let session = self.find_visible_session(caller, id).await?;
        let push = new.push;
        let message = check_commit(caller, new)?;
        let (newest, _guard) = self.idle(id).await?;
        let workspace = newest.spec.workspace.ok_or(SessionWorkspaceError::NoWorktree)?;
        if push {
            self.check_push(&workspace)?;
        }
        let name = session.first_run.to_string();
        let committed = self.inner.context.worktrees.commit(&name, &session.working_dir, &session.owner.id.to_string(), &message).await;
        let committed = committed.map_err(|error| match error {
            WorktreeError::NotFound => SessionWorkspaceError::NoWorktree,
            error => error.into(),
        })?;
        tracing::info!(session.id = %id, by = %caller.user, commit = %committed.commit, "committed the work of a session");
        if push {
            self.push(&workspace, &session).await?;
            tracing::info!(session.id = %id, by = %caller.user, "pushed the branch of a session");
        }
        Ok(SessionCommit { run: newest.id, workspace, committed, is_pushed: push })
    }

    fn check_push(&self, workspace: &WorkspaceSpec) -> Result<(), SessionWorkspaceError> {
        let refused = |problem: &str| Err(SessionWorkspaceError::Field { field: "push", problem: problem.into() });
        if workspace.kind != WorkspaceKind::Clone {
            return refused("only the branches of clones can be pushed; this one is in your own repository");
        }
        if !self.inner.config.git_hosts.may_push {
            return refused("the server pushes no branches; the operator permits it with OPENRUNNER_GIT_PUSH");
        }
        Ok(())
    }

    async fn push(&self, workspace: &WorkspaceSpec, session: &SessionRecord) -> Result<(), SessionWorkspaceError> {
        let failed = |error: &dyn std::fmt::Display| SessionWorkspaceError::Push(error.to_string());
        let remote = self.inner.config.git_hosts.remote(&workspace.repository.to_string_lossy()).await.map_err(|error| failed(&error))?;
        let branch = format!("refs/heads/{}", workspace.branch);
        let pushed = self.inner.context.clones.push(&remote, &session.owner.id.to_string(), &branch).await;
        pushed.map_err(|error| failed(&error))
    }

    /// Removes the directory that was made for a session, and its worktree if it is one. Work that is not committed is lost only with
    /// `force`. A branch with commits stays. Returns the newest run.
    ///
    /// # Errors
    /// [`SessionWorkspaceError`], by cause.
    pub async fn remove_workspace(&self, caller: &Caller, id: SessionId, force: bool) -> Result<RunId, SessionWorkspaceError> {
        let session = self.find_visible_session(caller, id).await?;
        let (newest, _guard) = self.idle(id).await?;
        let name = session.first_run.to_string();
        if session.working_dir.file_name().is_none_or(|file| file != name.as_str()) || !self.inner.workspaces.is_fresh(&session.working_dir)
        {
            return Err(SessionWorkspaceError::InPlace);
        }
        if !force && self.may_lose_work(&session).await {
            return Err(SessionWorkspaceError::Uncommitted);
        }
        // If the server dies before the end, the next one measures it.
        self.inner.quotas.workspace_written(id, 0).await?;
        let worktrees = &self.inner.context.worktrees;
        worktrees.forget(&name).await.map_err(WorktreeError::from)?;
        let (workspaces, first_run) = (self.inner.workspaces.clone(), session.first_run);
        let removed = tokio::task::spawn_blocking(move || workspaces.remove_fresh(first_run)).await;
        removed.unwrap_or_else(|died| Err(std::io::Error::other(died))).map_err(WorktreeError::from)?;
        self.inner.quotas.workspace_emptied(id).await?;
        tracing::info!(session.id = %id, by = %caller.user, "removed the workspace of a session");
        Ok(newest.id)
    }

    /// Whether removing the fresh directory of a session would lose work. If in doubt, it would. No run may be using it.
    async fn may_lose_work(&self, session: &SessionRecord) -> bool {
        if self.has_worktree(session.first_run).await {
            return self.has_uncommitted_work(session.first_run).await;
        }
        let directory = session.working_dir.clone();
        let is_empty = tokio::task::spawn_blocking(move || match std::fs::read_dir(directory) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        });
        !is_empty.await.unwrap_or(false)
    }

    /// Whether a session that started with this run has a worktree. Also if its record is damaged.
    pub(in crate::run) async fn has_worktree(&self, first_run: RunId) -> bool {
        let worktrees = self.inner.context.worktrees.clone();
        tokio::task::spawn_blocking(move || worktrees.exists(&first_run.to_string())).await.unwrap_or(true)
    }

    /// Whether the worktree of a session that started with this run has work that is not committed. If in doubt, it has. No run may be
    /// using it.
    pub(in crate::run) async fn has_uncommitted_work(&self, first_run: RunId) -> bool {
        let name = first_run.to_string();
        let directory = self.inner.workspaces.fresh(&name);
        if tokio::fs::symlink_metadata(&directory).await.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
            return false;
        }
        match self.inner.context.worktrees.state(&name, &directory, JANITOR).await {
            Ok(WorktreeState { has_changes, skipped_total, .. }) => has_changes || skipped_total > 0,
            Err(error) => {
                tracing::warn!(run.id = name, %error, "could not look for work in a worktree that is not committed");
                true
            }
        }
    }

    /// The newest run of a session without a live run, and a guard that keeps others from starting.
    async fn idle(&self, id: SessionId) -> Result<(RunRecord, SessionGuard), SessionWorkspaceError> {
        let newest = self.inner.store.runs(RunFilter { session: Some(id), ..RunFilter::default() }, 1).await?.pop();
        let newest = newest.ok_or(SessionError::NotFound(id))?;
        if newest.ended_at.is_none() {
            return Err(SessionWorkspaceError::Live(id));
        }
        // The driver of a run that has just ended is still cleaning up.
        let guard = tokio::time::timeout(MAX_CLEANUP, self.inner.sessions.join(id)).await;
        Ok((newest, guard.map_err(|_elapsed| SessionWorkspaceError::Live(id))?))
    }
}

fn check_commit(caller: &Caller, new: NewCommit) -> Result<CommitMessage, SessionWorkspaceError> {
    let bad = |field, problem: String| SessionWorkspaceError::Field { field, problem };
    if new.message.trim().is_empty() || new.message.contains('\0') || new.message.len() > MAX_MESSAGE {
        return Err(bad("message", format!("must be text without NUL characters, not empty, and have at most {} KiB", MAX_MESSAGE / 1024)));
    }
    let author = new.author_name.unwrap_or_else(|| caller.user.name.to_string());
    let email = new.author_email.unwrap_or_else(|| format!("{}@localhost", caller.user.name));
    for (field, text) in [("author.name", &author), ("author.email", &email)] {
        let is_bad = |c: char| c.is_control() || matches!(c, '<' | '>');
        if text.trim().is_empty() || text.len() > MAX_IDENTITY || text.contains(is_bad) {
            return Err(bad(field, format!("must have 1 to {MAX_IDENTITY} characters, without < and >")));
        }
    }
    Ok(CommitMessage { text: new.message, author, email })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::{Path, PathBuf};
    use std::process::Command;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::run::store::contract::{done, record};
    use crate::run::store::{Chunk, RunChange, SessionUse, SqliteStore};
    use crate::run::{Retention, RetentionPolicy};
    use crate::types::{Clock, Seq, Timestamp};
    use crate::workspace::WorktreeSource;

    const DAY: i64 = 24 * 60 * 60 * 1000;

    /// When the session ended, after its creation.
    const ENDED: i64 = 2_000;

    #[derive(Debug)]
    struct FixedClock(i64);

    impl Clock for FixedClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(self.0)
        }
    }

    /// What happens in a worktree.
    #[derive(Clone, Debug)]
    enum Step {
        Write(usize, u8),
        Remove(usize),
        Commit,
        /// By the agent, in its own repository.
        OwnCommit,
    }

    const FILES: [&str; 3] = ["kept", "dir/file", "new"];

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0..FILES.len(), 0..3_u8).prop_map(|(file, content)| Step::Write(file, content)),
            1 => (0..FILES.len()).prop_map(Step::Remove),
            2 => Just(Step::Commit),
            1 => Just(Step::OwnCommit),
        ];
        proptest::collection::vec(step, 0..6)
    }

    fn git(directory: &Path, args: &[&str]) {
        let identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "init.defaultBranch=main"];
        let mut command = Command::new("git");
        command.arg("-C").arg(directory).args(identity).args(args).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        assert!(command.status().unwrap().success(), "{args:?}");
    }

    fn content(directory: &Path) -> BTreeMap<&'static str, Vec<u8>> {
        FILES.iter().filter_map(|file| Some((*file, std::fs::read(directory.join(file)).ok()?))).collect()
    }

    /// A repository with a commit.
    fn repository(root: &Path) -> PathBuf {
        let path = root.join("repository");
        std::fs::create_dir_all(path.join("dir")).unwrap();
        for file in &FILES[..2] {
            std::fs::write(path.join(file), [0]).unwrap();
        }
        git(&path, &["init", "--quiet"]);
        git(&path, &["add", "."]);
        git(&path, &["commit", "--quiet", "-m", "first"]);
        path
    }

    /// Carries out the steps in a worktree whose session has ended, and sweeps at the time `now`. Returns the state before, whether it is committed,
    /// and the state after.
    async fn sweep(steps: &[Step], is_live: bool, now: i64) -> (BTreeMap<&'static str, Vec<u8>>, bool, BTreeMap<&'static str, Vec<u8>>) {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let (repository, data) = (repository(&root), root.join("data"));
        std::fs::create_dir(&data).unwrap();
        let policy = RetentionPolicy { workspace_age: Some(Duration::from_hours(24)), ..RetentionPolicy::default() };
        let runs = RunManager::with_git(&data, policy);
        let mut run = record("ann", "demo", None);
        let (name, session, owner) = (run.id.to_string(), run.session, run.owner.clone());
        let directory = runs.inner.workspaces.fresh(&name);
        std::fs::create_dir_all(&directory).unwrap();
        run.spec.working_dir.clone_from(&directory);
        let chunk = |number| {
            let seq = Seq::new(number).unwrap();
            vec![Chunk { first: seq, last: seq, body: bytes::Bytes::from_static(b"{}\n") }]
        };
        let lease = runs.inner.store.create_run(run, SessionUse::Starts, chunk(1), None, None).await.unwrap();
        let change = RunChange { done: Some((done(), Timestamp::from_millis(ENDED))), ..RunChange::default() };
        runs.inner.store.append(&lease, chunk(2), change).await.unwrap();
        let git_dir = repository.join(".git");
        let base = std::fs::read_to_string(git_dir.join("refs/heads/main")).unwrap().trim().parse().unwrap();
        let source = WorktreeSource { repository: git_dir, branch: "refs/heads/openrunner/x".into(), base };
        let worktrees = &runs.inner.context.worktrees;
        worktrees.ensure(name.clone(), directory.clone(), source).await.unwrap();
        let mut committed = content(&directory);
        for step in steps {
            match step {
                Step::Write(file, byte) => {
                    std::fs::create_dir_all(directory.join("dir")).unwrap();
                    std::fs::write(directory.join(FILES[*file]), [*byte]).unwrap();
                }
                Step::Remove(file) => drop(std::fs::remove_file(directory.join(FILES[*file]))),
                Step::Commit => {
                    let message = CommitMessage { text: "x".into(), author: "a".into(), email: "a".into() };
                    worktrees.commit(&name, &directory, "ann", &message).await.unwrap();
                    committed = content(&directory);
                }
                Step::OwnCommit => {
                    git(&directory, &["add", "--all"]);
                    git(&directory, &["commit", "--quiet", "--allow-empty", "-m", "own"]);
                }
            }
        }
        let before = content(&directory);
        let in_use = is_live.then(|| runs.inner.sessions.try_acquire(session).unwrap());
        let store: Arc<SqliteStore> = Arc::new(SqliteStore::open_alongside_server(&data).unwrap());
        Retention::new(runs.clone(), Arc::<SqliteStore>::clone(&store), Arc::new(FixedClock(now))).sweep().await.unwrap();
        drop(in_use);
        assert_eq!(worktrees.exists(&name), directory.join(".git").exists(), "the record goes with the worktree");
        let after = content(&directory);
        if worktrees.exists(&name) {
            // A kept one still counts, and is removed once its work is committed.
            let used = async || runs.quotas(&owner).await.unwrap().workspace_bytes.used.get();
            assert!(used().await > 0);
            let message = CommitMessage { text: "x".into(), author: "a".into(), email: "a".into() };
            worktrees.commit(&name, &directory, "ann", &message).await.unwrap();
            Retention::new(runs.clone(), Arc::<SqliteStore>::clone(&store), Arc::new(FixedClock(now + 2 * DAY))).sweep().await.unwrap();
            assert!(!worktrees.exists(&name) && content(&directory).is_empty());
            assert_eq!(used().await, 0);
        }
        (before.clone(), before == committed, after)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

        #[test]
        fn the_janitor_removes_no_worktree_with_uncommitted_work_and_none_in_use(steps in steps(), is_live: bool, is_old: bool) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let now = ENDED + DAY + i64::from(is_old);
            let (before, is_committed, after) = runtime.block_on(sweep(&steps, is_live, now));
            let is_removed = is_old && !is_live && is_committed;
            prop_assert_eq!(after, if is_removed { BTreeMap::new() } else { before });
        }
    }
}
