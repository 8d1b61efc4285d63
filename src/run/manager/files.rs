//! Files in the working directories of runs.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::RunManager;
use super::changes::{ChangesError, PRIVATE};
use crate::process::WorkingDir;
use crate::run::errors::FindError;
use crate::run::store::{RunFilter, RunRecord, StoreError};
use crate::run::workspace::{DirectoryRequest, Requester, WorkspaceError};
use crate::types::{Caller, PermissionMode, RunId, RunStatus, SessionId};
use crate::workspace::files::{self, FileEntry, FileError, FileKind, Listing, OpenFile, Piece, Writing};
use crate::workspace::{Archive, FilePath, Selection, SnapshotError, SnapshotStore, StoredFile, TreeId};

/// Maximum number of unfinished runs of a session that are looked at. More of them cannot be queued.
const MAX_UNFINISHED: usize = 1000;

/// Why a file of a run cannot be listed, read or written.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The run was not found, or the requested state is not available.
    #[error(transparent)]
    Changes(#[from] ChangesError),
    /// The working directory cannot be used.
    #[error("the working directory: {0}")]
    Directory(#[from] WorkspaceError),
    /// The file cannot be used.
    #[error("{path:?}: {error}")]
    File {
        /// Its path; empty for the working directory.
        path: String,
        /// Why not.
        #[source]
        error: FileError,
    },
    /// Files with secrets of the server are, or may be, in the working directory: agents do not see them either.
    #[error("{PRIVATE}")]
    Private,
    /// A run of the session was requested as `read_only`.
    #[error("a run of the session is read_only; write files after it has ended")]
    ReadOnly,
}

impl From<StoreError> for FilesError {
    fn from(error: StoreError) -> Self {
        Self::Changes(error.into())
    }
}

impl From<FindError> for FilesError {
    fn from(error: FindError) -> Self {
        Self::Changes(error.into())
    }
}

impl From<SnapshotError> for FilesError {
    fn from(error: SnapshotError) -> Self {
        Self::Changes(error.into())
    }
}

/// A file that was found.
#[derive(Debug)]
pub enum FoundFile {
    /// As it is now.
    Now(OpenFile),
    /// In a snapshot.
    Stored(StoredContent),
}

/// A file of a snapshot, whose content is read on demand.
#[derive(Debug)]
pub struct StoredContent {
    store: SnapshotStore,
    /// Its size and the id of its content.
    pub file: StoredFile,
}

impl StoredContent {
    /// Reads the content, which is at most as large as files in snapshots are.
    ///
    /// # Errors
    /// [`FilesError`] if the snapshot is not kept.
    pub async fn read(self) -> Result<Vec<u8>, FilesError> {
        Ok(self.store.read(self.file).await?)
    }
}

impl RunManager {
    /// Lists at most `limit` entries of a directory of a run, after the name `after`: as it is now, or as it was after `turn`, where 0 stands
    /// for the start of the run. `None` as path stands for the working directory itself.
    ///
    /// # Errors
    /// [`FilesError`], by cause.
    pub async fn list_files(
        &self,
        caller: &Caller,
        run: RunId,
        turn: Option<usize>,
        path: Option<FilePath>,
        after: Option<Vec<u8>>,
        limit: usize,
    ) -> Result<Listing, FilesError> {
        let run = self.find_with_files(caller, run).await?;
        if let Some(turn) = turn {
            let (store, tree) = self.state_after(&run, turn).await?;
            if let Some(path) = &path {
                let error = match store.find(tree, path).await? {
                    Err(FileError::Kind(FileKind::Directory)) => None,
                    Err(error) => Some(error),
                    Ok(_file) => Some(FileError::Kind(FileKind::File)),
                };
                if let Some(error) = error {
                    return Err(FilesError::File { path: path.to_string(), error });
                }
            }
            return Ok(store.list(tree, path.as_ref(), after.as_deref(), limit).await?);
        }
        self.in_directory(caller, &run, path, move |directory, path| files::list(directory.handle().as_fd(), path, after.as_deref(), limit))
            .await
    }

    /// Opens a file of a run: as it is now, or as it was after `turn`, where 0 stands for the start of the run.
    ///
    /// # Errors
    /// [`FilesError`], by cause.
    pub async fn open_file(&self, caller: &Caller, run: RunId, turn: Option<usize>, path: FilePath) -> Result<FoundFile, FilesError> {
        let run = self.find_with_files(caller, run).await?;
        if let Some(turn) = turn {
            let (store, tree) = self.state_after(&run, turn).await?;
            let file = store.find(tree, &path).await?.map_err(|error| FilesError::File { path: path.to_string(), error })?;
            return Ok(FoundFile::Stored(StoredContent { store, file }));
        }
        let open = |directory: &WorkingDir, path: Option<&FilePath>| match path {
            Some(path) => files::open(directory.handle().as_fd(), path),
            None => Err(FileError::NotFound),
        };
        self.in_directory(caller, &run, Some(path), open).await.map(FoundFile::Now)
    }

    /// Writes a file of a run, whose content is received. Returns its entry, and whether it is new. Dropping the sender before the end leaves
    /// the earlier file.
    ///
    /// # Errors
    /// [`FilesError`], by cause. The earlier file is unchanged then.
    pub async fn write_file(
        &self,
        caller: &Caller,
        run: RunId,
        path: FilePath,
        content: mpsc::Receiver<Piece>,
    ) -> Result<(FileEntry, bool), FilesError> {
        let run = self.find_with_files(caller, run).await?;
        self.check_not_read_only(run.session).await?;
        let is_fresh = self.inner.workspaces.is_fresh(&run.spec.working_dir);
        if is_fresh {
            self.inner.quotas.check_workspaces(run.owner.id).await?;
        }
        let begin = |directory: &WorkingDir, path: Option<&FilePath>| match path {
            Some(path) => Writing::begin(directory.handle().as_fd(), path),
            None => Err(FileError::NotFound),
        };
        let text = path.to_string();
        let writing = self.in_directory(caller, &run, Some(path), begin).await?;
        let (entry, is_new) = receive(writing, content).await.map_err(|error| FilesError::File { path: text, error })?;
        if is_fresh {
            // A replaced file counts twice until the next measurement.
            self.inner.quotas.workspace_written(run.session, entry.size.unwrap_or(0)).await?;
        }
        Ok((entry, is_new))
    }

    /// An archive of a directory of a run as it is now; `None` stands for the working directory itself.
    ///
    /// # Errors
    /// [`FilesError`], by cause.
    pub async fn archive(&self, caller: &Caller, run: RunId, path: Option<FilePath>) -> Result<Archive, FilesError> {
        let run = self.find_with_files(caller, run).await?;
        self.in_directory(caller, &run, path, |directory, path| begin_archive(directory, Selection::Directory(path.cloned()))).await
    }

    /// An archive of the files that a run has changed, as they are now.
    ///
    /// # Errors
    /// [`FilesError`], by cause.
    pub async fn archive_of_changes(&self, caller: &Caller, run: RunId) -> Result<Archive, FilesError> {
        let run = self.find_with_files(caller, run).await?;
        let (store, from, to) = self.changed_span(&run).await?;
        let paths = store.changed_paths(from, to).await?;
        self.in_directory(caller, &run, None, |directory, _path| begin_archive(directory, Selection::Files(paths))).await
    }

    /// Finds a run whose files may be served (rules G1 and G5).
    pub(super) async fn find_with_files(&self, caller: &Caller, id: RunId) -> Result<RunRecord, FilesError> {
        let run = self.find_visible_run(caller, id).await?;
        if self.is_private(&run.spec.working_dir).await { Err(FilesError::Private) } else { Ok(run) }
    }

    /// Whether files with secrets of the server are, or may be, in a working directory (rules G1 and G5).
    pub(super) async fn is_private(&self, working_dir: &Path) -> bool {
        let (config, dir) = (Arc::clone(&self.inner.config), working_dir.to_owned());
        let is_private = spawn_blocking(move || config.private_paths.iter().any(|path| overlap(&resolved(path), &dir))).await;
        // A panic has checked nothing.
        is_private.unwrap_or(true)
    }

    /// The snapshot after a turn, and its store.
    pub(super) async fn state_after(&self, run: &RunRecord, turn: usize) -> Result<(SnapshotStore, TreeId), ChangesError> {
        let stored = self.inner.store.changes(run.id).await?;
        let record = stored.ok_or_else(|| self.not_recorded(run))?.record;
        let tree = record.after(turn).ok_or(ChangesError::NoTurn(turn))?;
        let tree = tree.ok_or_else(|| ChangesError::Unavailable(format!("turn {turn} has not ended, or its end was not recorded")))?;
        let store =
            self.inner.context.snapshots.of(&run.spec.working_dir, &run.owner.id.to_string()).ok_or_else(|| self.not_recorded(run))?;
        Ok((store, tree))
    }

    /// Checks that the caller may still use the working directory of a run, and that it is where it was.
    pub(super) async fn check_directory(&self, caller: &Caller, run: &RunRecord) -> Result<(), WorkspaceError> {
        let requester = Requester { is_admin: caller.is_admin(), is_local: true };
        let (workspaces, request) = (self.inner.workspaces.clone(), DirectoryRequest::OfSession(run.spec.working_dir.clone(), requester));
        let checked = spawn_blocking(move || workspaces.check(&request)).await;
        checked.unwrap_or_else(|died| Err(WorkspaceError::Io(std::io::Error::other(died))))
    }

    /// Opens the working directory of a run.
    pub(super) async fn open_directory(&self, caller: &Caller, run: &RunRecord) -> Result<WorkingDir, WorkspaceError> {
        self.check_directory(caller, run).await?;
        let path = run.spec.working_dir.clone();
        let opened = spawn_blocking(move || WorkingDir::open(&path)).await;
        opened.unwrap_or_else(|died| Err(std::io::Error::other(died))).map_err(|error| WorkspaceError::Gone(error.to_string()))
    }

    /// Does something in the working directory of a run, on a thread for blocking work.
    async fn in_directory<T: Send + 'static>(
        &self,
        caller: &Caller,
        run: &RunRecord,
        path: Option<FilePath>,
        work: impl FnOnce(&WorkingDir, Option<&FilePath>) -> Result<T, FileError> + Send + 'static,
    ) -> Result<T, FilesError> {
        let directory = self.open_directory(caller, run).await?;
        let text = path.as_ref().map(FilePath::to_string).unwrap_or_default();
        let done = spawn_blocking(move || work(&directory, path.as_ref())).await;
        let done = done.unwrap_or_else(|died| Err(FileError::Io(std::io::Error::other(died))));
        done.map_err(|error| FilesError::File { path: text, error })
    }

    /// The runs of a session that have not ended.
    pub(super) async fn unfinished(&self, session: SessionId) -> Result<Vec<RunRecord>, StoreError> {
        let status = RunStatus::ALL.into_iter().filter(|status| !status.is_ended()).collect();
        self.inner.store.runs(RunFilter { session: Some(session), status, ..RunFilter::default() }, MAX_UNFINISHED).await
    }

    async fn check_not_read_only(&self, session: SessionId) -> Result<(), FilesError> {
        let is_read_only = self.unfinished(session).await?.iter().any(|run| run.spec.permission_mode == PermissionMode::ReadOnly);
        if is_read_only { Err(FilesError::ReadOnly) } else { Ok(()) }
    }
}

