//! The level `files`, which needs no program and no namespaces: the kernel (Landlock) refuses to open what is hidden.
//!
//! Landlock grants access to directories with everything below them. So a hidden directory stays out of reach if access is granted to
//! everything beside it, on each level down to it, and to none of the directories above it. Those can therefore be neither listed nor
//! changed. What is hidden in the home directory of the agent is the exception: the directory must stay writable, so it is not hidden.
//!
//! An agent of root keeps only the capabilities of a container, and gets no disks. Landlock itself keeps it from mounting anything and from the
//! memory of other processes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::borrowed::Borrowed;
use super::guard::{Shared, View};
use super::hidden::Hidden;
use super::surroundings::{safe_devices, services};

/// Starts agents that can open none of the server's files. It has been tried on this machine (see
/// [`isolation_probe`](crate::process::isolation_probe)).
#[derive(Clone, Debug)]
pub struct Files {
    hidden: Hidden,
    shared: Shared,
    /// Whether agents run as root.
    is_root: bool,
}

/// What one agent may open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRules {
    /// Files and directories to read and write, with everything below them.
    writable: Vec<PathBuf>,
    /// Files and directories to read and execute, with everything below them.
    readable: Vec<PathBuf>,
    /// Paths that cannot be opened.
    hidden: Vec<PathBuf>,
    /// Whether root gives up the capabilities by which it could read disks or change the kernel.
    #[serde(default)]
    drops_capabilities: bool,
}

impl Files {
    pub(in crate::process) fn new(hidden: Hidden, shared: Shared, is_root: bool) -> Self {
        Self { hidden, shared, is_root }
    }

    /// The paths that are not hidden from agents with this home directory, because they are in it.
    pub fn exposed(&self, home: &Path) -> Vec<PathBuf> {
        let home = home.canonicalize().unwrap_or_else(|_| home.to_owned());
        let found = self.hidden.resolve([home.as_path()]).unwrap_or_default();
        found.into_iter().map(|(path, _id)| path).filter(|path| self.is_exposed(path, &home)).collect()
    }

    /// A home directory that contains the data directory is not writable anyway.
    fn is_exposed(&self, hidden: &Path, home: &Path) -> bool {
        hidden.starts_with(home) && !self.hidden.data_dir().starts_with(home)
    }

    /// Whether agents with this home directory can create files directly in it: not if the server's data directory is below it.
    pub fn suits(&self, home: &Path) -> bool {
        let home = home.canonicalize().unwrap_or_else(|_| home.to_owned());
        !self.hidden.data_dir().starts_with(home)
    }

    /// The rules for an agent.
    ///
    /// # Errors
    /// If the server's data directory was moved, a directory above a hidden one cannot be listed, or agents run as root and can reach a service
    /// that starts programs.
    pub fn rules(&self, view: View<'_>) -> io::Result<FileRules> {
        let home = view.home.canonicalize().unwrap_or_else(|_| view.home.to_owned());
        let hidden = self.hidden.resolve(view.needed(&self.shared))?.into_iter().map(|(path, _id)| path);
        let hidden: Vec<PathBuf> = hidden.filter(|path| !self.is_exposed(path, &home)).collect();
        let mut rules = FileRules { writable: beside(&hidden)?, hidden, drops_capabilities: self.is_root, ..FileRules::default() };
        if self.is_root {
            self.confine_root(&mut rules, view.home)?;
        }
        let own = [view.working_dir, view.home].map(Path::to_owned);
        let own = own.into_iter().chain(self.shared.kept.iter().cloned()).filter_map(|path| path.canonicalize().ok());
        // A directory above a hidden one would make it accessible.
        let is_free = |path: &PathBuf| !rules.hidden.iter().any(|hidden| hidden.starts_with(path));
        let own: Vec<PathBuf> = own.filter(is_free).collect();
        let program = [Some(view.program.to_owned()), view.program.canonicalize().ok()].into_iter().flatten();
        let program = program.filter_map(|path| path.parent().map(Path::to_owned));
        let readable = program.chain(view.files.iter().cloned()).chain(self.shared.protected.iter().cloned());
        let readable: Vec<PathBuf> = readable.filter_map(|path| path.canonicalize().ok()).filter(is_free).collect();
        // Others are accessible anyway.
        let borrowed = view.borrowed.iter().map(Borrowed::path).filter(|path| path.starts_with(self.hidden.data_dir()));
        rules.writable.extend(own);
        // Created later, by the server itself.
        rules.writable.push(view.temp_dir.to_owned());
        rules.readable.extend(readable.into_iter().chain(borrowed.map(Path::to_owned)));
        Ok(rules)
    }
}

