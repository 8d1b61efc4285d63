//! A reader that ends when a line is too long.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

/// Maximum length of a line, in bytes. A message that carries attachments is the largest one.
const MAX_LINE: usize = 16 * 1024 * 1024;

/// Input whose lines are at most 16 MiB long; a longer one is an error. The MCP library collects a line until its end, however long it is.
#[derive(Debug)]
pub struct BoundedInput<R> {
    input: R,
    max: usize,
    line: usize,
}

impl<R> BoundedInput<R> {
    /// Bounds the lines of `input`.
    pub const fn new(input: R) -> Self {
        Self { input, max: MAX_LINE, line: 0 }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for BoundedInput<R> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.input).poll_read(context, buffer))?;
        let new = &buffer.filled()[before..];
        let mut parts = new.split(|byte| *byte == b'\n').map(<[u8]>::len);
        let mut line = self.line + parts.next().unwrap_or(0);
        for part in parts {
            if line > self.max {
                break;
            }
            line = part;
        }
        self.line = line;
        if line > self.max {
            buffer.set_filled(before);
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, format!("a line is longer than {} bytes", self.max))));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    async fn read(text: &[u8]) -> io::Result<Vec<u8>> {
        let mut read = Vec::new();
        BoundedInput { input: text, max: 4, line: 0 }.read_to_end(&mut read).await.map(|_length| read)
    }

    #[tokio::test]
    async fn lines_up_to_the_limit_pass_and_a_longer_one_is_an_error() {
        for text in ["", "\n", "abcd", "abcd\n", "abcd\nabcd\n\n\nab"] {
            assert_eq!(read(text.as_bytes()).await.unwrap(), text.as_bytes());
        }
        for text in ["abcde", "abcde\n", "a\nabcde\na", "a\n\nabcde"] {
            assert_eq!(read(text.as_bytes()).await.unwrap_err().kind(), io::ErrorKind::InvalidData, "{text:?}");
        }
    }

    #[tokio::test]
    async fn a_line_that_arrives_in_pieces_is_counted_as_one() {
        let pieces = in_pieces(&[b"ab", b"cd", b"e"]);
        let mut read = Vec::new();
        let error = BoundedInput { input: pieces, max: 4, line: 0 }.read_to_end(&mut read).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    fn in_pieces(pieces: &[&'static [u8]]) -> impl AsyncRead + Unpin + use<> {
        let first: &[u8] = pieces[0];
        let (second, third): (&[u8], &[u8]) = (pieces[1], pieces[2]);
        first.chain(second).chain(third)
    }
}
