//! Names of branches and tags, and the ids of what they name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::workspace::TreeId;

/// Maximum length of a name, in bytes.
const MAX_LEN: usize = 200;

/// A name that git accepts for a branch or tag, or that leads to one, such as `main`, `HEAD`, `v1.0` or `origin/main`. It never looks like
/// an option.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RefName(String);

/// A text is not the name of a branch or tag.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a branch, a tag or a commit: expected a name such as main, v1.0 or origin/main, or 40 hexadecimal digits")]
pub struct BadRefName;

/// The id of a commit, or of a tag of one: 40 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommitId(TreeId);

impl RefName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RefName {
    type Err = BadRefName;

    fn from_str(text: &str) -> Result<Self, BadRefName> {
        let is_bad_char = |c: char| c.is_control() || matches!(c, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\');
        let is_bad_part = |part: &str| {
            part.is_empty() || part.starts_with(['.', '-']) || part.as_bytes().ends_with(b".") || part.as_bytes().ends_with(b".lock")
        };
        let is_bad = text.len() > MAX_LEN
            || text == "@"
            || text.contains("..")
            || text.contains("@{")
            || text.chars().any(is_bad_char)
            || text.split('/').any(is_bad_part);
        if is_bad { Err(BadRefName) } else { Ok(Self(text.to_owned())) }
    }
}

impl fmt::Display for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for CommitId {
    type Err = BadRefName;

    fn from_str(text: &str) -> Result<Self, BadRefName> {
        text.parse().map(Self).map_err(|_| BadRefName)
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    //! Rules: S9.

    use super::*;

    #[test]
    fn only_names_that_git_accepts_are_names() {
        for name in ["main", "HEAD", "v1.0", "origin/main", "feature/ü", "refs/heads/a-b", "a@b"] {
            assert_eq!(name.parse::<RefName>().unwrap().as_str(), name);
        }
        let long = "x".repeat(201);
        for name in [
            "",
            "@",
            "/",
            "a/",
            "/a",
            "a//b",
            "--upload-pack=x",
            "-x",
            "a/-b",
            "a..b",
            "../x",
            ".git/x",
            "a.lock",
            "a/b.lock",
            "a b",
            "a\nb",
            "a\0b",
            "a~1",
            "a^{tree}",
            "HEAD:file",
            "a?",
            "a*",
            "a[b",
            "a\\b",
            "a@{1}",
            "a.",
            &long,
        ] {
            assert!(name.parse::<RefName>().is_err(), "{name:?}");
        }
    }
}
