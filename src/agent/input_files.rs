//! The files that a program is given with its task, in a directory of their own below the run's directory for temporary files.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Gid, Mode, OFlags, Uid, fchown, mkdirat, openat};
use rustix::io::Errno;

use super::InputFile;
use crate::process::Account;

/// Name of the directory below that for temporary files.
pub(super) const DIR: &str = "openrunner-input";
/// How often the files of one message are written: it may be delivered in another way than at first, or by a later server.
const MAX_ATTEMPTS: u32 = 16;

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

/// Where a running program finds files that it is given with further messages.
#[derive(Clone, Debug)]
pub(super) struct InputPlace {
    /// The directory for temporary files.
    pub(super) temp_dir: PathBuf,
    /// The same as the program sees it.
    pub(super) inner: PathBuf,
    /// The account of the program; `None` for that of the server.
    pub(super) account: Option<Account>,
}

impl InputPlace {
    /// Writes `files` into a directory of their own. Returns the directory as the program sees it.
    ///
    /// The agent may change the directory for temporary files meanwhile, so nothing is written through a path or a symbolic link.
    ///
    /// # Errors
    /// If the system refuses, or [`MAX_ATTEMPTS`] directories for the same message exist.
    pub(super) fn add(&self, message: u64, files: &[InputFile]) -> io::Result<PathBuf> {
        const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::RDONLY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
        const NEW: OFlags = OFlags::CREATE.union(OFlags::EXCL).union(OFlags::WRONLY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
        let parent = rustix::fs::open(&self.temp_dir, DIRECTORY, Mode::empty())?;
        let name = self.create(&parent, message)?;
        let dir = openat(&parent, name.as_str(), DIRECTORY, Mode::empty())?;
        let owner = self.account.as_ref().map(|account| (Uid::from_raw(account.uid), Gid::from_raw(account.gid)));
        let take = |file: BorrowedFd<'_>| owner.map_or(Ok(()), |(uid, gid)| fchown(file, Some(uid), Some(gid)));
        for InputFile { name, content } in files {
            let mut file = File::from(openat(&dir, name.as_str(), NEW, Mode::RUSR | Mode::WUSR)?);
            file.write_all(content)?;
            take(file.as_fd())?;
        }
        take(dir.as_fd())?;
        Ok(self.inner.join(name))
    }

    /// Creates a directory for a message. One that exists is that of an earlier attempt to deliver it.
    fn create(&self, parent: &OwnedFd, message: u64) -> io::Result<String> {
        for attempt in 1..=MAX_ATTEMPTS {
            let name = format!("{DIR}-{message}-{attempt}");
            match mkdirat(parent, name.as_str(), Mode::RWXU) {
                Ok(()) => return Ok(name),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(io::Error::other(format!("there are {MAX_ATTEMPTS} directories for the files of this message in {}", self.temp_dir.display())))
    }
}

#[cfg(test)]
mod tests {
    //! Rules: S6.

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
    #[test]
    fn files_of_messages_are_written_for_each_delivery_and_never_through_a_link() {
        let (temp, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let place = InputPlace { temp_dir: temp.path().to_owned(), inner: "/tmp".into(), account: None };
        let dirs = ["/tmp/openrunner-input-3-1", "/tmp/openrunner-input-3-2"];
        assert_eq!([place.add(3, &[file("a.md")]).unwrap(), place.add(3, &[file("a.md")]).unwrap()], dirs.map(PathBuf::from));
        let written = temp.path().join("openrunner-input-3-2");
        assert_eq!(std::fs::read(written.join("a.md")).unwrap(), b"text");
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!([mode(&written), mode(&written.join("a.md"))], [0o700, 0o600]);
        // What the agent could prepare: links in place of the directories.
        for attempt in 1..=MAX_ATTEMPTS {
            std::os::unix::fs::symlink(elsewhere.path(), temp.path().join(format!("{DIR}-4-{attempt}"))).unwrap();
        }
        assert!(place.add(4, &[file("a.md")]).is_err());
        let moved = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), moved.path().join("temp")).unwrap();
        let linked = InputPlace { temp_dir: moved.path().join("temp"), ..place };
        assert!(linked.add(1, &[file("a.md")]).is_err());
        assert_eq!(elsewhere.path().read_dir().unwrap().count(), 0);
    }
}
