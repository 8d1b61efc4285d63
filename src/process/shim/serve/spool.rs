//! Moves the output of an agent from its pipe into a file of bounded size.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::connection::would_block;

/// One output of the agent and the file that stores it.
#[derive(Debug)]
pub(super) struct Spool {
    /// `None` after the end of the output, or when it was abandoned.
    pipe: Option<File>,
    file: File,
    stored: u64,
    max: u64,
    /// Whether a write has failed: storing later output would leave a gap.
    broken: bool,
    /// Whether the server moves the output from the pipe to the file.
    lent: bool,
}

/// Result of a read.
#[derive(Debug)]
pub(super) enum ReadOutcome<'a> {
    /// Nothing new, or the end.
    Nothing,
    /// These bytes were read and stored.
    Stored(&'a [u8]),
    /// These bytes were read, but the file is full.
    Full(&'a [u8]),
    /// These bytes were read, but could not be written.
    NoDisk(&'a [u8]),
}

impl Spool {
    /// Stores at most `max` bytes of `pipe` in `file`, which is empty.
    ///
    /// # Errors
    /// If the pipe cannot be made non-blocking.
    pub(super) fn new(pipe: OwnedFd, file: File, max: u64) -> io::Result<Self> {
        set_nonblocking(&pipe)?;
        Ok(Self { pipe: Some(pipe.into()), file, stored: 0, max, broken: false, lent: false })
    }

    /// The pipe to wait for, until the output has ended and unless it is lent.
    pub(super) fn pipe(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().filter(|_| !self.lent).map(AsFd::as_fd)
    }

    /// The pipe, to be lent to the server; `None` if the output has ended or can no longer be stored.
    pub(super) fn lendable(&self) -> Option<BorrowedFd<'_>> {
        self.pipe().filter(|_| !self.broken && self.stored < self.max)
    }

    /// The maximum size of the file.
    pub(super) fn max(&self) -> u64 {
        self.max
    }

    /// Leaves the output to the server, which has received the pipe.
    pub(super) fn set_lent(&mut self) {
        self.lent = true;
    }

    /// Whether the server moves the output.
    pub(super) fn is_lent(&self) -> bool {
        self.lent
    }

    /// Takes the output back, if it is lent. What the server has stored is in the file.
    pub(super) fn take_back(&mut self) {
        if std::mem::take(&mut self.lent) {
            match self.file.metadata() {
                // Not less than before: the file is only truncated by tampering with it.
                Ok(file) => self.stored = self.stored.max(file.len()),
                Err(_unknown_length) => self.broken = true,
            }
        }
    }

    /// Takes the output back, if it is lent, from a server that does not return it. Returns whether that was possible: not while that server
    /// is moving output. Afterwards it moves nothing more. To be called only once the agent has exited, because output cannot be lent again.
    pub(super) fn seize(&mut self) -> bool {
        if self.lent && flock(&self.file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
            return false;
        }
        // Where files cannot be locked a server borrows nothing.
        self.take_back();
        true
    }

    /// Length of the file in bytes; if it is lent, when it was.
    pub(super) fn stored(&self) -> u64 {
        self.stored
    }

    /// Whether the output has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.pipe.is_none()
    }

    /// Stops waiting for output.
    pub(super) fn abandon(&mut self) {
        self.take_back();
        self.pipe = None;
    }

    /// Reads what is available, at most one buffer, and stores it. Output that cannot be stored is read as well: a full pipe would block
    /// the agent.
    pub(super) fn take<'a>(&mut self, buffer: &'a mut [u8]) -> ReadOutcome<'a> {
        let Some(pipe) = self.pipe.as_mut().filter(|_| !self.lent) else { return ReadOutcome::Nothing };
        let bytes = match pipe.read(buffer) {
            Ok(0) => {
                self.pipe = None;
                return ReadOutcome::Nothing;
            }
            Ok(count) => &buffer[..count],
            Err(error) if would_block(&error) => return ReadOutcome::Nothing,
            Err(_broken) => {
                self.pipe = None;
                return ReadOutcome::Nothing;
            }
        };
        let room = usize::try_from(self.max.saturating_sub(self.stored)).unwrap_or(usize::MAX);
        let wanted = &bytes[..bytes.len().min(room)];
        match self.append(wanted) {
            Err(_no_disk) => ReadOutcome::NoDisk(bytes),
            Ok(()) if wanted.len() < bytes.len() => ReadOutcome::Full(bytes),
            Ok(()) => ReadOutcome::Stored(bytes),
        }
    }

    fn append(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        if self.broken {
            return Err(io::ErrorKind::StorageFull.into());
        }
        while !bytes.is_empty() {
            match self.file.write(bytes) {
                Ok(count) if count > 0 => {
                    self.stored += count as u64;
                    bytes = &bytes[count..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => {
                    self.broken = true;
                    return Err(io::ErrorKind::StorageFull.into());
                }
            }
        }
        Ok(())
    }
}

/// Makes this end of a pipe non-blocking. The agent's end is not affected.
pub(super) fn set_nonblocking(pipe: impl AsFd) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(&pipe)?;
    Ok(rustix::fs::fcntl_setfl(&pipe, flags | rustix::fs::OFlags::NONBLOCK)?)
}

