//! Isolation of agents from the server's own state and from other processes.
//!
//! An agent runs under the account of the server, which may read everything that the server may read. [`Guard`] starts it in namespaces of
//! its own, set up by bubblewrap: the hidden paths are covered, the processes outside can be neither seen nor signalled, and `/tmp` is its
//! own.
//!
//! ```text
//! shim ── bwrap, outside ── bwrap, init of the pid namespace ── agent ── its tools
//!           dies with the shim   dies with the one outside         die with the init
//! ```
//! bubblewrap is a prefix of the agent's command ([`CommandPrefix`]). The shim stays outside, with the pipes, the deadline and the kill.

mod guard;
mod hidden;
mod mounts;
mod prefix;
mod surroundings;

pub use guard::{Guard, Shared, View};
pub use hidden::Hidden;
pub use prefix::CommandPrefix;
pub(super) use prefix::{ENTER_SUBCOMMAND, enter};
