//! Isolation of agents from the server's own state, from other processes and, at the highest level, from the rest of the machine.
//!
//! An agent runs under the account of the server, which may read everything that the server may read. [`Files`] has the kernel refuse to
//! open the server's files. [`Guard`] starts the agent in namespaces of its own, set up by bubblewrap: the hidden paths are covered, the
//! processes outside can be neither seen nor signalled, and `/tmp` is its own. [`Sandbox`] builds up what the agent sees from nothing.
//!
//! ```text
//! shim ── bwrap, outside ── bwrap, init of the pid namespace ── agent ── its tools
//!           dies with the shim   dies with the one outside         die with the init
//! ```
//! bubblewrap is a prefix of the agent's command ([`CommandPrefix`]). The shim stays outside, with the pipes, the deadline and the kill.

mod borrowed;
mod bubblewrap;
#[cfg(target_os = "linux")]
mod capabilities;
mod egress;
mod files;
mod forward;
mod guard;
mod hidden;
mod mounts;
mod prefix;
mod sandbox;
mod surroundings;
mod toolchains;

pub use borrowed::Borrowed;
pub(super) use bubblewrap::Bubblewrap;
pub use egress::{EGRESS_DIR_INSIDE, EGRESS_SOCKET, Egress, OWN_PROGRAM_INSIDE, PROXY_PORT, proxy_variables};
pub use files::{FileRules, Files};
pub(super) use forward::{FORWARD_SUBCOMMAND, forward_step};
pub use guard::{Guard, Shared, View};
pub use hidden::Hidden;
pub use mounts::MountPoint;
pub use prefix::CommandPrefix;
pub(super) use prefix::{ENTER_SUBCOMMAND, enter};
pub use sandbox::{Sandbox, SandboxView};
