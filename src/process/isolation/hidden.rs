//! The paths that no agent may reach.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Identity of a file or directory, independent of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// The file at `path`, with symbolic links followed.
    ///
    /// # Errors
    /// If it does not exist or cannot be reached.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::MetadataExt;

        std::fs::metadata(path).map(|metadata| Self { device: metadata.dev(), inode: metadata.ino() })
    }
}

/// The paths that no agent may reach: the state of this server, and the secrets of its operator's tools.
#[derive(Clone, Debug)]
pub struct Hidden {
    /// The server's data directory, canonical.
    data_dir: PathBuf,
    data_dir_id: FileId,
    /// Files and directories that may or may not exist.
    others: Vec<PathBuf>,
}

impl Hidden {
    /// Hides `data_dir`, and `others` as far as they exist when an agent starts.
    ///
    /// # Errors
    /// If `data_dir` does not exist.
    pub fn new(data_dir: &Path, others: Vec<PathBuf>) -> io::Result<Self> {
        let data_dir = data_dir.canonicalize()?;
        Ok(Self { data_dir_id: FileId::of(&data_dir)?, data_dir, others })
    }

    /// The server's data directory, canonical.
    pub(super) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// All paths that exist, canonical, each with its identity. The data directory is the first.
    ///
    /// # Errors
    /// If the path of the data directory leads to another directory than at the start of the server.
    pub(super) fn resolve(&self) -> io::Result<Vec<(PathBuf, FileId)>> {
        if FileId::of(&self.data_dir).ok() != Some(self.data_dir_id) {
            let problem = "was moved or replaced since the server started, so agents could reach it; restart the server";
            return Err(io::Error::other(format!("the data directory {} {problem}", self.data_dir.display())));
        }
        let mut found = vec![(self.data_dir.clone(), self.data_dir_id)];
        for path in &self.others {
            let path = match path.canonicalize() {
                Ok(path) => path,
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => continue,
                // What this account cannot reach, its agents cannot either.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => continue,
                Err(error) => return Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
            };
            found.push((path.clone(), FileId::of(&path)?));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    //! Rules: G1, G3.

    use super::*;

    #[test]
    fn a_data_directory_that_was_moved_is_an_error_and_other_paths_may_be_missing() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        std::fs::create_dir(dir.join("data")).unwrap();
        std::fs::write(dir.join("file"), "").unwrap();
        std::os::unix::fs::symlink(dir.join("file"), dir.join("link")).unwrap();
        let hidden = Hidden::new(&dir.join("data"), vec![dir.join("missing"), dir.join("file/below"), dir.join("link")]).unwrap();
        let paths: Vec<PathBuf> = hidden.resolve().unwrap().into_iter().map(|(path, _)| path).collect();
        assert_eq!(paths, [dir.join("data"), dir.join("file")]);
        std::fs::rename(dir.join("data"), dir.join("moved")).unwrap();
        assert!(hidden.resolve().unwrap_err().to_string().contains("moved"));
        std::fs::create_dir(dir.join("data")).unwrap();
        assert!(hidden.resolve().is_err(), "another directory has its name now");
    }
}
