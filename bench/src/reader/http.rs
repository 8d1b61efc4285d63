//! The little of HTTP/1.1 that a stream needs: the head of an answer, and a body in chunks or until the end.

use std::io;

use crate::mark::number;

/// Longest head that is taken.
const HEAD: usize = 16 * 1024;

/// Takes an answer to pieces as it comes.
#[derive(Debug)]
pub(super) struct Answer {
    state: State,
    status: u16,
}

#[derive(Debug)]
enum State {
    Head(Vec<u8>),
    /// The line that says how long the next chunk is, as far as it is known; `digits` ends at anything that is no digit.
    Size {
        size: usize,
        digits: bool,
    },
    Chunk {
        left: usize,
    },
    /// The two bytes after a chunk.
    AfterChunk {
        left: usize,
    },
    Plain,
    End,
}

impl Answer {
    pub(super) fn new() -> Self {
        Self { state: State::Head(Vec::new()), status: 0 }
    }

    /// The answer's status, once its head has come.
    pub(super) fn status(&self) -> Option<u16> {
        if matches!(self.state, State::Head(_)) { None } else { Some(self.status) }
    }

    /// Whether the body has come to its own end.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, State::End)
    }

    /// Takes bytes from the wire and gives those of the body.
    ///
    /// # Errors
    /// If this is no HTTP.
    pub(super) fn take(&mut self, mut bytes: &[u8], mut body: impl FnMut(&[u8])) -> io::Result<()> {
        while !bytes.is_empty() {
            match &mut self.state {
                State::Head(head) => {
                    // The end may have begun in what came before.
                    let known = head.len();
                    head.extend_from_slice(bytes);
                    let from = known.saturating_sub(3);
                    let Some(end) = memchr::memmem::find(&head[from..], b"\r\n\r\n").map(|at| from + at + 4) else {
                        if head.len() > HEAD {
                            return Err(io::Error::other("the head of an answer is too long"));
                        }
                        return Ok(());
                    };
                    bytes = &bytes[end - known..];
                    head.truncate(end);
                    let (status, chunked) = understand(head)?;
                    self.status = status;
                    self.state = if chunked { State::Size { size: 0, digits: true } } else { State::Plain };
                }
                State::Size { size, digits } => {
                    let byte = bytes[0];
                    bytes = &bytes[1..];
                    match char::from(byte).to_digit(16) {
                        _ if byte == b'\n' => {
                            self.state = if *size == 0 { State::End } else { State::Chunk { left: *size } };
                        }
                        Some(digit) if *digits => *size = *size * 16 + digit as usize,
                        _ => *digits = false,
                    }
                }
                State::Chunk { left } => {
                    let now = bytes.len().min(*left);
                    body(&bytes[..now]);
                    bytes = &bytes[now..];
                    *left -= now;
                    if *left == 0 {
                        self.state = State::AfterChunk { left: 2 };
                    }
                }
                State::AfterChunk { left } => {
                    let now = bytes.len().min(*left);
                    bytes = &bytes[now..];
                    *left -= now;
                    if *left == 0 {
                        self.state = State::Size { size: 0, digits: true };
                    }
                }
                State::Plain => {
                    body(bytes);
                    return Ok(());
                }
                State::End => return Ok(()),
            }
        }
        Ok(())
    }
}

/// Status, and whether the body comes in chunks.
fn understand(head: &[u8]) -> io::Result<(u16, bool)> {
    let status = head.get(9..12).and_then(number).and_then(|status| u16::try_from(status).ok());
    let status = status.filter(|_| head.starts_with(b"HTTP/1.")).ok_or_else(|| io::Error::other("this is no HTTP"))?;
    let head = head.to_ascii_lowercase();
    Ok((status, memchr::memmem::find(&head, b"\r\ntransfer-encoding: chunked").is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(wire: &[u8], piece: usize) -> (Option<u16>, Vec<u8>, bool) {
        let (mut answer, mut body) = (Answer::new(), Vec::new());
        for bytes in wire.chunks(piece) {
            answer.take(bytes, |bytes| body.extend_from_slice(bytes)).unwrap();
        }
        (answer.status(), body, answer.is_over())
    }

    #[test]
    fn a_chunked_body_is_the_same_however_it_comes_in_pieces() {
        let wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n10;x=1\r\n, this is a test\r\n0\r\n\r\n";
        for piece in 1..wire.len() {
            assert_eq!(read(wire, piece), (Some(200), b"hello, this is a test".to_vec(), true), "in pieces of {piece}");
        }
    }

    #[test]
    fn a_body_without_chunks_goes_on_to_the_end() {
        assert_eq!(read(b"HTTP/1.1 200 OK\r\n\r\na\r\n\r\nb", 3), (Some(200), b"a\r\n\r\nb".to_vec(), false));
    }
}
