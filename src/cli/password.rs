//! Asks for a new password: without echo at a terminal, and one line from a pipe.

use std::io::{IsTerminal, Read};

use anyhow::{Context, bail};

/// Most bytes of a line that is read: more than any password that would be taken.
const MAX_LINE: u64 = 8192;

/// A new password for `name`: asked for twice at a terminal, else the first line of standard input.
pub(super) fn ask(name: &str) -> anyhow::Result<String> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return first_line(stdin.lock());
    }
    let password = rpassword::prompt_password(format!("New password for {name}: ")).context("cannot ask for a password")?;
    if rpassword::prompt_password("The same again: ").context("cannot ask for a password")? != password {
        bail!("that was not the same password twice; nothing was changed");
    }
    Ok(password)
}

fn first_line(input: impl Read) -> anyhow::Result<String> {
    let mut text = String::new();
    input.take(MAX_LINE).read_to_string(&mut text).context("cannot read a password from standard input")?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.to_owned()),
        _ => bail!("no password came by standard input; send it as one line"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piped_password_is_the_first_line_without_its_end() {
        for input in ["correct horse", "correct horse\n", "correct horse\r\n", "correct horse\nmore\n"] {
            assert_eq!(first_line(input.as_bytes()).unwrap(), "correct horse", "{input:?}");
        }
        for nothing in ["", "\n", "\nsecond line"] {
            assert!(first_line(nothing.as_bytes()).is_err(), "{nothing:?}");
        }
        assert!(first_line(&b"\xff\xfe"[..]).is_err());
    }
}
