//! A child process, whoever it is: started in a session of its own, read without ever blocking it, and stopped with all that it
//! started.
//!
//! An agent's process belongs to its [`shim`], a small process that outlives the server. Everything above speaks to that.

mod bounds;
mod cgroup;
mod descriptors;
mod exit;
mod family;
mod identity;
mod ladder;
pub mod launch;
mod lines;
pub mod shim;
pub mod short;
mod shortage;
mod spawn;
mod tail;
mod tree;
mod workdir;

pub use bounds::{Bounds, Cage, Confinement};
pub use cgroup::{BadGroup, Groups};
pub use descriptors::Descriptors;
pub use exit::Exit;
pub use family::Marker;
pub use identity::Identity;
pub use ladder::Remains;
pub use lines::{LINE_CAP, Line, LineSplitter};
pub use shortage::is_shortage;
pub use spawn::Spawner;
pub use tail::Tail;
pub use tree::Tree;
pub use workdir::WorkingDir;
