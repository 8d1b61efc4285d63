//! The level `sandbox`: the system and the toolchains to read, a workspace, a private home directory and `/tmp` to write, and no network
//! except for the way out that the server gives.

use std::io;
use std::path::{Path, PathBuf};

use super::bubblewrap::{Bubblewrap, TEMP};
use super::egress::{EGRESS_DIR_INSIDE, EGRESS_SOCKET, Egress, OWN_PROGRAM_INSIDE, PROXY_PORT};
use super::forward::Forward;
use super::guard::{Shared, View, cover_all, resolved};
use super::hidden::Hidden;
use super::mounts::{Mount, MountPoint, Mounts};
use super::prefix::CommandPrefix;
use super::surroundings::ssh_config_dir;
use super::toolchains::{SYSTEM_DIRS, private_below, toolchains};

/// Other directories for temporary files. Inside, they are the same as `/tmp`.
const OTHER_TEMP: &str = "/var/tmp";

/// Where files that not every account may read are covered, and how many levels down. Below `/opt` and `/usr/local`, settings are next to
/// programs, and there may be many files.
const WITH_SECRETS: [(&str, usize); 3] = [("/etc", usize::MAX), ("/opt", 2), ("/usr/local", 2)];

/// The home directory inside, where the account has none of its own.
const HOME: &str = "/home/agent";

/// Starts agents in a sandbox set up by bubblewrap. It has been tried on this machine (see
/// [`isolation_probe`](crate::process::isolation_probe)).
#[derive(Clone, Debug)]
pub struct Sandbox {
    bubblewrap: Bubblewrap,
    hidden: Hidden,
    shared: Shared,
    /// The directories that are searched for programs.
    search: Vec<PathBuf>,
}

/// What one agent gets in its sandbox.
#[derive(Clone, Copy, Debug)]
pub struct SandboxView<'a> {
    /// What an agent gets at every level. The home directory is the path, inside, of the private one.
    pub view: View<'a>,
    /// The directory that the agent sees as its home directory.
    pub private_home: &'a Path,
    /// The way to the network; `None` for no network at all.
    pub egress: Option<&'a Egress>,
}

impl Sandbox {
    pub(in crate::process) fn new(bubblewrap: Bubblewrap, hidden: Hidden, shared: Shared, search: Vec<PathBuf>) -> Self {
        Self { bubblewrap, hidden, shared, search }
    }

    /// The home directory inside of an account with this one: another path if it is a directory of the system.
    pub fn home(home: &Path) -> &Path {
        let is_system = SYSTEM_DIRS.iter().chain(&["/dev", "/proc", "/run", "/sys", "/var"]).any(|dir| home.starts_with(dir));
        if home.parent().is_none() || home == Path::new(TEMP) || (is_system && !home.starts_with("/var/lib")) {
            Path::new(HOME)
        } else {
            home
        }
    }

    /// Why no agent can work in this directory with a private home directory at `home`. `None` if it can.
    pub fn unsuitable_working_dir(working_dir: &Path, home: &Path) -> Option<String> {
        let home = resolved(home).unwrap_or_else(|| home.to_owned());
        home.starts_with(working_dir).then(|| {
            let dir = working_dir.display();
            format!("the working directory {dir} is, or contains, the home directory, which a sandbox replaces; use a directory below it")
        })
    }

