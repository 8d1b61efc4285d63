//! Child processes as agents leave them behind: tools, servers and daemons.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

use crate::LIFETIME;

/// The argument that makes this program a child process. The traits after it can be combined:
///
/// - `ignore-term` ignores SIGTERM,
/// - `session` runs in its own session,
/// - `orphan` is reparented to init or the subreaper,
/// - `clear-env` has an empty environment,
/// - `hold-stdout` keeps the agent's standard output open.
pub(crate) const FLAG: &str = "--child";

/// Starts a child process and returns its process id once all traits are in effect.
///
/// # Errors
/// If it cannot be started or does not report its process id.
pub(crate) fn start(traits: &[String]) -> io::Result<u32> {
    let has = |name: &str| traits.iter().any(|word| word == name);
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(FLAG).args(traits).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    if has("clear-env") {
        command.env_clear();
    }
    if has("hold-stdout") {
        command.stderr(io::stdout());
    }
    let mut child = command.spawn()?;
    let mut report = String::new();
    BufReader::new(child.stdout.take().ok_or_else(|| io::Error::other("no pipe"))?).read_line(&mut report)?;
    if has("orphan") {
        child.wait()?;
    }
    report.trim().parse().map_err(io::Error::other)
}

/// Runs as a child process: applies one trait after the other, then reports its process id and sleeps.
///
/// # Errors
/// If a system call fails.
pub(crate) fn run(traits: &[&str]) -> io::Result<ExitCode> {
    let without = |name: &str| traits.iter().copied().filter(|other| *other != name).collect::<Vec<_>>();
    if traits.contains(&"ignore-term") {
        let rest = [&[FLAG], without("ignore-term").as_slice()].concat();
        return Err(exec_after("trap '' TERM", &rest)?);
    }
    if traits.contains(&"session") {
        rustix::process::setsid()?;
        return run(&without("session"));
    }
    if traits.contains(&"orphan") {
        Command::new(std::env::current_exe()?).arg(FLAG).args(without("orphan")).spawn()?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(io::stdout(), "{}", std::process::id())?;
    std::thread::sleep(LIFETIME);
    Ok(ExitCode::SUCCESS)
}

/// Executes a shell command that would otherwise require unsafe code, and then this program again. Returns only if that fails.
///
/// # Errors
/// If the path of this program is unknown.
pub(crate) fn exec_after(shell_command: &str, args: &[&str]) -> io::Result<io::Error> {
    let script = format!("{shell_command}; exec \"$0\" \"$@\"");
    Ok(Command::new("/bin/sh").arg("-c").arg(script).arg(std::env::current_exe()?).args(args).exec())
}
