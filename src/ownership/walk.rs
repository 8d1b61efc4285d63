//! Visits the directories that decide which file a path names.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::path::{Component, Path, PathBuf};

/// Maximum number of links in a path, as in the kernel.
const MAX_LINKS: usize = 40;

/// Calls `visit` for every directory above `path` and for every link in it, from the root down, up to the first part that does not exist.
/// Each directory is visited under its real path.
///
/// # Errors
/// The first error of `visit`.
pub(super) fn above<E>(path: &Path, visit: &mut impl FnMut(&Path, &Metadata) -> Result<(), E>) -> Result<(), E> {
    let Ok(path) = std::path::absolute(path) else { return Ok(()) };
    let (mut current, mut links) = (PathBuf::from("/"), 0);
    let mut pending = parts(&path);
    while let Some(part) = pending.pop() {
        match Path::new(&part).components().next() {
            Some(Component::RootDir) => current = PathBuf::from("/"),
            Some(Component::ParentDir) => drop(current.pop()),
            Some(Component::Normal(name)) => {
                let Ok(directory) = fs::symlink_metadata(&current) else { return Ok(()) };
                visit(&current, &directory)?;
                let next = current.join(name);
                // What does not exist is created by this account.
                let Ok(metadata) = fs::symlink_metadata(&next) else { return Ok(()) };
                if !metadata.is_symlink() {
                    current = next;
                    continue;
                }
                visit(&next, &metadata)?;
                links += 1;
                let Ok(target) = fs::read_link(&next) else { return Ok(()) };
                if links > MAX_LINKS {
                    return Ok(()); // opening it fails
                }
                pending.extend(parts(&target));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The parts of a path, the first one last.
fn parts(path: &Path) -> Vec<OsString> {
    let mut parts: Vec<OsString> = path.components().map(|part| OsStr::to_owned(part.as_os_str())).collect();
    parts.reverse();
    parts
}