    /// The prefix of an agent's command, and the mount points that must exist in its private home directory before it is used. They are not
    /// left to bubblewrap, which would follow links that an earlier run of the session has put there.
    ///
    /// # Errors
    /// If the server's data directory was moved, the working directory contains the home directory, or a path is not valid UTF-8.
    pub fn prefix(&self, sandbox: SandboxView<'_>) -> io::Result<(CommandPrefix, Vec<MountPoint>)> {
        let SandboxView { view, private_home, egress } = sandbox;
        if let Some(problem) = Self::unsuitable_working_dir(view.working_dir, view.home) {
            return Err(io::Error::other(problem));
        }
        let absent = self.hidden.resolve(view.needed(&self.shared))?;
        let home = resolved(view.home).unwrap_or_else(|| view.home.to_owned());
        let mut args = Vec::new();
        let mut mounts = Mounts::bare();
        for dir in SYSTEM_DIRS.iter().map(Path::new) {
            match dir.read_link() {
                // Where the link leads to is shown below `/usr`, or not at all.
                Ok(target) if dir.parent() == Some(Path::new("/")) => {
                    args.extend(["--symlink".to_owned(), text(&target)?, text(dir)?]);
                }
                _ if dir.exists() => mounts.keep(dir, false),
                _ => {}
            }
        }
        cover_all(&mut mounts, absent.iter().map(|(path, _id)| path.as_path()));
        for path in WITH_SECRETS.iter().flat_map(|(dir, depth)| private_below(Path::new(dir), *depth)) {
            mounts.cover(&path, if path.is_dir() { Mount::Nothing } else { Mount::NoFile });
        }
        if let Some(dir) = ssh_config_dir() {
            mounts.cover(dir, Mount::Nothing);
        }
        for temp in [TEMP, OTHER_TEMP] {
            mounts.cover(Path::new(temp), Mount::Instead(view.temp_dir.to_owned()));
        }
        mounts.cover(&home, Mount::Instead(private_home.to_owned()));
        let hidden: Vec<&Path> = absent.iter().map(|(path, _)| path.as_path()).collect();
        let shown = toolchains(&self.search, &home, view.program).into_iter();
        let shown = shown.chain(view.files.iter().chain(&self.shared.kept).filter_map(|path| resolved(path)));
        for path in shown.filter(|path| !hidden.contains(&path.as_path()) && path != Path::new(TEMP) && *path != home) {
            mounts.keep(&path, false);
        }
        for borrowed in view.borrowed {
            mounts.keep(borrowed.path(), false);
        }
        for path in self.shared.protected.iter().filter_map(|path| resolved(path)) {
            mounts.protect(&path);
        }
        mounts.keep(view.working_dir, true);
        if let Some(egress) = egress {
            mounts.cover(Path::new(EGRESS_DIR_INSIDE), Mount::Shown(egress.dir.clone()));
            // An upgrade may have removed it.
            if let Some(program) = std::env::current_exe().ok().filter(|program| program.exists()) {
                mounts.cover(Path::new(OWN_PROGRAM_INSIDE), Mount::Shown(program));
            }
        }

        self.bubblewrap.mount_proc(&mut args);
        args.extend(["--dev", "/dev"].map(str::to_owned));
        args.extend(mounts.args()?);
        args.extend(["--unshare-ipc", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"].map(str::to_owned));
        self.bubblewrap.confine(&mut args, view.working_dir)?;
        let forward = egress.map(|_| Forward { port: PROXY_PORT, socket: Path::new(EGRESS_DIR_INSIDE).join(EGRESS_SOCKET) });
        let prefix = CommandPrefix {
            program: self.bubblewrap.program().to_owned(),
            args,
            absent,
            borrowed: view.borrowed.to_vec(),
            own_network: true,
            forward,
        };
        Ok((prefix, mounts.mount_points_in(&home)))
    }
}

fn text(path: &Path) -> io::Result<String> {
    path.to_str().map(str::to_owned).ok_or_else(|| io::Error::other(format!("{} is not valid UTF-8", path.display())))
}

#[cfg(test)]
mod tests {
    //! Rules: G1.

    use super::*;

    #[test]
    fn an_account_whose_home_directory_belongs_to_the_system_gets_another_one() {
        for (home, inside) in [
            ("/", HOME),
            ("/usr/sbin", HOME),
            ("/tmp", HOME),
            ("/home/me", "/home/me"),
            ("/root", "/root"),
            ("/var/lib/openrunner/home", "/var/lib/openrunner/home"),
        ] {
            assert_eq!(Sandbox::home(Path::new(home)), Path::new(inside), "{home}");
        }
    }

    #[test]
    fn a_working_directory_that_contains_the_home_directory_is_unsuitable() {
        let home = Path::new("/home/nowhere");
        for (dir, is_suitable) in
            [("/", false), ("/home", false), ("/home/nowhere", false), ("/home/nowhere/project", true), ("/srv", true)]
        {
            assert_eq!(Sandbox::unsuitable_working_dir(Path::new(dir), home).is_none(), is_suitable, "{dir}");
        }
    }
}
