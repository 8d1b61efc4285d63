//! The terminal a command runs in, if any.

use std::io::{self, IsTerminal, Read};

use anyhow::Context;

use super::error::CliError;

/// Width assumed where it is unknown, in columns.
const DEFAULT_WIDTH: u16 = 80;
/// Maximum size of a text read from a file or pipe, in bytes: the limit of the server.
const MAX_TEXT: u64 = 2 * 1024 * 1024;

/// Whether standard output is a terminal.
pub(super) fn is_stdout() -> bool {
    io::stdout().is_terminal()
}

/// Whether a person can be prompted: both standard input and output are terminals.
pub(super) fn is_interactive() -> bool {
    io::stdin().is_terminal() && is_stdout()
}

/// The current width of the terminal, in columns.
pub(super) fn width() -> u16 {
    let size = rustix::termios::tcgetwinsize(io::stderr()).or_else(|_| rustix::termios::tcgetwinsize(io::stdout()));
    size.map_or(DEFAULT_WIDTH, |size| if size.ws_col == 0 { DEFAULT_WIDTH } else { size.ws_col })
}

/// Discards typed input that has not been read: it was typed before the prompt was shown.
pub(super) fn discard_input() {
    // Best effort: without a terminal there is no input to discard.
    let _ = rustix::termios::tcflush(io::stdin(), rustix::termios::QueueSelector::IFlush);
}

/// The text of an argument; with `-`, or without an argument if standard input is a pipe, the text on standard input.
///
/// # Errors
/// If there is no text, or it cannot be read.
pub(super) fn argument_or_stdin(argument: Option<&str>, name: &str) -> anyhow::Result<String> {
    match argument {
        Some(text) if text != "-" => Ok(text.to_owned()),
        None if io::stdin().is_terminal() => Err(CliError::usage(format!("{name} is missing"))
            .hint(format!("pass {name} as an argument, or pipe it to standard input"))
            .into()),
        _ => read_text(io::stdin(), "standard input"),
    }
}

/// Reads a text of at most 2 MiB.
///
/// # Errors
/// If it cannot be read, is longer, or is not UTF-8.
pub(super) fn read_text(reader: impl Read, name: &str) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    reader.take(MAX_TEXT + 1).read_to_end(&mut bytes).with_context(|| format!("cannot read {name}"))?;
    if bytes.len() as u64 > MAX_TEXT {
        return Err(CliError::usage(format!("{name} is longer than 2 MiB, the limit of the server")).into());
    }
    String::from_utf8(bytes).map_err(|_| CliError::usage(format!("{name} is not UTF-8 text")).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_beyond_the_servers_limit_is_refused_before_it_is_sent() {
        assert_eq!(read_text("hi\n".as_bytes(), "x").unwrap(), "hi\n");
        assert!(read_text(&b"\xff"[..], "x").unwrap_err().to_string().contains("UTF-8"));
        assert!(read_text(io::repeat(b'x'), "x").unwrap_err().to_string().contains("2 MiB"));
    }
}
