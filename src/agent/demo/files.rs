//! Reads and writes files in the working directory. Never follows a symbolic link, which would lead out of it, and never opens anything but
//! a regular file (rule S13).

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// Maximum size in bytes of an existing file. Larger ones are left alone.
const MAX_SIZE: u64 = 1024 * 1024;

/// Replaces the content of the file by what `content` makes of the previous one, which is `None` if the file does not exist. Returns the
/// previous and the new content.
///
/// # Errors
/// If it is no regular file, too large, or cannot be opened, read or written.
pub(super) fn rewrite(path: &Path, content: impl FnOnce(Option<&[u8]>) -> Vec<u8>) -> io::Result<(Option<Vec<u8>>, Vec<u8>)> {
    let (mut file, before) = match open(path, OpenOptions::new().read(true).write(true)) {
        Ok(mut file) => {
            let before = read_all(&mut file)?;
            (file, Some(before))
        }
        // `create_new` does not follow a symbolic link, either.
        Err(error) if error.kind() == io::ErrorKind::NotFound => (OpenOptions::new().write(true).create_new(true).open(path)?, None),
        Err(error) => return Err(error),
    };
    let content = content(before.as_deref());
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(&content)?;
    Ok((before, content))
}

/// The content of the file.
///
/// # Errors
/// If it is no regular file, too large, or cannot be opened or read.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    read_all(&mut open(path, OpenOptions::new().read(true))?)
}

fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    // A FIFO must not block the agent.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    match options.custom_flags(flags).open(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound && path.is_symlink() => {
            Err(io::Error::other("is a symbolic link, which this agent does not follow"))
        }
        opened => opened,
    }
}

fn read_all(file: &mut File) -> io::Result<Vec<u8>> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("is not a regular file"));
    }
    let mut content = Vec::new();
    file.take(MAX_SIZE + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MAX_SIZE {
        return Err(io::Error::other(format!("is larger than {MAX_SIZE} bytes")));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    //! Rules: S13.

    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn replace(path: &Path, content: &str) -> io::Result<Option<Vec<u8>>> {
        rewrite(path, |_| content.as_bytes().to_vec()).map(|(before, _)| before)
    }

    #[test]
    fn a_file_is_created_or_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hello.py");
        assert_eq!(replace(&path, "a longer text").unwrap(), None);
        assert_eq!(replace(&path, "short").unwrap().as_deref(), Some(&b"a longer text"[..]));
        assert_eq!(read(&path).unwrap(), b"short");
    }

    #[test]
    fn a_symbolic_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (target, link, dangling) = (dir.path().join("outside"), dir.path().join("hello.py"), dir.path().join("new.py"));
        fs::write(&target, "secret").unwrap();
        symlink(&target, &link).unwrap();
        symlink(dir.path().join("missing"), &dangling).unwrap();
        for path in [&link, &dangling] {
            assert!(replace(path, "text").unwrap_err().to_string().contains("symbolic link"));
            assert!(read(path).unwrap_err().to_string().contains("symbolic link"));
            assert!(path.is_symlink());
        }
        assert_eq!(fs::read_to_string(&target).unwrap(), "secret");
        assert!(!dir.path().join("missing").exists());
    }

    #[test]
    fn only_regular_files_of_a_moderate_size_are_opened() {
        let dir = tempfile::tempdir().unwrap();
        assert!(replace(dir.path(), "text").is_err() && read(dir.path()).is_err());
        let fifo = dir.path().join("hello.py");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        assert!(replace(&fifo, "text").is_err() && read(&fifo).is_err());
        let large = dir.path().join("large.txt");
        File::create(&large).unwrap().set_len(MAX_SIZE + 1).unwrap();
        assert!(replace(&large, "text").unwrap_err().to_string().contains("larger"));
        assert_eq!(large.metadata().unwrap().len(), MAX_SIZE + 1, "it is left as it was");
    }
}
