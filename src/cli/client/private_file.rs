//! Files that hold tokens: readable by their owner only, and replaced atomically.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, bail};

/// Reads a file. None if it does not exist.
///
/// # Errors
/// If it cannot be read, or other users can read it.
pub(super) fn read(path: &Path) -> anyhow::Result<Option<String>> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    if file.metadata().with_context(|| format!("cannot read {}", path.display()))?.permissions().mode() & 0o077 != 0 {
        bail!("{0} holds tokens and other users can read it; run `chmod 600 {0}`", path.display());
    }
    io::read_to_string(file).map(Some).with_context(|| format!("cannot read {}", path.display()))
}

/// Replaces a file. Concurrent readers see the old or the new content; other users see neither.
///
/// # Errors
/// If it cannot be written. The old content then remains.
pub(super) fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let directory = path.parent().with_context(|| format!("{} has no directory", path.display()))?;
    let write = || -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let temporary = path.with_extension(format!("toml.{}", std::process::id()));
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        written.and_then(|()| fs::rename(&temporary, path)).inspect_err(|_| {
            // It holds tokens. If it cannot be removed either, its mode still protects it.
            let _ = fs::remove_file(&temporary);
        })
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_can_read_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("openrunner/servers.toml");
        assert_eq!(read(&path).unwrap(), None);
        write(&path, "token").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read(&path).unwrap().as_deref(), Some("token"));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary file remains");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("chmod 600") && !error.contains("token\n"), "{error}");
    }
}
