//! The agent's stdin, and the journal that is written first.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::connection::would_block;
use super::spool::set_nonblocking;
use crate::process::shim::protocol::{InputCommand, MAX_INPUT};

/// The agent's stdin and the journal.
#[derive(Debug)]
pub(super) struct Stdin {
    /// `None` once closed, by the shim or by the agent.
    pipe: Option<File>,
    /// Pieces as they arrived, and the number of bytes of the first one that have been written.
    waiting: VecDeque<Vec<u8>>,
    written: usize,
    /// Unwritten bytes in all pieces.
    length: u64,
    close: bool,
    journal: File,
    /// Length of the complete lines in `journal`.
    journal_length: u64,
}

impl Stdin {
    /// Writes to `pipe` and to `journal`, which is empty.
    ///
    /// # Errors
    /// If the pipe cannot be made non-blocking.
    pub(super) fn new(pipe: OwnedFd, journal: File) -> io::Result<Self> {
        set_nonblocking(&pipe)?;
        Ok(Self { pipe: Some(pipe.into()), waiting: VecDeque::new(), written: 0, length: 0, close: false, journal, journal_length: 0 })
    }

    /// The pipe, while there are bytes to write.
    pub(super) fn pipe(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().filter(|_| !self.waiting.is_empty()).map(AsFd::as_fd)
    }

    /// Writes the journal entry, then passes the bytes to the agent.
    ///
    /// # Errors
    /// If the entry cannot be written. The bytes are then dropped, because a later server would send them again.
    pub(super) fn accept(&mut self, command: &InputCommand, pieces: Vec<Vec<u8>>) -> io::Result<()> {
        self.record_in_journal(command)?;
        if self.pipe.is_none() || self.close {
            return Ok(());
        }
        self.length += pieces.iter().map(|piece| piece.len() as u64).sum::<u64>();
        if self.length > MAX_INPUT {
            self.close();
            return Ok(());
        }
        self.waiting.extend(pieces);
        self.close = command.close;
        self.push();
        Ok(())
    }

    fn record_in_journal(&mut self, command: &InputCommand) -> io::Result<()> {
        let mut line = serde_json::to_vec(command)?;
        line.push(b'\n');
        // Only commands are made durable. Other input follows from the output alone, and after a crash of the machine nothing is sent again.
        let sync = |journal: &File| if command.call.is_some() { journal.sync_data() } else { Ok(()) };
        if let Err(error) = self.journal.write_all(&line).and_then(|()| sync(&self.journal)) {
            // An incomplete line must not become part of the next one.
            let _ = self.journal.set_len(self.journal_length);
            return Err(error);
        }
        self.journal_length += line.len() as u64;
        Ok(())
    }

    /// Writes as much as the agent accepts.
    pub(super) fn push(&mut self) {
        while let (Some(pipe), Some(piece)) = (&mut self.pipe, self.waiting.front()) {
            match pipe.write(&piece[self.written..]) {
                Ok(count) => {
                    self.written += count;
                    self.length -= count as u64;
                    if self.written == piece.len() {
                        self.waiting.pop_front();
                        self.written = 0;
                        if self.waiting.is_empty() {
                            // The queue was allocated after the pieces, and the allocator returns memory from its end only.
                            self.waiting = VecDeque::new();
                        }
                    }
                }
                Err(error) if would_block(&error) => return,
                // The agent has closed its stdin. Its output and its exit show whether that matters.
                Err(_closed) => self.close(),
            }
        }
        // The queue was allocated after the pieces, and the allocator cannot return theirs while it exists.
        self.waiting = VecDeque::new();
        if self.close {
            self.close();
        }
    }

    fn close(&mut self) {
        self.pipe = None;
        self.waiting = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn command(at: u64, bytes: &[u8], close: bool) -> InputCommand {
        InputCommand { at, call: None, close, size: bytes.len() as u64 }
    }

    #[test]
    fn the_pipe_is_closed_after_the_last_byte_and_later_commands_are_only_recorded() {
        let (mut agent, ours) = std::io::pipe().unwrap();
        let journal = tempfile::NamedTempFile::new().unwrap();
        let mut input = Stdin::new(ours.into(), journal.reopen().unwrap()).unwrap();
        input.accept(&command(3, b"hello ", false), vec![b"hel".to_vec(), b"lo ".to_vec()]).unwrap();
        input.accept(&command(4, b"world", true), vec![b"world".to_vec()]).unwrap();
        input.accept(&command(5, b"!", false), vec![b"!".to_vec()]).unwrap();
        let mut messages = String::new();
        agent.read_to_string(&mut messages).unwrap();
        assert_eq!(messages, "hello world");
        let journal = std::fs::read_to_string(journal.path()).unwrap();
        let places: Vec<u64> = journal.lines().map(|line| serde_json::from_str::<InputCommand>(line).unwrap().at).collect();
        assert_eq!(places, [3, 4, 5]);
    }

    #[test]
    fn bytes_without_a_journal_entry_are_not_written() {
        let (mut agent, ours) = std::io::pipe().unwrap();
        let full = File::options().append(true).open("/dev/full").unwrap();
        let mut input = Stdin::new(ours.into(), full).unwrap();
        input.accept(&command(0, b"hello", true), vec![b"hello".to_vec()]).unwrap_err();
        drop(input);
        let mut messages = String::new();
        agent.read_to_string(&mut messages).unwrap();
        assert_eq!(messages, "");
    }

    #[test]
    fn the_stdin_of_an_agent_that_is_too_far_behind_is_closed() {
        let (_agent, ours) = std::io::pipe().unwrap();
        let mut input = Stdin::new(ours.into(), tempfile::tempfile().unwrap()).unwrap();
        let bytes = vec![b'x'; 1 << 25];
        input.accept(&command(0, &bytes, false), vec![bytes.clone()]).unwrap();
        assert!(input.pipe().is_some());
        input.accept(&command(0, &bytes, false), vec![bytes.clone()]).unwrap();
        input.accept(&command(0, &bytes, false), vec![bytes.clone()]).unwrap();
        assert!(input.pipe.is_none());
    }
}
