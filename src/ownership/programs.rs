//! Checks a directory with programs that the server executes.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::account::is_private_group;
use super::{Insecure, Protection, Relation, check_above, check_metadata};

/// Checks a directory with programs, every directory above it, and everything in it: a program consists of all files of its package. What a
/// link leads to counts if it lies in the directory, too; a link to a program elsewhere is the operator's choice, as `PATH` is. A directory
/// that does not exist is not an error.
///
/// Files may be writable by a group that only this account is in, as package managers create them with a file mode mask of 002.
///
/// # Errors
/// [`Insecure`] for one that another account controls, with a command for the whole directory.
pub fn check_programs(dir: &Path) -> Result<(), Insecure> {
    check_above(&dir.join("program"))?;
    let mut groups = Groups::default();
    let mut pending = vec![dir.to_owned()];
    while let Some(path) = pending.pop() {
        // What cannot be read is not executed by this account.
        let Ok(entries) = fs::read_dir(&path) else { continue };
        let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort_unstable();
        for path in paths {
            let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
            if !groups.allow(&metadata) {
                check_metadata(&path, &metadata, Protection::Write, Relation::Itself).map_err(|found| found.everywhere_in(dir))?;
            }
            if metadata.is_dir() {
                pending.push(path);
            }
        }
    }
    Ok(())
}

/// Which groups are private, by id: the lists of accounts are read once for each.
#[derive(Default)]
struct Groups(BTreeMap<u32, bool>);

impl Groups {
    /// Whether a file of this account or of root is writable by its private group, and by no one else.
    fn allow(&mut self, metadata: &Metadata) -> bool {
        let is_own = metadata.uid() == 0 || metadata.uid() == super::account::current_account();
        let by_group_only = metadata.mode() & 0o022 == 0o020;
        is_own && by_group_only && *self.0.entry(metadata.gid()).or_insert_with(|| is_private_group(metadata.gid()))
    }
}
