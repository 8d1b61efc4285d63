//! A child process, whoever it is: started in a session of its own, read without ever blocking it, and stopped with all that it
//! started.
//!
//! An agent's process belongs to its [`shim`], a small process that outlives the server. Everything above speaks to that.

mod cgroup;
mod descriptors;
mod exit;
mod identity;
mod kill_sequence;
pub mod launch;
mod limits;
mod lines;
pub mod probe_command;
mod process_set;
mod resource_errors;
pub mod shim;
mod spawn;
mod tail;
mod tree;
mod workdir;

pub use cgroup::{BadGroup, Groups};
pub use descriptors::Descriptors;
pub use exit::Exit;
pub use identity::Identity;
pub use kill_sequence::Survivors;
pub use limits::{Containment, LimitsPolicy, ProcessLimits};
pub use lines::{LINE_CAP, Line, LineSplitter};
pub use process_set::Marker;
pub use resource_errors::is_resource_exhausted;
pub use spawn::Spawner;
pub use tail::Tail;
pub use tree::ProcessTree;
pub use workdir::WorkingDir;
