//! The paths that no agent may reach.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
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
        std::fs::metadata(path).map(|metadata| Self::from(&metadata))
    }
}

impl From<&Metadata> for FileId {
    fn from(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// The paths that no agent may reach: the state of this server, and the secrets of its operator's tools.
///
/// A directory stays hidden regardless of what happens in it. A file that is hidden by itself is uncovered for running agents when another
/// one takes its name, which is how most programs write files. So its directory is hidden instead if there is nothing else in it.
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

    /// All paths that exist, canonical, each with its identity. The data directory is the first. `needed` are directories that an agent
    /// needs as they are.
    ///
    /// # Errors
    /// If the path of the data directory leads to another directory than at the start of the server.
    pub(super) fn resolve<'a>(&self, needed: impl IntoIterator<Item = &'a Path>) -> io::Result<Vec<(PathBuf, FileId)>> {
        let needed: Vec<PathBuf> = needed.into_iter().filter_map(|path| path.canonicalize().ok()).collect();
        let files = self.existing()?;
        let hidden: Vec<&Path> = files.iter().map(|(path, _)| path.as_path()).collect();
        let mut found: Vec<(PathBuf, FileId)> = Vec::new();
        for (path, id) in &files {
            let dir = own_dir(path, &hidden).filter(|dir| !needed.iter().any(|needed| needed == dir));
            let entry = match dir {
                Some(dir) => (dir.to_owned(), FileId::of(dir)?),
                None => (path.clone(), *id),
            };
            if !found.contains(&entry) {
                found.push(entry);
            }
        }
        Ok(found)
    }

    /// The files that are hidden by themselves, because other files are next to them.
    ///
    /// # Errors
    /// As `Hidden::resolve`.
    pub fn hidden_alone(&self) -> io::Result<Vec<PathBuf>> {
        Ok(self.resolve([])?.into_iter().map(|(path, _)| path).filter(|path| !path.is_dir()).collect())
    }

    fn existing(&self) -> io::Result<Vec<(PathBuf, FileId)>> {
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

/// The directory of a hidden file, if it contains nothing but hidden paths and copies of the file, such as those of editors.
fn own_dir<'a>(file: &'a Path, hidden: &[&Path]) -> Option<&'a Path> {
    if file.is_dir() {
        return None;
    }
    let (dir, name) = (file.parent().filter(|dir| dir.parent().is_some())?, file.file_name()?.to_string_lossy());
    let is_own = |entry: std::fs::DirEntry| {
        let is_copy = entry.file_name().to_string_lossy().contains(name.as_ref()) && entry.file_type().is_ok_and(|kind| kind.is_file());
        is_copy || hidden.contains(&entry.path().as_path())
    };
    // What cannot be listed may contain anything.
    std::fs::read_dir(dir).ok()?.all(|entry| entry.is_ok_and(is_own)).then_some(dir)
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
        let paths: Vec<PathBuf> = hidden.resolve([]).unwrap().into_iter().map(|(path, _)| path).collect();
        assert_eq!(paths, [dir.join("data"), dir.join("file")]);
        std::fs::rename(dir.join("data"), dir.join("moved")).unwrap();
        assert!(hidden.resolve([]).unwrap_err().to_string().contains("moved"));
        std::fs::create_dir(dir.join("data")).unwrap();
        assert!(hidden.resolve([]).is_err(), "another directory has its name now");
    }

    #[test]
    fn the_directory_of_a_hidden_file_is_hidden_instead_if_nothing_else_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        for name in ["data", "settings", "keys", "mixed", "home"] {
            std::fs::create_dir(root.join(name)).unwrap();
        }
        let files = ["settings/openrunner.toml", "keys/a", "keys/b", "mixed/key", "home/key"].map(|name| root.join(name));
        for file in &files {
            std::fs::write(file, "").unwrap();
        }
        // What an editor leaves.
        std::fs::write(root.join("settings/.openrunner.toml.swp"), "").unwrap();
        std::fs::write(root.join("mixed/project"), "").unwrap();
        let hidden = Hidden::new(&root.join("data"), files.to_vec()).unwrap();
        let home = root.join("home");
        let paths: Vec<PathBuf> = hidden.resolve([home.as_path()]).unwrap().into_iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["data", "settings", "keys", "mixed/key", "home/key"].map(|name| root.join(name)));
        assert_eq!(hidden.hidden_alone().unwrap(), [root.join("mixed/key")]);
    }
}