/// Writes a file as its content arrives. No thread waits for a slow sender.
async fn receive(mut writing: Writing, mut content: mpsc::Receiver<Piece>) -> Result<(FileEntry, bool), FileError> {
    let died = |died: tokio::task::JoinError| FileError::Io(std::io::Error::other(died));
    loop {
        match content.recv().await {
            Some(Piece::Data(bytes)) => {
                let added = spawn_blocking(move || writing.add(&bytes).map(|()| writing)).await;
                writing = added.map_err(died)??;
            }
            Some(Piece::End) => return spawn_blocking(move || writing.finish()).await.map_err(died)?,
            None => return Err(FileError::Incomplete),
        }
    }
}

/// Whether one of two directories or files contains the other.
fn overlap(one: &Path, other: &Path) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

/// A path without links, as far as it exists. What does not exist yet may be created.
fn resolved(path: &Path) -> PathBuf {
    let Some(parent) = path.parent() else { return path.to_owned() };
    path.canonicalize().unwrap_or_else(|_missing| path.file_name().map_or_else(|| path.to_owned(), |name| resolved(parent).join(name)))
}

fn begin_archive(directory: &WorkingDir, selection: Selection) -> Result<Archive, FileError> {
    Ok(Archive::new(directory.handle().try_clone()?, selection)?)
}

#[cfg(test)]
mod tests {
    //! Rules: G1, G5.

    use super::*;

    #[test]
    fn a_private_file_is_recognized_through_links_and_before_it_exists() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("real/project")).unwrap();
        std::os::unix::fs::symlink(root.join("real"), root.join("link")).unwrap();
        let private = resolved(&root.join("link/project/conf/settings.toml"));
        assert_eq!(private, root.join("real/project/conf/settings.toml"));
        for (dir, is_private) in [
            ("real/project", true),
            ("real", true),
            ("real/project/conf/settings.toml", true),
            ("real/project/src", false),
            ("real/pro", false),
        ] {
            assert_eq!(overlap(&private, &root.join(dir)), is_private, "{dir}");
        }
    }
}
