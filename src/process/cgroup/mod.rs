//! Control groups (cgroups v2): the kernel tracks the processes of a run, limits them, and can kill all of them atomically.
//!
//! ```text
//! delegated group ─┬─ server      the server and the shims, if they had to leave the group itself
//!                  ├─ run_…       the agent of one run and its descendants; created and removed by its shim
//!                  └─ run_…
//! ```
//! A process cannot leave its group without write access to another one, and a shim stays outside the group of its run. So the members of
//! the group are the run, and when the group is empty, the run has ended.
//!
//! The files are described in the kernel's `admin-guide/cgroup-v2`.

mod find;
mod group;

pub use find::{CgroupError, Groups};
pub(super) use group::Group;