impl Files {
    /// Takes from an agent of root what is beside the hidden paths and leads to them: disks, files of the kernel that take the path of a program,
    /// and services that start one.
    fn confine_root(&self, rules: &mut FileRules, home: &Path) -> io::Result<()> {
        if let Some(service) = services(home).iter().find(|service| !self.shared.kept.contains(service)) {
            let problem = "agents run as root, and could have a program started outside, at";
            return Err(io::Error::other(format!("{problem} {}; Landlock does not prevent that", service.display())));
        }
        let (kernel, mut rest): (Vec<PathBuf>, Vec<PathBuf>) =
            std::mem::take(&mut rules.writable).into_iter().partition(|path| ["/proc", "/sys"].iter().any(|dir| path.starts_with(dir)));
        rest.retain(|path| !path.starts_with("/dev"));
        rest.extend(safe_devices());
        rules.writable = rest;
        rules.readable.extend(kernel);
        Ok(())
    }
}

/// Everything outside of `hidden`: the entries of each directory above a hidden path that neither are hidden nor contain one.
fn beside(hidden: &[PathBuf]) -> io::Result<Vec<PathBuf>> {
    let mut accessible = Vec::new();
    let mut above = vec![PathBuf::from("/")];
    while let Some(dir) = above.pop() {
        let entries = fs::read_dir(&dir).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", dir.display())))?;
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            // What a link leads to has an entry of its own.
            if entry.file_type()?.is_symlink() || hidden.contains(&path) {
                continue;
            }
            if hidden.iter().any(|hidden| hidden.starts_with(&path)) { above.push(path) } else { accessible.push(path) }
        }
    }
    Ok(accessible)
}

impl FileRules {
    /// Restricts this process, which must have one thread, and what it will execute.
    ///
    /// # Errors
    /// If the kernel does not support it, or a hidden path can still be opened.
    #[cfg(target_os = "linux")]
    pub(in crate::process) fn enforce(&self) -> io::Result<()> {
        use landlock::{
            ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, Scope,
            path_beneath_rules,
        };

        if self.drops_capabilities {
            super::capabilities::drop_most()?;
        }
        let refused = |error: RulesetError| io::Error::other(format!("isolation: Landlock: {error}"));
        // Before its third version, a file that cannot be opened could be truncated.
        let needed = AccessFs::from_all(ABI::V3);
        let all = AccessFs::from_all(ABI::V5);
        let read = AccessFs::from_read(ABI::V5);
        Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(needed)
            .and_then(|ruleset| ruleset.set_compatibility(CompatLevel::BestEffort).handle_access(all))
            .and_then(|ruleset| ruleset.scope(Scope::from_all(ABI::V6)))
            .and_then(Ruleset::create)
            .and_then(|ruleset| ruleset.add_rules(path_beneath_rules(&self.writable, all)))
            .and_then(|ruleset| ruleset.add_rules(path_beneath_rules(&self.readable, read)))
            .and_then(landlock::RulesetCreated::restrict_self)
            .map_err(refused)?;
        match self.hidden.iter().find(|path| fs::File::open(path).is_ok()) {
            Some(path) => Err(io::Error::other(format!("isolation: {} is not hidden from the agent", path.display()))),
            None => Ok(()),
        }
    }

    /// Not supported.
    ///
    /// # Errors
    /// Always.
    #[cfg(not(target_os = "linux"))]
    pub(in crate::process) fn enforce(&self) -> io::Result<()> {
        Err(io::Error::other("isolation: Landlock needs Linux"))
    }
}

#[cfg(test)]
mod tests {
    //! Rules: G1.

    use super::*;

