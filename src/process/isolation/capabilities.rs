//! Takes capabilities from root, as bubblewrap does at the other levels.

use std::io;

use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};

/// The capabilities that root keeps: [`CAPABILITIES`](super::surroundings::CAPABILITIES).
const KEPT: CapabilitySet = CapabilitySet::AUDIT_WRITE
    .union(CapabilitySet::CHOWN)
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::SETFCAP)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SYS_CHROOT);

/// Limits the capabilities of the program that this process, which must be root with one thread, will execute.
///
/// # Errors
/// If the kernel refuses.
pub(super) fn drop_most() -> io::Result<()> {
    for bit in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        if KEPT.contains(capability) {
            continue;
        }
        match remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            // The kernel has no more.
            Err(rustix::io::Errno::INVAL) => break,
            Err(error) => return Err(io::Error::other(format!("isolation: a capability cannot be given up: {error}"))),
        }
    }
    // Inherited capabilities survive the bounding set.
    let mut own = rustix::thread::capabilities(None)?;
    own.inheritable = CapabilitySet::empty();
    Ok(rustix::thread::set_capabilities(None, own)?)
}

#[cfg(test)]
mod tests {
    //! Rules: G1.

    use super::*;
    use crate::process::isolation::surroundings::CAPABILITIES;

    #[test]
    fn the_same_capabilities_are_kept_as_by_bubblewrap() {
        let kept: Vec<String> = KEPT.iter_names().map(|(name, _)| format!("CAP_{name}")).collect();
        let mut expected: Vec<&str> = CAPABILITIES.to_vec();
        expected.sort_unstable();
        let mut kept: Vec<&str> = kept.iter().map(String::as_str).collect();
        kept.sort_unstable();
        assert_eq!(kept, expected);
    }
}
