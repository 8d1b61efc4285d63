//! Finds agent programs and remembers what they are.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Mutex as AsyncMutex;

use super::probe::Prober;
use super::{Inspection, Installed, Location, Program};

/// A program that was found, and what it turned out to be.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    /// `None` until it has been looked at for the first time.
    pub(super) inspection: Option<Inspection>,
}

impl Found {
    /// The program, ready to be started.
    pub(super) fn installed(&self, home: &Path) -> Installed {
        Installed {
            path: self.path.clone(),
            version: self.inspection.as_ref().and_then(|inspection| inspection.version.clone()),
            variant: self.inspection.as_ref().map_or("", |inspection| inspection.variant).into(),
            home: home.to_owned(),
        }
    }
}

/// Looks for one program and remembers the answer for as long as the file stays the same.
pub(super) struct Detector {
    program: Arc<dyn Program>,
    prober: Prober,
    /// Folders in which it is looked for, in this order; all absolute.
    folders: Vec<PathBuf>,
    known: Mutex<Option<(Identity, Inspection)>>,
    /// One look at a time: some programs take seconds to tell their version.
    looking: AsyncMutex<()>,
}

/// Tells a file apart from the one that an upgrade puts in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Identity {
    path: PathBuf,
    inode: u64,
    size: u64,
    modified: i64,
}

impl Detector {
    pub(super) fn new(program: Arc<dyn Program>, prober: Prober, folders: Vec<PathBuf>) -> Self {
        Self { program, prober, folders, known: Mutex::new(None), looking: AsyncMutex::new(()) }
    }

    pub(super) fn home(&self) -> &Path {
        self.prober.home()
    }

    /// What is known without running anything: looks at files only.
    pub(super) fn glance(&self) -> Option<Found> {
        let identity = self.locate()?;
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let inspection = known.as_ref().filter(|(seen, _)| *seen == identity).map(|(_, inspection)| inspection.clone());
        Some(Found { path: identity.path, inspection })
    }

    /// The program with what it is; looked at now if it is new or has changed.
    pub(super) async fn inspected(&self) -> Option<Found> {
        let found = self.glance()?;
        if found.inspection.is_some() {
            return Some(found);
        }
        let _one_at_a_time = self.looking.lock().await;
        // Whoever went before may have looked.
        let found = self.glance()?;
        if found.inspection.is_some() { Some(found) } else { self.look().await }
    }

    /// Looks at the program anew: a login may have come or gone although the file is the same.
    pub(super) async fn refresh(&self) {
        let _one_at_a_time = self.looking.lock().await;
        self.look().await;
    }

    async fn look(&self) -> Option<Found> {
        let identity = self.locate()?;
        let inspection = self.program.inspect(&identity.path, &self.prober).await;
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((identity.clone(), inspection.clone()));
        Some(Found { path: identity.path, inspection: Some(inspection) })
    }

    fn locate(&self) -> Option<Identity> {
        let path = match &self.program.info().location {
            Location::BuiltIn if cfg!(target_os = "linux") => PathBuf::from("/proc/self/exe"),
            Location::BuiltIn => std::env::current_exe().ok()?,
            Location::At(path) => Some(path.to_owned()).filter(|path| is_executable(path))?,
            Location::Named(name) => {
                let found = self.folders.iter().map(|folder| folder.join(name.as_ref())).find(|path| is_executable(path))?;
                self.program.native(&found).filter(|native| is_executable(native)).unwrap_or(found)
            }
        };
        let meta = path.metadata().ok()?;
        Some(Identity { path, inode: meta.ino(), size: meta.size(), modified: meta.mtime() })
    }
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Where programs are looked for: the private prefix, as npm lays it out, then `PATH`. Relative entries of `PATH` are left out, since
/// they would mean whatever folder an agent works in (S5 of the threat model).
pub(super) fn folders(private: &Path, env: &BTreeMap<String, String>) -> Vec<PathBuf> {
    let path = env.get("PATH").map(String::as_str).unwrap_or_default();
    let private = [private.join("node_modules/.bin"), private.join("bin")];
    private.into_iter().chain(std::env::split_paths(path)).filter(|folder| folder.is_absolute()).collect()
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;

    use super::*;
    use crate::agent::{Authenticated, Capabilities, Environment, Install, Invocation, Parser, ProgramInfo, Task};
    use crate::types::Failure;

    #[derive(Default)]
    struct Counting {
        looks: Arc<AtomicUsize>,
    }

    #[async_trait]
    impl Program for Counting {
        fn info(&self) -> &ProgramInfo {
            static INFO: ProgramInfo = ProgramInfo {
                name: Cow::Borrowed("counting"),
                protocol: "text",
                location: Location::Named(Cow::Borrowed("counting")),
                install: Install::Unknown,
                login_hint: Cow::Borrowed(""),
                environment: Environment { prefixes: &[], names: &[], configured: Vec::new() },
                flags: None,
                capabilities: Capabilities::NONE,
            };
            &INFO
        }

        async fn inspect(&self, _: &Path, _: &Prober) -> Inspection {
            self.looks.fetch_add(1, Ordering::Relaxed);
            Inspection { version: Some("1".into()), variant: "", authenticated: Authenticated::Unknown, error: None }
        }
        fn invocation(&self, _: &Task, _: &Installed) -> Result<Invocation, Failure> {
            Ok(Invocation::default())
        }
        fn parser(&self, _: &Task, _: &Installed) -> Box<dyn Parser> {
            unreachable!("nothing is started here")
        }
    }

    fn detector(folders: Vec<PathBuf>) -> (Detector, Arc<AtomicUsize>) {
        let program = Counting::default();
        let looks = Arc::clone(&program.looks);
        let prober = Prober::new(BTreeMap::new(), "/".into(), "/".into());
        (Detector::new(Arc::new(program), prober, folders), looks)
    }

    fn install(path: &Path, text: &str) {
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }

    #[tokio::test]
    async fn a_program_is_looked_at_once_and_again_when_its_file_changes() {
        let folder = tempfile::tempdir().unwrap();
        let (detector, looks) = detector(vec![folder.path().to_owned()]);
        assert!(detector.inspected().await.is_none());
        install(&folder.path().join("counting"), "#!/bin/sh");
        assert!(detector.glance().unwrap().inspection.is_none());
        detector.inspected().await.unwrap();
        detector.inspected().await.unwrap();
        assert_eq!(looks.load(Ordering::Relaxed), 1);
        install(&folder.path().join("counting"), "#!/bin/sh upgraded");
        detector.inspected().await.unwrap();
        assert_eq!(looks.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn s5_a_relative_entry_of_the_path_is_never_looked_into() {
        let env = BTreeMap::from([("PATH".to_owned(), "/usr/bin::.:bin:/bin".to_owned())]);
        let folders = folders(Path::new("/data/agents"), &env);
        assert_eq!(folders, ["/data/agents/node_modules/.bin", "/data/agents/bin", "/usr/bin", "/bin"].map(PathBuf::from));
    }

    #[test]
    fn a_file_that_cannot_be_executed_is_not_the_program() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("counting"), "notes").unwrap();
        assert!(detector(vec![folder.path().to_owned()]).0.glance().is_none());
    }
}