    #[test]
    fn everything_beside_hidden_paths_is_accessible_and_nothing_above_them() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        for path in ["a/data", "a/other", "b"] {
            fs::create_dir_all(dir.join(path)).unwrap();
        }
        fs::write(dir.join("b/secret"), "").unwrap();
        fs::write(dir.join("b/file"), "").unwrap();
        std::os::unix::fs::symlink(dir.join("a/data"), dir.join("b/link")).unwrap();
        let accessible = beside(&[dir.join("a/data"), dir.join("b/secret")]).unwrap();
        let mut here: Vec<&PathBuf> = accessible.iter().filter(|path| path.starts_with(&dir)).collect();
        here.sort();
        assert_eq!(here, [&dir.join("a/other"), &dir.join("b/file")]);
        assert!(accessible.iter().all(|path| !dir.starts_with(path)));
    }

    #[test]
    fn a_home_directory_above_the_data_directory_is_no_exception() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        for path in ["home/data/workspace", "home/data/home"] {
            fs::create_dir_all(dir.join(path)).unwrap();
        }
        let files = Files::new(Hidden::new(&dir.join("home/data"), Vec::new()).unwrap(), Shared::default(), false);
        let (workspace, temp) = (dir.join("home/data/workspace"), dir.join("home/data/temp"));
        let view = |home: &'static str| (dir.join(home), dir.join("home"));
        let (inner, outer) = view("home/data/home");
        assert!(files.suits(&inner) && !files.suits(&outer));
        for (home, is_granted) in [(&inner, true), (&outer, false)] {
            let view = View { working_dir: &workspace, temp_dir: &temp, home, program: Path::new("/bin/sh"), files: &[], borrowed: &[] };
            let rules = files.rules(view).unwrap();
            assert!(rules.writable.contains(&workspace) && rules.writable.contains(&temp));
            assert_eq!(rules.writable.contains(home), is_granted);
        }
    }

    #[test]
    fn what_is_hidden_in_the_home_directory_leaves_it_writable_and_is_reported() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        for path in ["data/workspace", "home/.config/openrunner", "keys"] {
            fs::create_dir_all(dir.join(path)).unwrap();
        }
        let secrets = vec![dir.join("home/.config/openrunner"), dir.join("keys")];
        let files = Files::new(Hidden::new(&dir.join("data"), secrets).unwrap(), Shared::default(), false);
        let (home, workspace, temp) = (dir.join("home"), dir.join("data/workspace"), dir.join("temp"));
        let rules = files.rules(View {
            working_dir: &workspace,
            temp_dir: &temp,
            home: &home,
            program: Path::new("/bin/sh"),
            files: &[],
            borrowed: &[],
        });
        let rules = rules.unwrap();
        assert!(rules.writable.contains(&home));
        assert_eq!(rules.hidden, [dir.join("data"), dir.join("keys")]);
        assert_eq!(files.exposed(&home), [dir.join("home/.config/openrunner")]);
        assert!(files.exposed(&dir).is_empty() && files.exposed(Path::new("/")).is_empty(), "they contain the data directory");
    }

    #[test]
    fn root_gets_no_disks_and_cannot_change_the_kernel() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        let files = Files::new(Hidden::new(&dir, Vec::new()).unwrap(), Shared::default(), true);
        let writable = ["/dev", "/etc", "/proc", "/sys"].map(PathBuf::from).to_vec();
        let mut rules = FileRules { writable, ..FileRules::default() };
        // With a service that starts programs, root is refused.
        let home = dir.join("home");
        if files.confine_root(&mut rules, &home).is_ok() {
            assert!(rules.writable.contains(&PathBuf::from("/etc")) && rules.writable.contains(&PathBuf::from("/dev/null")));
            assert!(!["/dev", "/proc", "/sys"].iter().any(|path| rules.writable.contains(&PathBuf::from(path))), "{rules:?}");
            assert_eq!(rules.readable, ["/proc", "/sys"].map(PathBuf::from));
        }
        fs::create_dir_all(home.join(".docker/run")).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(home.join(".docker/run/docker.sock")).unwrap();
        assert!(files.confine_root(&mut rules, &home).unwrap_err().to_string().contains("started outside"));
    }
}
