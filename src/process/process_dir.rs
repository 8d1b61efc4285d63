//! The directory of one run's process: where its shim stores the agent's output, and where a server finds the shim again.

use std::path::{Path, PathBuf};

/// The files of a run's process. The directory (0700) and each file (0600) are private to this account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessDir {
    path: PathBuf,
}

impl ProcessDir {
    /// The directory at `path`, which exists or is created by [`Spawner`](crate::process::Spawner).
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Path of the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The agent's stdout, unchanged. Append-only.
    pub fn out(&self) -> PathBuf {
        self.path.join("out")
    }

    /// The agent's stderr, unchanged, up to a maximum size. Append-only.
    pub fn err(&self) -> PathBuf {
        self.path.join("err")
    }

    /// One line of JSON for each [`InputCommand`](super::shim::InputCommand), written before the agent can see its bytes. Append-only.
    pub fn journal(&self) -> PathBuf {
        self.path.join("calls")
    }

    /// The socket on which the shim listens.
    pub fn socket(&self) -> PathBuf {
        self.path.join("socket")
    }

    /// The [`ProcessRecord`](super::shim::ProcessRecord) of shim and agent. Written before the first byte of output is read.
    pub fn identity(&self) -> PathBuf {
        self.path.join("process.json")
    }

    /// The [`ExitRecord`](super::shim::ExitRecord), written atomically. If it exists, the shim has exited or is about to.
    pub fn exit(&self) -> PathBuf {
        self.path.join("exit.json")
    }

    /// State that the server needs to parse the output again. The shim never reads it.
    pub fn task(&self) -> PathBuf {
        self.path.join("task.json")
    }

    /// The agent's directory for temporary files, removed at its end. Created together with the directory.
    pub fn temp(&self) -> PathBuf {
        self.path.join("tmp")
    }

    /// The directory of the socket at which the proxy of a sandboxed agent listens. Created only for such an agent.
    pub fn egress(&self) -> PathBuf {
        self.path.join("egress")
    }

    /// Lets other accounts pass through the directory and those above it in the data directory, to the agent's temporary files and to fresh
    /// workspaces. They can neither list the directories nor open any file of the server.
    ///
    /// # Errors
    /// If the modes cannot be changed.
    pub fn let_pass(&self) -> std::io::Result<()> {
        let runs = self.path.parent();
        let data = runs.and_then(Path::parent);
        let workspaces = data.map(|data| data.join("workspaces"));
        let_pass([Some(self.path.as_path()), runs, data, workspaces.as_deref()].into_iter().flatten())
    }

    /// Removes the directory. It is not an error if it does not exist.
    ///
    /// # Errors
    /// If something cannot be removed.
    pub fn remove(&self) -> std::io::Result<()> {
        remove_tree(&self.path)
    }

    /// Removes what only a living process needs: everything except stdout, which is the record of the run. Missing files are not an error.
    ///
    /// # Errors
    /// If something cannot be removed.
    pub fn remove_process_files(&self) -> std::io::Result<()> {
        for path in [self.journal(), self.task(), self.socket(), self.identity(), self.err(), self.exit()] {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        remove_tree(&self.egress())?;
        // Last, because an agent can make its removal fail.
        remove_tree(&self.temp())
    }
}

/// Lets other accounts pass through directories of this account, but not list them.
///
/// # Errors
/// If the modes cannot be changed.
pub(super) fn let_pass<'a>(dirs: impl IntoIterator<Item = &'a Path>) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    dirs.into_iter().try_for_each(|dir| std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o711)))
}

/// Removes a directory that an agent has filled, including directories in it that may not be written. It is not an error if it does not
/// exist. Symbolic links are removed, not followed.
///
/// # Errors
/// If something cannot be removed, such as files of another account.
pub fn remove_tree(path: &Path) -> std::io::Result<()> {
    let removed = std::fs::remove_dir_all(path).or_else(|error| match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            make_writable(path);
            std::fs::remove_dir_all(path)
        }
        _ => Err(error),
    });
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Lets this account write to every directory of a tree, as far as the system allows: package managers make theirs read-only.
fn make_writable(root: &Path) {
    use std::os::unix::fs::PermissionsExt;

    // A list instead of recursion: an agent chooses the depth.
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        let _ = std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o700));
        let below = std::fs::read_dir(&directory).into_iter().flatten().filter_map(Result::ok);
        directories.extend(below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()));
    }
}

#[cfg(test)]
mod tests {
    //! Rules: S12.

    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn temporary_files_are_removed_with_links_and_locked_directories() {
        let dir = tempfile::tempdir().unwrap();
        let process_dir = ProcessDir::new(dir.path().join("run"));
        let outside = dir.path().join("outside");
        std::fs::create_dir_all(process_dir.temp().join("a/b")).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(process_dir.temp().join("a/b/file"), "").unwrap();
        std::fs::write(outside.join("file"), "").unwrap();
        std::fs::write(process_dir.out(), "output").unwrap();
        symlink(&outside, process_dir.temp().join("a/link")).unwrap();
        for locked in ["a/b", "a"] {
            std::fs::set_permissions(process_dir.temp().join(locked), std::fs::Permissions::from_mode(0o500)).unwrap();
        }
        process_dir.remove_process_files().unwrap();
        assert!(!process_dir.temp().exists() && process_dir.out().exists());
        assert!(outside.join("file").exists(), "links are not followed");
        process_dir.remove_process_files().unwrap();
    }
}
