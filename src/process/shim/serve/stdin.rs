//! What goes to the agent's stdin, and the note of it that is written first.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::connection::would_block;
use super::spool::set_nonblocking;
use crate::process::shim::protocol::{InputCommand, MAX_INPUT};

/// The agent's stdin and the file of calls.
#[derive(Debug)]
pub(super) struct Stdin {
    /// None when it is closed, by us or by the agent.
    pipe: Option<File>,
    /// In pieces as they came; of the first one so much is said already.
    waiting: VecDeque<Vec<u8>>,
    written: usize,
    /// Bytes in all pieces that are not said.
    length: u64,
    close: bool,
    journal: File,
    /// How much of `journal` is whole lines.
    journal_length: u64,
}

impl Stdin {
    /// Speaks to `pipe` and writes down in `journal`, which is empty.
    ///
    /// # Errors
    /// If the pipe cannot be made to never wait.
    pub(super) fn new(pipe: OwnedFd, journal: File) -> io::Result<Self> {
        set_nonblocking(&pipe)?;
        Ok(Self { pipe: Some(pipe.into()), waiting: VecDeque::new(), written: 0, length: 0, close: false, journal, journal_length: 0 })
    }

    /// The pipe, while bytes wait for it.
    pub(super) fn pipe(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().filter(|_| !self.waiting.is_empty()).map(AsFd::as_fd)
    }

    /// Notes an order, and then has the agent see its bytes.
    ///
    /// # Errors
    /// If the note cannot be written: then the bytes are dropped, since a later server would say them again.
    pub(super) fn accept(&mut self, order: &InputCommand, pieces: Vec<Vec<u8>>) -> io::Result<()> {
        self.record_in_journal(order)?;
        if self.pipe.is_none() || self.close {
            return Ok(());
        }
        self.length += pieces.iter().map(|piece| piece.len() as u64).sum::<u64>();
        if self.length > MAX_INPUT {
            self.close();
            return Ok(());
        }
        self.waiting.extend(pieces);
        self.close = order.close;
        self.push();
        Ok(())
    }

    fn record_in_journal(&mut self, order: &InputCommand) -> io::Result<()> {
        let mut line = serde_json::to_vec(order)?;
        line.push(b'\n');
        if let Err(error) = self.journal.write_all(&line) {
            // Half a line must not become the beginning of the next one.
            let _ = self.journal.set_len(self.journal_length);
            return Err(error);
        }
        self.journal_length += line.len() as u64;
        Ok(())
    }

    /// Writes what the agent takes now.
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
                            // It lies behind the pieces, and the system gets memory back from its end only.
                            self.waiting = VecDeque::new();
                        }
                    }
                }
                Err(error) if would_block(&error) => return,
                // The agent has closed its stdin. Whether that is bad, its output and its exit tell.
                Err(_closed) => self.close(),
            }
        }
        // Its own memory lies behind that of the pieces, and while it is there the allocator gives none of theirs back.
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

    fn order(at: u64, bytes: &[u8], close: bool) -> InputCommand {
        InputCommand { at, call: None, close, size: bytes.len() as u64 }
    }

    #[test]
    fn the_pipe_is_closed_after_the_last_byte_and_later_orders_are_only_noted() {
        let (mut agent, ours) = std::io::pipe().unwrap();
        let journal = tempfile::NamedTempFile::new().unwrap();
        let mut input = Stdin::new(ours.into(), journal.reopen().unwrap()).unwrap();
        input.accept(&order(3, b"hello ", false), vec![b"hel".to_vec(), b"lo ".to_vec()]).unwrap();
        input.accept(&order(4, b"world", true), vec![b"world".to_vec()]).unwrap();
        input.accept(&order(5, b"!", false), vec![b"!".to_vec()]).unwrap();
        let mut messages = String::new();
        agent.read_to_string(&mut messages).unwrap();
        assert_eq!(messages, "hello world");
        let journal = std::fs::read_to_string(journal.path()).unwrap();
        let places: Vec<u64> = journal.lines().map(|line| serde_json::from_str::<InputCommand>(line).unwrap().at).collect();
        assert_eq!(places, [3, 4, 5]);
    }

    #[test]
    fn bytes_without_a_note_are_not_said() {
        let (mut agent, ours) = std::io::pipe().unwrap();
        let full = File::options().append(true).open("/dev/full").unwrap();
        let mut input = Stdin::new(ours.into(), full).unwrap();
        input.accept(&order(0, b"hello", true), vec![b"hello".to_vec()]).unwrap_err();
        drop(input);
        let mut messages = String::new();
        agent.read_to_string(&mut messages).unwrap();
        assert_eq!(messages, "");
    }

    #[test]
    fn an_agent_that_is_too_far_behind_finds_its_stdin_closed() {
        let (_agent, ours) = std::io::pipe().unwrap();
        let mut input = Stdin::new(ours.into(), tempfile::tempfile().unwrap()).unwrap();
        let bytes = vec![b'x'; 1 << 25];
        input.accept(&order(0, &bytes, false), vec![bytes.clone()]).unwrap();
        assert!(input.pipe().is_some());
        input.accept(&order(0, &bytes, false), vec![bytes.clone()]).unwrap();
        input.accept(&order(0, &bytes, false), vec![bytes.clone()]).unwrap();
        assert!(input.pipe.is_none());
    }
}
