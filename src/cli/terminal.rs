//! The terminal that a command is typed in, if it is typed in one.

use std::io::{self, IsTerminal, Read};

use anyhow::Context;

use super::exit::Stop;

/// Width that is reckoned with where none is known, in columns.
const USUAL_WIDTH: u16 = 80;
/// Longest text that is read from a file or a pipe: what the server takes at most.
const LONGEST_TEXT: u64 = 2 * 1024 * 1024;

/// Whether a person sits before standard output.
pub(super) fn is_seen() -> bool {
    io::stdout().is_terminal()
}

/// Whether a person can be asked: one that sees what is written and types what is read.
pub(super) fn can_ask() -> bool {
    io::stdin().is_terminal() && is_seen()
}

/// Columns of the terminal as it is now.
pub(super) fn width() -> u16 {
    let size = rustix::termios::tcgetwinsize(io::stderr()).or_else(|_| rustix::termios::tcgetwinsize(io::stdout()));
    size.map_or(USUAL_WIDTH, |size| if size.ws_col == 0 { USUAL_WIDTH } else { size.ws_col })
}

/// Forgets what was typed and not read yet: it was not meant for what comes now.
pub(super) fn forget_typed() {
    // A terminal that cannot do that has lost nothing by it.
    let _ = rustix::termios::tcflush(io::stdin(), rustix::termios::QueueSelector::IFlush);
}

/// A text that is given as an argument, or, with `-` or where input is piped in, comes from there.
///
/// # Errors
/// If there is none, or it cannot be read.
pub(super) fn text_or_input(given: Option<&str>, what: &str) -> anyhow::Result<String> {
    match given {
        Some(text) if text != "-" => Ok(text.to_owned()),
        None if io::stdin().is_terminal() => Err(Stop::usage(format!("{what} is missing; type it as an argument, or pipe it in")).into()),
        _ => read_text(io::stdin(), "standard input"),
    }
}

/// A whole text, of at most 2 MiB.
///
/// # Errors
/// If it cannot be read, is too long or is no UTF-8.
pub(super) fn read_text(from: impl Read, name: &str) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    from.take(LONGEST_TEXT + 1).read_to_end(&mut bytes).with_context(|| format!("cannot read {name}"))?;
    if bytes.len() as u64 > LONGEST_TEXT {
        return Err(Stop::usage(format!("{name} is longer than the 2 MiB that a server takes")).into());
    }
    String::from_utf8(bytes).map_err(|_| Stop::usage(format!("{name} is not UTF-8 text")).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_no_server_would_take_is_refused_before_it_is_sent() {
        assert_eq!(read_text("hi\n".as_bytes(), "x").unwrap(), "hi\n");
        assert!(read_text(&b"\xff"[..], "x").unwrap_err().to_string().contains("UTF-8"));
        assert!(read_text(io::repeat(b'x'), "x").unwrap_err().to_string().contains("2 MiB"));
    }
}
