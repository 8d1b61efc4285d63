//! Further processes of a run: tools, servers and daemons, as agents leave them behind.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

use crate::LIFETIME;

/// The argument by which this program becomes such a process. The words after it say of which sort:
///
/// - `stubborn` ignores TERM,
/// - `session` has a session of its own,
/// - `orphan` has no living parent but init,
/// - `cleared` has nothing in its environment,
/// - `holding` holds the agent's standard output open.
pub(crate) const FLAG: &str = "--child";

/// Starts one and gives its id when it is what the words say.
///
/// # Errors
/// If it cannot be started or does not report.
pub(crate) fn start(words: &[String]) -> io::Result<u32> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(FLAG).args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    if words.iter().any(|word| word == "cleared") {
        command.env_clear();
    }
    if words.iter().any(|word| word == "holding") {
        command.stderr(io::stdout());
    }
    let mut child = command.spawn()?;
    let mut report = String::new();
    BufReader::new(child.stdout.take().ok_or_else(|| io::Error::other("no pipe"))?).read_line(&mut report)?;
    if words.iter().any(|word| word == "orphan") {
        child.wait()?;
    }
    report.trim().parse().map_err(io::Error::other)
}

/// Is such a process: peels off one word after the other, then reports its id and lives on.
///
/// # Errors
/// If the system does not let it.
pub(crate) fn be(words: &[&str]) -> io::Result<ExitCode> {
    let without = |word: &str| words.iter().copied().filter(|other| *other != word).collect::<Vec<_>>();
    if words.contains(&"stubborn") {
        let rest = [&[FLAG], without("stubborn").as_slice()].concat();
        return Err(exec_after("trap '' TERM", &rest)?);
    }
    if words.contains(&"session") {
        rustix::process::setsid()?;
        return be(&without("session"));
    }
    if words.contains(&"orphan") {
        Command::new(std::env::current_exe()?).arg(FLAG).args(without("orphan")).spawn()?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(io::stdout(), "{}", std::process::id())?;
    std::thread::sleep(LIFETIME);
    Ok(ExitCode::SUCCESS)
}

/// Becomes this program again, after the shell has done something that only a shell can do without unsafe code. Gives back only an
/// error.
///
/// # Errors
/// If this program cannot find itself.
pub(crate) fn exec_after(shell: &str, args: &[&str]) -> io::Result<io::Error> {
    let script = format!("{shell}; exec \"$0\" \"$@\"");
    Ok(Command::new("/bin/sh").arg("-c").arg(script).arg(std::env::current_exe()?).args(args).exec())
}
