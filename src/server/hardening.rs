//! Hardening of the server process.

use std::io;

/// Prevents other processes of the same account from inspecting this one: makes the process non-dumpable, so its memory and most of
/// `/proc/<pid>` are accessible to root only.
///
/// Agents run under the same account and could otherwise read the environment and memory of the server, including the key that signs
/// tokens (rule S8). Child processes are not affected: the attribute is reset on `execve`. Crashes leave no core file. Linux only; a
/// no-op elsewhere.
///
/// # Errors
/// If the system call fails.
pub fn deny_inspection() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}
