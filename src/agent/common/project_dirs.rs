//! The directories of a project, as agents search them for instructions.

use std::path::{Path, PathBuf};

/// `working_dir` and the directories above it, up to that of its repository. Only `working_dir` if it is in none.
pub(in crate::agent) fn project_directories(working_dir: &Path) -> Vec<&Path> {
    let depth = working_dir.ancestors().position(|dir| std::fs::symlink_metadata(dir.join(".git")).is_ok()).unwrap_or(0);
    working_dir.ancestors().take(depth + 1).collect()
}

/// The first of these files in each directory, with links resolved. A file that lies outside the last directory, behind a link, is left
/// out: the model would be given another file of the account. Whether a path still leads there has to be checked where it is read (see
/// [`read_without_links`](crate::agent::project_files::read_without_links)).
pub(in crate::agent) fn instruction_files(directories: &[&Path], names: &[&str]) -> Vec<PathBuf> {
    let Some(root) = directories.last().and_then(|root| root.canonicalize().ok()) else { return Vec::new() };
    let of_directory = |dir: &&Path| names.iter().map(|name| dir.join(name)).find(|file| file.is_file());
    let files = directories.iter().filter_map(of_directory).filter_map(|file| file.canonicalize().ok());
    files.filter(|file| file.starts_with(&root)).collect()
}
