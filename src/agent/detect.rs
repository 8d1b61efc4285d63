//! Finds agent programs, inspects them and caches the result.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Mutex as AsyncMutex;

use super::probe::Prober;
use super::{Inspection, Installed, Location, Program};

/// A program that was found.
#[derive(Clone, Debug)]
pub(super) struct Detected {
    pub(super) path: PathBuf,
    /// `None` before its first inspection.
    pub(super) inspection: Option<Inspection>,
}

impl Detected {
    /// The program as its adapter receives it. See [`Installed`].
    pub(super) fn installed(&self, home: &Path, has_other_home: bool) -> Installed {
        Installed {
            path: self.path.clone(),
            version: self.inspection.as_ref().and_then(|inspection| inspection.version.clone()),
            variant: self.inspection.as_ref().map_or("", |inspection| inspection.variant).into(),
            home: home.to_owned(),
            has_other_home,
        }
    }
}

/// Finds one program and caches its inspection until the file changes.
pub(super) struct Detector {
    program: Arc<dyn Program>,
    prober: Prober,
    /// Directories to search, in this order; all absolute.
    search_path: Vec<PathBuf>,
    cache: Mutex<Option<(Identity, Inspection)>>,
    /// Held during an inspection, so that there is one at a time: some programs take seconds to print their version.
    inspecting: AsyncMutex<()>,
}

/// Distinguishes a file from the one with which an upgrade replaces it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Identity {
    path: PathBuf,
    inode: u64,
    size: u64,
    modified: i64,
}

impl Detector {
    pub(super) fn new(program: Arc<dyn Program>, prober: Prober, search_path: Vec<PathBuf>) -> Self {
        Self { program, prober, search_path, cache: Mutex::new(None), inspecting: AsyncMutex::new(()) }
    }

    pub(super) fn prober(&self) -> &Prober {
        &self.prober
    }

    pub(super) fn home(&self) -> &Path {
        self.prober.home()
    }

    /// The program with its cached inspection. Runs nothing.
    pub(super) fn cached(&self) -> Option<Detected> {
        let identity = self.locate()?;
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let inspection = cache.as_ref().filter(|(inspected, _)| *inspected == identity).map(|(_, inspection)| inspection.clone());
        Some(Detected { path: identity.path, inspection })
    }

    /// The program with its inspection, which is run now if the program is new or has changed.
    pub(super) async fn detect(&self) -> Option<Detected> {
        let detected = self.cached()?;
        if detected.inspection.is_some() {
            return Some(detected);
        }
        let _one_at_a_time = self.inspecting.lock().await;
        // The previous holder of the lock may have inspected it.
        let detected = self.cached()?;
        if detected.inspection.is_some() { Some(detected) } else { self.inspect().await }
    }

    /// Inspects the program again: its login may have changed although the file is the same. An optional one is inspected once, and again only
    /// if it could not be used.
    pub(super) async fn refresh(&self) {
        let is_usable = |found: Detected| found.inspection.is_some_and(|inspection| inspection.error.is_none());
        if self.program.is_optional() && self.cached().is_none_or(is_usable) {
            return;
        }
        let _one_at_a_time = self.inspecting.lock().await;
        self.inspect().await;
    }

    async fn inspect(&self) -> Option<Detected> {
        let identity = self.locate()?;
        let inspection = self.program.inspect(&identity.path, &self.prober).await;
        *self.cache.lock().unwrap_or_else(PoisonError::into_inner) = Some((identity.clone(), inspection.clone()));
        Some(Detected { path: identity.path, inspection: Some(inspection) })
    }

    fn locate(&self) -> Option<Identity> {
        let path = match &self.program.info().location {
            Location::BuiltIn if cfg!(target_os = "linux") => PathBuf::from("/proc/self/exe"),
            Location::BuiltIn => std::env::current_exe().ok()?,
            Location::At(path) => Some(path.to_owned()).filter(|path| is_executable(path))?,
            Location::Named(name) => {
                let found = self.search_path.iter().map(|dir| dir.join(name.as_ref())).find(|path| is_executable(path))?;
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

/// The directories in which programs are searched for: those of npm below `agents_dir`, then `PATH`. Relative entries of `PATH` are
/// skipped, because they would refer to the working directory of an agent (S5 of the threat model).
pub(super) fn search_path(agents_dir: &Path, env: &BTreeMap<String, String>) -> Vec<PathBuf> {
    let path = env.get("PATH").map(String::as_str).unwrap_or_default();
    let private = [agents_dir.join("node_modules/.bin"), agents_dir.join("bin")];
    private.into_iter().chain(std::env::split_paths(path)).filter(|dir| dir.is_absolute()).collect()
}

#[cfg(test)]
mod tests {
    //! Rules: S5.

    use std::borrow::Cow;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;

    use super::*;
    use crate::agent::{Authenticated, Capabilities, Environment, Install, Invocation, Parser, ProgramInfo, Task};
    use crate::types::Failure;

    /// Counts its inspections.
    #[derive(Default)]
    struct CountingProgram {
        inspections: Arc<AtomicUsize>,
    }

    #[async_trait]
    impl Program for CountingProgram {
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
            self.inspections.fetch_add(1, Ordering::Relaxed);
            Inspection { version: Some("1".into()), variant: "", authenticated: Authenticated::Unknown, error: None }
        }
        fn invocation(&self, _: &Task, _: &Installed) -> Result<Invocation, Failure> {
            Ok(Invocation::default())
        }
        fn parser(&self, _: &Task, _: &Installed) -> Box<dyn Parser> {
            unreachable!("nothing is started here")
        }
    }

    fn detector(search_path: Vec<PathBuf>) -> (Detector, Arc<AtomicUsize>) {
        let program = CountingProgram::default();
        let inspections = Arc::clone(&program.inspections);
        let prober = Prober::new(BTreeMap::new(), "/".into(), "/".into());
        (Detector::new(Arc::new(program), prober, search_path), inspections)
    }

    fn install(path: &Path, text: &str) {
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }

    #[tokio::test]
    async fn a_program_is_inspected_once_and_again_when_its_file_changes() {
        let dir = tempfile::tempdir().unwrap();
        let (detector, inspections) = detector(vec![dir.path().to_owned()]);
        assert!(detector.detect().await.is_none());
        install(&dir.path().join("counting"), "#!/bin/sh");
        assert!(detector.cached().unwrap().inspection.is_none());
        detector.detect().await.unwrap();
        detector.detect().await.unwrap();
        assert_eq!(inspections.load(Ordering::Relaxed), 1);
        install(&dir.path().join("counting"), "#!/bin/sh upgraded");
        detector.detect().await.unwrap();
        assert_eq!(inspections.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn relative_path_entries_are_not_searched() {
        let env = BTreeMap::from([("PATH".to_owned(), "/usr/bin::.:bin:/bin".to_owned())]);
        let directories = search_path(Path::new("/data/agents"), &env);
        assert_eq!(directories, ["/data/agents/node_modules/.bin", "/data/agents/bin", "/usr/bin", "/bin"].map(PathBuf::from));
    }

    #[test]
    fn a_file_without_execute_permission_is_not_found() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("counting"), "notes").unwrap();
        assert!(detector(vec![dir.path().to_owned()]).0.cached().is_none());
    }
}
