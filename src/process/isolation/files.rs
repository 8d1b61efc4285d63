//! The level `files`, which needs no program and no namespaces: the kernel (Landlock) refuses to open what is hidden.
//!
//! Landlock grants access to directories with everything below them. So a hidden directory stays out of reach if access is granted to
//! everything beside it, on each level down to it, and to none of the directories above it. Those can therefore be neither listed nor
//! changed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::guard::{Shared, View};
use super::hidden::Hidden;

/// Starts agents that can open none of the server's files. It has been tried on this machine (see
/// [`isolation_probe`](crate::process::isolation_probe)).
#[derive(Clone, Debug)]
pub struct Files {
    hidden: Hidden,
    shared: Shared,
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
}

impl Files {
    pub(in crate::process) fn new(hidden: Hidden, shared: Shared) -> Self {
        Self { hidden, shared }
    }

    /// Whether agents with this home directory can create files directly in it: not if the server's data directory is below it.
    pub fn suits(&self, home: &Path) -> bool {
        let home = home.canonicalize().unwrap_or_else(|_| home.to_owned());
        !self.hidden.data_dir().starts_with(home)
    }

    /// The rules for an agent.
    ///
    /// # Errors
    /// If the server's data directory was moved, or a directory above a hidden one cannot be listed.
    pub fn rules(&self, view: View<'_>) -> io::Result<FileRules> {
        let hidden: Vec<PathBuf> = self.hidden.resolve(view.needed(&self.shared))?.into_iter().map(|(path, _id)| path).collect();
        let mut rules = FileRules { writable: beside(&hidden)?, readable: Vec::new(), hidden };
        let own = [view.working_dir, view.home].map(Path::to_owned);
        let own = own.into_iter().chain(self.shared.kept.iter().cloned()).filter_map(|path| path.canonicalize().ok());
        // A directory above a hidden one would make it accessible.
        let is_free = |path: &PathBuf| !rules.hidden.iter().any(|hidden| hidden.starts_with(path));
        let own: Vec<PathBuf> = own.filter(is_free).collect();
        let program = [Some(view.program.to_owned()), view.program.canonicalize().ok()].into_iter().flatten();
        let program = program.filter_map(|path| path.parent().map(Path::to_owned));
        let readable = program.chain(view.files.iter().cloned()).chain(self.shared.protected.iter().cloned());
        let readable: Vec<PathBuf> = readable.filter_map(|path| path.canonicalize().ok()).filter(is_free).collect();
        rules.writable.extend(own);
        // Created later, by the server itself.
        rules.writable.push(view.temp_dir.to_owned());
        rules.readable.extend(readable);
        Ok(rules)
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
        let files = Files::new(Hidden::new(&dir.join("home/data"), Vec::new()).unwrap(), Shared::default());
        let (workspace, temp) = (dir.join("home/data/workspace"), dir.join("home/data/temp"));
        let view = |home: &'static str| (dir.join(home), dir.join("home"));
        let (inner, outer) = view("home/data/home");
        assert!(files.suits(&inner) && !files.suits(&outer));
        for (home, is_granted) in [(&inner, true), (&outer, false)] {
            let view = View { working_dir: &workspace, temp_dir: &temp, home, program: Path::new("/bin/sh"), files: &[] };
            let rules = files.rules(view).unwrap();
            assert!(rules.writable.contains(&workspace) && rules.writable.contains(&temp));
            assert_eq!(rules.writable.contains(home), is_granted);
        }
    }
}
