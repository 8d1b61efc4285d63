//! Opens files below a directory, by handle and without following links.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, openat, statat};
use rustix::io::Errno;

/// Opens what `path` names below `root`. No component may be a link, `..` or empty, so the result is below `root`.
///
/// # Errors
/// Those of the system; `ELOOP` for a link.
pub(super) fn open(root: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    if path.split(|byte| *byte == b'/').any(|component| matches!(component, b"" | b"." | b"..")) {
        return Err(Errno::INVAL.into());
    }
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{ResolveFlags, openat2};

        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        match openat2(root, OsStr::from_bytes(path), flags, Mode::empty(), resolve) {
            // An old kernel, or a container whose filter does not know the call. Or no directory: whether it is a link is found out below.
            Err(Errno::NOSYS | Errno::PERM | Errno::NOTDIR) => {}
            opened => return Ok(opened?),
        }
    }
    by_component(root, path, flags)
}

/// Opens the directory of what `path` names below `root`, and returns it with the last component. `None` stands for `root` itself.
///
/// # Errors
/// Those of [`open`].
pub(super) fn parent<'a>(root: BorrowedFd<'_>, path: &'a [u8]) -> io::Result<(Option<OwnedFd>, &'a OsStr)> {
    let (directory, name) = match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (Some(open(root, &path[..slash], DIRECTORY)?), &path[slash + 1..]),
        None => (None, path),
    };
    if matches!(name, b"" | b"." | b"..") { Err(Errno::INVAL.into()) } else { Ok((directory, OsStr::from_bytes(name))) }
}

/// Like `openat2`, with one call per component.
fn by_component(root: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    let mut components = path.split(|byte| *byte == b'/').peekable();
    let mut directory: Option<OwnedFd> = None;
    loop {
        let Some(component) = components.next() else { return Err(Errno::INVAL.into()) };
        let at = directory.as_ref().map_or(root, AsFd::as_fd);
        if components.peek().is_none() {
            let opened = openat(at, OsStr::from_bytes(component), flags, Mode::empty());
            return Ok(opened.map_err(|error| not_a_directory(at, OsStr::from_bytes(component), error))?);
        }
        let opened = openat(at, OsStr::from_bytes(component), DIRECTORY, Mode::empty());
        directory = Some(opened.map_err(|error| not_a_directory(at, OsStr::from_bytes(component), error))?);
    }
}

/// The error for a component that cannot be opened as a directory: `ELOOP` if it is a link, as systems report that in different ways.
pub(super) fn not_a_directory(directory: BorrowedFd<'_>, name: &OsStr, error: Errno) -> Errno {
    match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink => Errno::LOOP,
        _ => error,
    }
}

/// How directories on the way are opened.
pub(super) const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

#[cfg(test)]
mod tests {
    //! Rules: S6.

    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_path_leads_below_the_directory_or_nowhere() {
        let root = tempfile::tempdir().unwrap();
        let work = root.path().join("work");
        std::fs::create_dir_all(work.join("a/b")).unwrap();
        std::fs::write(root.path().join("secret"), "").unwrap();
        std::fs::write(work.join("a/b/file"), "").unwrap();
        symlink("../secret", work.join("out")).unwrap();
        symlink("..", work.join("up")).unwrap();
        symlink("a", work.join("within")).unwrap();
        let handle = std::fs::File::open(&work).unwrap();
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for open in [open, by_component] {
            assert!(open(handle.as_fd(), b"a/b/file", flags).is_ok());
            for path in [&b"out"[..], b"up/secret", b"within/b/file", b"a/b/missing"] {
                assert!(open(handle.as_fd(), path, flags).is_err(), "{}", path.escape_ascii());
            }
        }
        for path in [&b"../secret"[..], b"a/../../secret", b"/etc/passwd", b"", b"a//b/file", b"a/./b/file"] {
            assert!(open(handle.as_fd(), path, flags).is_err(), "{}", path.escape_ascii());
        }
    }
}
