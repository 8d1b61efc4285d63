//! Child processes: started in a session of their own, read without blocking them, and killed together with everything they started.
//!
//! An agent process belongs to its [`shim`], a small process that outlives the server. The layers above communicate with the shim.

mod account;
pub mod allocator;
mod cgroup;
mod containment;
mod descriptors;
mod exit;
mod exit_watch;
mod identity;
pub mod isolation;
pub mod isolation_probe;
mod kill_sequence;
pub mod launch;
mod leftovers;
mod limits;
mod lines;
mod marker;
pub mod piped_command;
pub mod probe_command;
pub mod probe_dialog;
mod process_dir;
mod process_set;
mod process_table;
mod resource_errors;
mod scratch;
pub mod shim;
mod spawn;
mod tail;
#[cfg(test)]
pub(crate) mod testing;
mod workdir;

pub use account::{Account, AccountError};
pub use cgroup::{CgroupError, Groups};
pub use containment::{Containment, LimitsPolicy};
pub use descriptors::Descriptors;
pub use exit::Exit;
pub use identity::Identity;
pub use isolation::{Borrowed, CommandPrefix};
pub use kill_sequence::Survivors;
pub use leftovers::Leftovers;
pub use limits::ProcessLimits;
pub use lines::{LINE_CAP, Line, LineSplitter};
pub use marker::Marker;
pub use process_dir::remove_tree;
pub use resource_errors::is_resource_exhausted;
pub use scratch::Scratch;
pub use spawn::Spawner;
pub use tail::Tail;
pub use workdir::WorkingDir;
