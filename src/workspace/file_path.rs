//! Paths of files below a working directory, as clients name them.

use std::fmt;

/// Maximum length of a path, in bytes: that of the paths in a snapshot.
const MAX_PATH: usize = 2048;

/// Maximum length of one component, in bytes, as on all common file systems.
const MAX_COMPONENT: usize = 255;

/// A path of a file or directory below a working directory: relative, without `.` and `..`, and not in a repository of git (rule S6).
///
/// It is a name, not a promise: where it leads is decided when it is opened, by handle and without following links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePath(Vec<u8>);

/// Why a text is not the path of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    /// It is not a relative path.
    #[error(
        "must be a path relative to the working directory, with `/` between names of 1 to {MAX_COMPONENT} bytes, without `.` and `..`, \
         and of at most {MAX_PATH} bytes"
    )]
    Invalid,
    /// It leads into a repository of git.
    #[error("`.git` can be neither read nor written")]
    Repository,
}

impl FilePath {
    /// Parses a path. A slash at its end is dropped.
    ///
    /// # Errors
    /// [`BadPath`].
    pub fn parse(path: &str) -> Result<Self, BadPath> {
        Self::from_bytes(path.strip_suffix('/').unwrap_or(path).as_bytes())
    }

    pub(super) fn from_bytes(path: &[u8]) -> Result<Self, BadPath> {
        let is_name = |name: &[u8]| !matches!(name, b"" | b"." | b"..") && name.len() <= MAX_COMPONENT && !name.contains(&0);
        if path.len() > MAX_PATH || !components(path).all(is_name) {
            return Err(BadPath::Invalid);
        }
        if components(path).any(is_repository) { Err(BadPath::Repository) } else { Ok(Self(path.to_vec())) }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The components, at least one.
    pub(super) fn components(&self) -> impl Iterator<Item = &[u8]> {
        components(&self.0)
    }

    /// The last component. Bytes that are not UTF-8 are replaced.
    pub fn name(&self) -> String {
        let name = self.0.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        String::from_utf8_lossy(name).into_owned()
    }
}

/// Bytes that are not UTF-8 are replaced.
impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/')
}

/// Whether this is the name of a repository of git, or of the file that leads to one. In any case: some file systems do not distinguish it.
pub(super) fn is_repository(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b".git")
}

#[cfg(test)]
mod tests {
    //! Rules: S6.

    use super::*;

    #[test]
    fn a_path_is_relative_and_leads_downward() {
        for good in ["a", "a/b/c", "a b", "ü", "...", "..a", "-x", "a\n", ".github/x", ".gitignore", "a/"] {
            assert!(FilePath::parse(good).is_ok(), "{good:?}");
        }
        for bad in ["", "/", "/etc/passwd", "..", "a/..", "a/../b", "./a", "a//b", "a/./b", "a\0b", &"x".repeat(256), &"x/".repeat(1025)] {
            assert_eq!(FilePath::parse(bad), Err(BadPath::Invalid), "{bad:?}");
        }
        for repository in [".git", ".git/config", "a/.git/hooks/x", ".GIT/config", "a/.Git"] {
            assert_eq!(FilePath::parse(repository), Err(BadPath::Repository), "{repository:?}");
        }
    }
}
