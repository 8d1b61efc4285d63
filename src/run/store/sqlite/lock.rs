//! The lock of the data directory: one server at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::process::Identity;
use crate::run::store::OpenError;

/// Name of the lock file in the data directory.
const FILE_NAME: &str = "openrunner.lock";

/// How long a lock is waited for whose holder has been killed. A process that it was just starting shares the lock until it executes its
/// own program, which takes longer on a busy machine.
const WAIT_FOR_KILLED: Duration = Duration::from_secs(10);

const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Locks the directory until the file is closed.
///
/// # Errors
/// [`OpenError::InUse`] if another process holds the lock, [`OpenError::DataDir`] if the lock file cannot be used.
pub(super) fn lock(data_dir: &Path) -> Result<File, OpenError> {
    lock_or_wait(data_dir, || sleep(POLL_INTERVAL))
}

fn lock_or_wait(data_dir: &Path, mut wait: impl FnMut()) -> Result<File, OpenError> {
    let path = data_dir.join(FILE_NAME);
    let failed = |source| OpenError::DataDir { path: path.clone(), source };
    let mut file = OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).open(&path).map_err(failed)?;
    let mut deadline = None;
    loop {
        match file.try_lock() {
            Ok(()) => {
                // The record only shortens a wait, and the lock holds without it, so a full disk does not matter.
                let _ = record_holder(&mut file);
                return Ok(file);
            }
            Err(TryLockError::WouldBlock) => {
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + WAIT_FOR_KILLED);
                if Instant::now() >= deadline || !holder_was_killed(&file) {
                    return Err(OpenError::InUse(data_dir.to_owned()));
                }
                wait();
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
    }
}

fn record_holder(file: &mut File) -> std::io::Result<()> {
    let Some(identity) = i32::try_from(std::process::id()).ok().and_then(Identity::of) else { return Ok(()) };
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(&serde_json::to_vec(&identity)?)
}

/// Whether the process that recorded itself last has ended. Without a readable record the holder counts as alive.
fn holder_was_killed(mut file: &File) -> bool {
    let mut record = Vec::new();
    let read = file.rewind().and_then(|()| file.take(256).read_to_end(&mut record));
    let holder = read.ok().and_then(|_| serde_json::from_slice::<Identity>(&record).ok());
    holder.is_some_and(|holder| Identity::of(holder.pid) != Some(holder))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A lock of the directory that another open file holds, recorded by the process with this identity.
    fn held_by(data_dir: &Path, holder: &[u8]) -> File {
        let file = lock(data_dir).unwrap();
        std::fs::write(data_dir.join(FILE_NAME), holder).unwrap();
        file
    }

    fn of_ended_process() -> Vec<u8> {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let identity = Identity::of(child.id().cast_signed()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        serde_json::to_vec(&identity).unwrap()
    }

    #[test]
    fn a_lock_left_to_a_child_of_a_killed_server_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let mut held = Some(held_by(dir.path(), &of_ended_process()));
        let locked = lock_or_wait(dir.path(), || drop(held.take()));
        assert!(locked.is_ok() && held.is_none(), "{locked:?}");
    }

    #[test]
    fn a_living_holder_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let _held = lock(dir.path()).unwrap();
        let second = lock_or_wait(dir.path(), || panic!("waited"));
        assert!(matches!(second, Err(OpenError::InUse(_))), "{second:?}");
    }

    #[test]
    fn a_holder_without_a_readable_record_counts_as_alive() {
        let dir = tempfile::tempdir().unwrap();
        for record in [&b""[..], b"{\"pid\":", b"null", &[0xff; 4096]] {
            let _held = held_by(dir.path(), record);
            let second = lock_or_wait(dir.path(), || panic!("waited"));
            assert!(matches!(second, Err(OpenError::InUse(_))), "{second:?}");
        }
    }

    #[test]
    fn the_next_holder_replaces_the_record() {
        let dir = tempfile::tempdir().unwrap();
        drop(held_by(dir.path(), &[b'x'; 200]));
        let _held = lock(dir.path()).unwrap();
        let record = std::fs::read(dir.path().join(FILE_NAME)).unwrap();
        assert_eq!(serde_json::from_slice::<Identity>(&record).unwrap().pid, std::process::id().cast_signed());
    }
}
