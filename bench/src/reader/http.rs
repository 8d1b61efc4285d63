//! The part of HTTP/1.1 that a stream needs: response headers, and a body that is chunked or ends with the connection.

use std::io;

use crate::mark::parse_number;

/// Maximum size of the response headers in bytes.
const MAX_HEADERS: usize = 16 * 1024;

/// An incremental parser of one response.
#[derive(Debug)]
pub(super) struct ResponseParser {
    state: State,
    status: u16,
}

#[derive(Debug)]
enum State {
    Headers(Vec<u8>),
    /// The size line of a chunk. `in_digits` is false after the first character that is not a hex digit.
    ChunkSize {
        size: usize,
        in_digits: bool,
    },
    Chunk {
        left: usize,
    },
    /// The CRLF after a chunk.
    ChunkEnd {
        left: usize,
    },
    /// A body that ends with the connection.
    Unchunked,
    Complete,
}

impl ResponseParser {
    pub(super) fn new() -> Self {
        Self { state: State::Headers(Vec::new()), status: 0 }
    }

    /// The status, once the headers are complete.
    pub(super) fn status(&self) -> Option<u16> {
        if matches!(self.state, State::Headers(_)) { None } else { Some(self.status) }
    }

    /// Whether the end of a chunked body was read.
    pub(super) fn is_complete(&self) -> bool {
        matches!(self.state, State::Complete)
    }

    /// Parses bytes of the response and passes those of the body to `handle_body`.
    ///
    /// # Errors
    /// If the response is not HTTP, or its headers are too long.
    pub(super) fn feed(&mut self, mut bytes: &[u8], mut handle_body: impl FnMut(&[u8])) -> io::Result<()> {
        while !bytes.is_empty() {
            match &mut self.state {
                State::Headers(headers) => {
                    // The end marker may have started in an earlier chunk.
                    let known = headers.len();
                    headers.extend_from_slice(bytes);
                    let from = known.saturating_sub(3);
                    let Some(end) = memchr::memmem::find(&headers[from..], b"\r\n\r\n").map(|at| from + at + 4) else {
                        if headers.len() > MAX_HEADERS {
                            return Err(io::Error::other("the response headers are too long"));
                        }
                        return Ok(());
                    };
                    bytes = &bytes[end - known..];
                    headers.truncate(end);
                    let (status, chunked) = parse_headers(headers)?;
                    self.status = status;
                    self.state = if chunked { State::ChunkSize { size: 0, in_digits: true } } else { State::Unchunked };
                }
                State::ChunkSize { size, in_digits } => {
                    let byte = bytes[0];
                    bytes = &bytes[1..];
                    match char::from(byte).to_digit(16) {
                        _ if byte == b'\n' => {
                            self.state = if *size == 0 { State::Complete } else { State::Chunk { left: *size } };
                        }
                        Some(digit) if *in_digits => *size = *size * 16 + digit as usize,
                        _ => *in_digits = false,
                    }
                }
                State::Chunk { left } => {
                    let length = bytes.len().min(*left);
                    handle_body(&bytes[..length]);
                    bytes = &bytes[length..];
                    *left -= length;
                    if *left == 0 {
                        self.state = State::ChunkEnd { left: 2 };
                    }
                }
                State::ChunkEnd { left } => {
                    let length = bytes.len().min(*left);
                    bytes = &bytes[length..];
                    *left -= length;
                    if *left == 0 {
                        self.state = State::ChunkSize { size: 0, in_digits: true };
                    }
                }
                State::Unchunked => {
                    handle_body(bytes);
                    return Ok(());
                }
                State::Complete => return Ok(()),
            }
        }
        Ok(())
    }
}

/// Returns the status, and whether the body is chunked.
fn parse_headers(headers: &[u8]) -> io::Result<(u16, bool)> {
    let status = headers.get(9..12).and_then(parse_number).and_then(|status| u16::try_from(status).ok());
    let status = status.filter(|_| headers.starts_with(b"HTTP/1.")).ok_or_else(|| io::Error::other("not an HTTP response"))?;
    let headers = headers.to_ascii_lowercase();
    Ok((status, memchr::memmem::find(&headers, b"\r\ntransfer-encoding: chunked").is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(response: &[u8], chunk_size: usize) -> (Option<u16>, Vec<u8>, bool) {
        let (mut parser, mut body) = (ResponseParser::new(), Vec::new());
        for bytes in response.chunks(chunk_size) {
            parser.feed(bytes, |bytes| body.extend_from_slice(bytes)).unwrap();
        }
        (parser.status(), body, parser.is_complete())
    }

    #[test]
    fn a_chunked_body_does_not_depend_on_how_the_response_is_split() {
        let response = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n10;x=1\r\n, this is a test\r\n0\r\n\r\n";
        for size in 1..response.len() {
            assert_eq!(parse(response, size), (Some(200), b"hello, this is a test".to_vec(), true), "in chunks of {size}");
        }
    }

    #[test]
    fn an_unchunked_body_continues_to_the_end() {
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\n\r\na\r\n\r\nb", 3), (Some(200), b"a\r\n\r\nb".to_vec(), false));
    }
}
