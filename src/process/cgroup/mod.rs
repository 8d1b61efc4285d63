//! Control groups (cgroups v2): the kernel's own account of who belongs to a run, what it may use, and a way to kill all of it at once.
//!
//! ```text
//! folder that was handed to us ─┬─ server      the server and the shims, if they had to move out of the folder itself
//!                               ├─ run_…       the agent of one run with all that it starts; made and removed by its shim
//!                               └─ run_…
//! ```
//! No process leaves its group unless it may write there, whatever it forks, and a shim stays outside of its run's group: so what is
//! in the group is the run, and when the group is empty the run is gone.
//!
//! The files are those of the kernel's document `admin-guide/cgroup-v2`.

mod find;
mod group;

pub use find::{CgroupError, Groups};
pub(super) use group::Group;
