//! What other processes can learn of this one.

use std::io;

/// Closes this process's memory and its `/proc` files to everybody but the administrator.
///
/// An agent runs under the same account, and by the system's usual rule may read the environment and the memory of the account's other
/// processes, so also the key that signs tokens (S8 of the threat model). What this process starts is not closed: the setting ends
/// where a process becomes another program. It also means that a crash leaves no core file. Only Linux has it; elsewhere this does
/// nothing.
///
/// # Errors
/// If the system refuses.
pub fn close_to_others() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}
