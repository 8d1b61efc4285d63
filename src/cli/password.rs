//! Reads passwords: without echo at a terminal, one line from a pipe. Never from an argument, which other users can see.

use std::io::{IsTerminal, Read};

use anyhow::Context;

use super::error::CliError;
use crate::config::Secret;

/// Maximum number of bytes that are read from a pipe: more than any valid password.
const MAX_LINE: u64 = 8192;

/// Reads the current password of `user`.
///
/// # Errors
/// If there is none, or it cannot be read.
pub(super) fn current(user: &str, place: &str) -> anyhow::Result<Secret> {
    read(&format!("Password for {user}{place}: "))
}

/// Reads a new password for `user`; at a terminal it is asked for twice.
///
/// # Errors
/// If there is none, it cannot be read, or the two entries differ.
pub(super) fn new(user: &str) -> anyhow::Result<Secret> {
    let password = read(&format!("New password for {user}: "))?;
    if std::io::stdin().is_terminal() && read("Repeat the password: ")?.expose() != password.expose() {
        return Err(CliError::usage("the two passwords differ; nothing was changed").into());
    }
    Ok(password)
}

fn read(prompt: &str) -> anyhow::Result<Secret> {
    let stdin = std::io::stdin();
    let password = if stdin.is_terminal() {
        rpassword::prompt_password(prompt).context("cannot read the password")?
    } else {
        first_line(stdin.lock())?
    };
    if password.is_empty() {
        return Err(CliError::usage("the password is missing")
            .hint("type it at the prompt, or pipe it to standard input as one line")
            .into());
    }
    Ok(Secret::new(password))
}

/// Reads the first line byte by byte, so that the next one remains for the next password.
fn first_line(mut input: impl Read) -> anyhow::Result<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    while (line.len() as u64) < MAX_LINE
        && input.read(&mut byte).context("cannot read the password from standard input")? > 0
        && byte != *b"\n"
    {
        line.extend(byte);
    }
    let line = String::from_utf8(line).map_err(|_| CliError::usage("the password on standard input is not UTF-8"))?;
    Ok(line.strip_suffix('\r').map(str::to_owned).unwrap_or(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piped_password_is_one_line_without_its_line_break() {
        for input in ["correct horse", "correct horse\n", "correct horse\r\n", "correct horse\nmore\n"] {
            assert_eq!(first_line(input.as_bytes()).unwrap(), "correct horse", "{input:?}");
        }
        for empty in ["", "\n", "\nsecond line"] {
            assert_eq!(first_line(empty.as_bytes()).unwrap(), "", "{empty:?}");
        }
        assert!(first_line(&b"\xff\xfe"[..]).is_err());
    }

    #[test]
    fn two_passwords_can_be_piped_one_after_the_other() {
        let mut input = &b"old one\nnew one\n"[..];
        assert_eq!((first_line(&mut input).unwrap(), first_line(&mut input).unwrap()), ("old one".to_owned(), "new one".to_owned()));
    }
}
