//! Measures and empties fresh workspaces. Blocking; symbolic links are not followed.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Maximum number of entries that one measurement looks at: less than a second of work. What lies beyond does not count.
const MAX_ENTRIES: usize = 200_000;

/// Size of a block in which the system counts.
const BLOCK: u64 = 512;

/// The space that a directory and everything in it occupies on its disk, in bytes; 0 if it does not exist. Entries that vanish or cannot be
/// read do not count, nor do those on other file systems.
///
/// # Errors
/// If the directory itself cannot be read.
pub(super) fn size_of(dir: &Path) -> io::Result<u64> {
    measure(dir, MAX_ENTRIES)
}

fn measure(dir: &Path, max_entries: usize) -> io::Result<u64> {
    let root = match dir.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        root => root?,
    };
    let (mut size, mut entries, mut directories) = (root.blocks().saturating_mul(BLOCK), 0, vec![dir.to_owned()]);
    while let Some(directory) = directories.pop() {
        let Ok(listed) = std::fs::read_dir(&directory) else { continue };
        for entry in listed {
            entries += 1;
            if entries > max_entries {
                return Ok(size);
            }
            let Ok(entry) = entry else { continue };
            // Of the entry itself, not of what a link points to.
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.dev() != root.dev() {
                continue;
            }
            size = size.saturating_add(metadata.blocks().saturating_mul(BLOCK));
            if metadata.is_dir() {
                directories.push(entry.path());
            }
        }
    }
    Ok(size)
}

/// Removes everything in a directory, but not the directory. A directory that does not exist is empty.
///
/// # Errors
/// If an entry cannot be removed; others may have been.
pub(super) fn empty(dir: &Path) -> io::Result<()> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(entry.path())?;
        } else {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    //! Rules: C6.

    use super::*;

    #[test]
    fn files_in_all_directories_count_and_links_are_neither_followed_nor_emptied() {
        let dir = tempfile::tempdir().unwrap();
        let (workspace, outside) = (dir.path().join("workspace"), dir.path().join("outside"));
        std::fs::create_dir_all(workspace.join("a/b")).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("large"), vec![1; 3_000_000]).unwrap();
        std::fs::write(workspace.join("a/b/file"), vec![1; 1_000_000]).unwrap();
        std::os::unix::fs::symlink(&outside, workspace.join("link")).unwrap();
        std::os::unix::fs::symlink(outside.join("large"), workspace.join("a/link")).unwrap();
        let size = size_of(&workspace).unwrap();
        assert!((1_000_000..2_000_000).contains(&size), "{size}");
        assert!(measure(&workspace, 2).unwrap() < 1_000_000, "the work is bounded");
        empty(&workspace).unwrap();
        assert_eq!(std::fs::read_dir(&workspace).unwrap().count(), 0);
        assert!(outside.join("large").exists());
        std::fs::remove_dir(&workspace).unwrap();
        assert_eq!(size_of(&workspace).unwrap(), 0);
        empty(&workspace).unwrap();
    }
}
