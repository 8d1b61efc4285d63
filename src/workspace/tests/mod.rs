//! Rules: S6, S9.

mod apply;
mod archive;
mod files;
mod hostile;
mod ignored;
mod revert;
mod slots;
mod snapshots;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;

/// A working directory and its store.
struct Fixture {
    root: tempfile::TempDir,
    work: PathBuf,
    store: SnapshotStore,
}

impl Fixture {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let work = root.path().join("work");
        std::fs::create_dir(&work).unwrap();
        let store = SnapshotStore::new(git(), root.path().join("store"));
        Self { root, work, store }
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.work.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    fn remove(&self, path: &str) {
        std::fs::remove_file(self.work.join(path)).unwrap();
    }

    async fn start(&self) -> Snapshot {
        self.store.snapshot(&open(&self.work), "session", SnapshotKind::Start).await.unwrap()
    }

    async fn later(&self) -> Snapshot {
        self.store.snapshot(&open(&self.work), "session", SnapshotKind::Later).await.unwrap()
    }

    /// The paths of a snapshot with their contents.
    fn content(&self, snapshot: &Snapshot) -> BTreeMap<String, Vec<u8>> {
        let repository = self.root.path().join("store/repository");
        let git = |args: &[&str]| output(Command::new("git").arg("--git-dir").arg(&repository).args(args));
        let list = git(&["ls-tree", "-r", "-z", &snapshot.tree.to_string()]);
        let lines = list.split(|byte| *byte == 0).filter(|line| !line.is_empty());
        let entry = |line: &[u8]| {
            let line = String::from_utf8_lossy(line).into_owned();
            let (meta, path) = line.split_once('\t').unwrap();
            (path.to_owned(), git(&["cat-file", "blob", meta.split(' ').nth(2).unwrap()]))
        };
        lines.map(entry).collect()
    }

    fn paths(&self, snapshot: &Snapshot) -> Vec<String> {
        self.content(snapshot).into_keys().collect()
    }
}

fn git() -> Git {
    Git::find(&std::env::var_os("PATH").unwrap()).unwrap()
}

fn open(path: &Path) -> OwnedFd {
    std::fs::File::open(path).unwrap().into()
}

/// Output of a command that succeeds, without configuration of this machine.
fn output(command: &mut Command) -> Vec<u8> {
    let command = command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1").env_remove("GIT_DIR");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Runs git as a user does in a directory.
fn git_in(directory: &Path, args: &[&str]) {
    let identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "init.defaultBranch=main"];
    output(Command::new("git").arg("-C").arg(directory).args(identity).args(args));
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}
