//! Reads files of a project for its agents. Their agents can change what a path leads to at any time, so what was opened is what is checked.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path};

use rustix::fs::{Mode, OFlags, open, openat};

/// Only to pass through: a directory above may be one that cannot be listed.
#[cfg(target_os = "linux")]
const PASS: OFlags = OFlags::PATH;
#[cfg(not(target_os = "linux"))]
const PASS: OFlags = OFlags::RDONLY;
/// Opening a pipe does not wait for its other end.
const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// The first `max` bytes of the regular file at `path`, an absolute path without links.
///
/// # Errors
/// If it cannot be read, is no regular file, or is reached through a symbolic link (the path was changed after it was resolved).
pub(in crate::agent) fn read_without_links(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let mut names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name),
        _ => None,
    });
    let mut name = names.next().ok_or(io::ErrorKind::InvalidInput)?;
    let mut above = open("/", PASS | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    for next in names {
        above = openat(&above, name, PASS | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        name = next;
    }
    read(openat(&above, name, READ | OFlags::NOFOLLOW, Mode::empty())?.into(), max)
}

/// The first `max` bytes of the regular file at `path`, links followed.
///
/// # Errors
/// If it cannot be read, or is no regular file.
pub(in crate::agent) fn read_regular(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    read(open(path, READ, Mode::empty())?.into(), max)
}

fn read(file: File, max: u64) -> io::Result<Vec<u8>> {
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    //! Rules: P1.

    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_anywhere_in_the_path_and_a_pipe_are_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("real")).unwrap();
        std::fs::write(root.join("real/file"), "text").unwrap();
        symlink("real", root.join("dir")).unwrap();
        symlink("file", root.join("real/link")).unwrap();
        assert_eq!(read_without_links(&root.join("real/file"), 3).unwrap(), b"tex");
        for linked in ["dir/file", "real/link"] {
            assert!(read_without_links(&root.join(linked), 9).is_err(), "{linked}");
            assert_eq!(read_regular(&root.join(linked), 9).unwrap(), b"text", "{linked}");
        }
        // A reader of a pipe without writers would wait for one.
        let pipe = root.join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, Mode::RWXU, 0).unwrap();
        for path in [&pipe, &root] {
            assert!(read_without_links(path, 9).is_err() && read_regular(path, 9).is_err(), "{}", path.display());
        }
    }
}
