//! Checks that the files of a server belong to its account, and that no other account can change them: as sshd (`StrictModes`) and
//! `PostgreSQL` do.
//!
//! An account that can write the settings, a key, the database, an agent's program or a directory above them controls the server, and
//! with it everything that the server's account may do.

mod account;
mod programs;
mod walk;

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use account::{account_name, current_account, is_private_group, is_unmapped_root};
pub use programs::check_programs;

/// Set on a directory in which only the owner of a file can replace it, such as `/tmp`.
const STICKY: u32 = 0o1000;

/// What other accounts may not do with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Write it.
    Write,
    /// Read or write it, because it holds secrets. Its group may read a file that belongs to root, so that root can provide a file to the
    /// server's account.
    ReadAndWrite,
}

/// A file that another account controls. The message names the file and ends with the command that fixes it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} {}; fix it with `{}`", path.display(), self.problem(), self.remedy())]
pub struct Insecure {
    path: PathBuf,
    fault: Fault,
    /// The directory in which the command fixes everything.
    tree: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// It belongs to `owner`, not to `account`.
    Owner { owner: u32, account: u32 },
    /// Others can write it.
    Writable { mode: u32 },
    /// Others can read its secrets.
    Readable { mode: u32 },
}

impl Insecure {
    /// What is wrong with the file.
    fn problem(&self) -> String {
        match self.fault {
            Fault::Owner { owner, account } => {
                format!("belongs to {}, not to {}, the account of this server", account_name(owner), account_name(account))
            }
            Fault::Writable { mode } => format!("is writable by other accounts (mode {mode:04o})"),
            Fault::Readable { mode } => format!("holds secrets and is readable by other accounts (mode {mode:04o})"),
        }
    }

    /// The command that fixes it.
    pub fn remedy(&self) -> String {
        let (recursively, path) = match &self.tree {
            None => ("", quoted(&self.path)),
            Some(tree) => ("-R ", quoted(tree)),
        };
        match self.fault {
            Fault::Owner { account, .. } => format!("chown {recursively}{} {path}", account_name(account)),
            Fault::Writable { .. } => format!("chmod {recursively}go-w {path}"),
            Fault::Readable { .. } => format!("chmod {recursively}600 {path}"),
        }
    }

    /// With a command that fixes everything in `tree`.
    fn everywhere_in(self, tree: &Path) -> Self {
        Self { tree: Some(tree.to_owned()), ..self }
    }

    /// What is wrong, without the command.
    pub fn finding(&self) -> String {
        format!("{} {}", self.path.display(), self.problem())
    }
}

/// Where a file stands in relation to the file that is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    /// The file itself.
    Itself,
    /// A directory above it.
    Above,
}

/// Checks an open file or directory. `path` is its name in the message.
///
/// # Errors
/// [`Insecure`] if another account controls it.
pub fn check_open(file: &File, path: &Path, protection: Protection) -> Result<(), Insecure> {
    match file.metadata() {
        Ok(metadata) => check_metadata(path, &metadata, protection, Relation::Itself),
        // Using the file fails as well.
        Err(_unreadable) => Ok(()),
    }
}

/// Checks a file or directory and every directory above it, links resolved. One that does not exist is not an error.
///
/// # Errors
/// [`Insecure`] for the first that another account controls.
pub fn check(path: &Path, protection: Protection) -> Result<(), Insecure> {
    check_above(path)?;
    check_entry(path, protection)
}

/// Checks a data directory, every directory above it, and every file and directory in it.
///
/// # Errors
/// [`Insecure`] for the first that another account controls.
pub fn check_data_dir(data_dir: &Path) -> Result<(), Insecure> {
    check(data_dir, Protection::Write)?;
    // Reading the directory fails also where it is used.
    let Ok(entries) = std::fs::read_dir(data_dir) else { return Ok(()) };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort_unstable();
    paths.iter().try_for_each(|path| check_entry(path, Protection::Write))
}

/// The same without the directories above it, which were checked.
///
/// # Errors
/// [`Insecure`] if another account controls it.
fn check_entry(path: &Path, protection: Protection) -> Result<(), Insecure> {
    // Opened, so that what is checked is what exists now. What this account cannot open is looked at only.
    match File::open(path) {
        Ok(file) => check_open(&file, path, protection),
        Err(_unreadable) => match std::fs::metadata(path) {
            Ok(metadata) => check_metadata(path, &metadata, protection, Relation::Itself),
            Err(_missing) => Ok(()),
        },
    }
}

/// Checks every directory above `path`, and above the targets of links on the way. An account that may write one of them can replace the file.
///
/// # Errors
/// [`Insecure`] for the first that another account controls.
pub fn check_above(path: &Path) -> Result<(), Insecure> {
    walk::above(path, &mut |path, metadata| check_metadata(path, metadata, Protection::Write, Relation::Above))
}

fn check_metadata(path: &Path, metadata: &Metadata, protection: Protection, relation: Relation) -> Result<(), Insecure> {
    let insecure = |fault| Err(Insecure { path: path.to_owned(), fault, tree: None });
    let (file_type, account, owner, mode) = (metadata.file_type(), current_account(), metadata.uid(), metadata.mode() & 0o7777);
    // Devices and pipes, such as /dev/null, are not stored.
    if !(file_type.is_file() || file_type.is_dir() || file_type.is_symlink()) {
        return Ok(());
    }
    if owner != 0 && owner != account && !(relation == Relation::Above && is_unmapped_root(owner)) {
        return insecure(Fault::Owner { owner, account });
    }
    if file_type.is_symlink() {
        return Ok(()); // its mode means nothing
    }
    let is_writable = match relation {
        Relation::Itself => mode & 0o022 != 0,
        Relation::Above => {
            let by_others = mode & 0o002 != 0 || (mode & 0o020 != 0 && !is_private_group(metadata.gid()));
            by_others && mode & STICKY == 0 && !is_read_only(path)
        }
    };
    if is_writable {
        return insecure(Fault::Writable { mode });
    }
    let readable = if owner == 0 && account != 0 { 0o007 } else { 0o077 };
    if protection == Protection::ReadAndWrite && mode & readable != 0 {
        return insecure(Fault::Readable { mode });
    }
    Ok(())
}

/// Whether the file system refuses every write, such as that of a mounted configuration in a container.
fn is_read_only(path: &Path) -> bool {
    rustix::fs::statvfs(path).is_ok_and(|system| system.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
}

/// A path as a word for a shell.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+@:,=".contains(letter);
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests;
