//! The files that a program is given with its task, in a directory of their own below the run's directory for temporary files.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use super::InputFile;
use crate::process::Account;

/// Name of the directory below that for temporary files.
pub(super) const DIR: &str = "openrunner-input";

/// Writes `files` below the directory for temporary files `temp_dir`, which no agent has used yet. Only the agent's account can read them.
///
/// # Errors
/// If the system refuses, or the directory exists.
pub(super) fn write(temp_dir: &Path, files: &[InputFile], account: Option<&Account>) -> io::Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    let dir = temp_dir.join(DIR);
    DirBuilder::new().mode(0o700).create(&dir)?;
    for InputFile { name, content } in files {
        let path = dir.join(name);
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?.write_all(content)?;
        account.map_or(Ok(()), |account| account.take(&path))?;
    }
    // Last, so that nothing in it is written through a link of the agent's account.
    account.map_or(Ok(()), |account| account.take(&dir))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(name: &str) -> InputFile {
        InputFile { name: name.to_owned(), content: "text".into() }
    }

    #[test]
    fn files_are_readable_by_the_agents_account_only() {
        let temp = tempfile::tempdir().unwrap();
        write(temp.path(), &[file("a.md"), file("b")], None).unwrap();
        let mode = |name: &str| temp.path().join(DIR).join(name).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!([mode(""), mode("a.md"), mode("b")], [0o700, 0o600, 0o600]);
        assert_eq!(std::fs::read(temp.path().join(DIR).join("b")).unwrap(), b"text");
    }

    #[test]
    fn nothing_is_created_without_files_and_nothing_is_replaced() {
        let temp = tempfile::tempdir().unwrap();
        write(temp.path(), &[], None).unwrap();
        assert!(!temp.path().join(DIR).exists());
        std::os::unix::fs::symlink("/", temp.path().join(DIR)).unwrap();
        assert_eq!(write(temp.path(), &[file("a")], None).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }
}