#[cfg(test)]
mod tests {
    //! Rules: W5.

    use super::*;

    fn spool(max: u64) -> (Spool, std::io::PipeWriter, tempfile::NamedTempFile) {
        let (ours, theirs) = std::io::pipe().unwrap();
        let stored = tempfile::NamedTempFile::new().unwrap();
        let file = File::options().append(true).open(stored.path()).unwrap();
        (Spool::new(ours.into(), file, max).unwrap(), theirs, stored)
    }

    #[test]
    fn output_beyond_the_maximum_is_read_and_dropped() {
        let (mut spool, mut agent, stored) = spool(5);
        let mut buffer = [0; 64];
        agent.write_all(b"abc").unwrap();
        assert!(matches!(spool.take(&mut buffer), ReadOutcome::Stored(b"abc")));
        agent.write_all(b"defgh").unwrap();
        assert!(matches!(spool.take(&mut buffer), ReadOutcome::Full(b"defgh")));
        agent.write_all(b"i").unwrap();
        assert!(matches!(spool.take(&mut buffer), ReadOutcome::Full(b"i")));
        assert_eq!(std::fs::read(stored.path()).unwrap(), b"abcde");
        assert_eq!(spool.stored(), 5);
    }

    #[test]
    fn an_empty_pipe_has_not_ended() {
        let (mut spool, agent, _kept) = spool(5);
        assert!(matches!(spool.take(&mut [0; 8]), ReadOutcome::Nothing));
        assert!(!spool.has_ended());
        drop(agent);
        assert!(matches!(spool.take(&mut [0; 8]), ReadOutcome::Nothing));
        assert!(spool.has_ended());
    }

    #[test]
    fn output_is_not_seized_while_a_server_moves_it_and_not_moved_afterwards() {
        let (mut spool, mut agent, stored) = spool(50);
        agent.write_all(b"abcdef").unwrap();
        let server = File::options().write(true).open(stored.path()).unwrap();
        spool.set_lent();
        flock(&server, FlockOperation::NonBlockingLockExclusive).unwrap();
        assert!(!spool.seize());
        assert!(matches!(spool.take(&mut [0; 8]), ReadOutcome::Nothing), "it is still lent");
        let mut moved = [0; 3];
        spool.pipe.as_ref().unwrap().read_exact(&mut moved).unwrap();
        (&server).write_all(&moved).unwrap();
        flock(&server, FlockOperation::Unlock).unwrap();
        assert!(spool.seize());
        assert_eq!(flock(&server, FlockOperation::NonBlockingLockExclusive), Err(Errno::WOULDBLOCK));
        assert!(matches!(spool.take(&mut [0; 8]), ReadOutcome::Stored(b"def")));
        assert_eq!(std::fs::read(stored.path()).unwrap(), b"abcdef");
        assert_eq!(spool.stored(), 6);
    }

    #[test]
    fn nothing_is_stored_after_a_failed_write() {
        let (ours, mut agent) = std::io::pipe().unwrap();
        let full = File::options().append(true).open("/dev/full").unwrap();
        let mut spool = Spool::new(ours.into(), full, 100).unwrap();
        agent.write_all(b"abc").unwrap();
        assert!(matches!(spool.take(&mut [0; 8]), ReadOutcome::NoDisk(b"abc")));
        spool.file = tempfile::tempfile().unwrap();
        agent.write_all(b"def").unwrap();
        assert!(matches!(spool.take(&mut [0; 8]), ReadOutcome::NoDisk(b"def")), "there is space again, but a part is missing");
        assert_eq!(spool.stored(), 0);
    }
}
