//! What the levels that bubblewrap sets up have in common.

use std::io;
use std::path::{Path, PathBuf};

use super::surroundings::{CAPABILITIES, kernel_files};

/// The directory of which each agent has its own.
pub(super) const TEMP: &str = "/tmp";

/// bubblewrap on this machine, and how it has to be called.
#[derive(Clone, Debug)]
pub(in crate::process) struct Bubblewrap {
    /// Absolute path of the program.
    program: PathBuf,
    /// Whether it sets up a user namespace although this account is root, because root may not mount here.
    user_namespace: bool,
    /// Whether agents run as root.
    is_root: bool,
}

impl Bubblewrap {
    /// bubblewrap at `program`, for agents that run as root or not.
    pub(in crate::process) fn new(program: PathBuf, is_root: bool) -> Self {
        Self { program, user_namespace: false, is_root }
    }

    /// With a user namespace, in which root may mount.
    pub(in crate::process) fn with_user_namespace(self) -> Self {
        Self { user_namespace: true, ..self }
    }

    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    /// Mounts `/proc` for the namespaces of the agent, without what root could change in it.
    pub(super) fn mount_proc(&self, args: &mut Vec<String>) {
        args.extend(["--proc", "/proc"].map(str::to_owned));
        args.extend(kernel_files(self.is_root).flat_map(|path| ["--ro-bind", path, path].map(str::to_owned)));
    }

    /// Confines what the agent may do, and enters its working directory.
    ///
    /// # Errors
    /// If the path of the working directory is not valid UTF-8.
    pub(super) fn confine(&self, args: &mut Vec<String>, working_dir: &Path) -> io::Result<()> {
        args.extend(["--unshare-pid", "--die-with-parent"].map(str::to_owned));
        if rustix::process::getuid().is_root() {
            args.extend(["--cap-drop", "ALL"].map(str::to_owned));
            args.extend(CAPABILITIES.iter().flat_map(|name| ["--cap-add".to_owned(), (*name).to_owned()]));
            if self.user_namespace {
                args.push("--unshare-user".to_owned());
            }
        }
        let working_dir = working_dir.to_str().ok_or_else(|| io::Error::other("the working directory is not valid UTF-8"))?;
        args.extend(["--chdir".to_owned(), working_dir.to_owned()]);
        Ok(())
    }
}
