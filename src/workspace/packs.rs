//! Combines the packs of snapshots.
//!
//! Each snapshot with changes adds a pack, and git looks into every pack for an object that it does not find in the first ones. The objects of
//! a store are not referred to by branches, so they are combined by an index of all packs, which keeps every object.

use std::path::Path;
use std::time::Duration;

use super::git::{Bounds, GitError};
use super::snapshots::Snapshots;
use super::store::{SnapshotError, SnapshotStore, blocking};

/// Number of packs above which those of a store are combined.
const MAX_PACKS: usize = 50;

/// Maximum number of stores whose packs are combined at a time.
const MAX_STORES: usize = 4;

/// In whose turn packs are combined: that of no user.
const JANITOR: &str = "";

/// For each command.
const BOUNDS: Bounds = Bounds { time: Duration::from_mins(2), output: 64 * 1024 };

/// The steps. Snapshots can be made and read meanwhile: a pack is removed once all of its objects are in another one.
const STEPS: [&[&str]; 3] =
    [&["multi-pack-index", "write"], &["multi-pack-index", "repack", "--batch-size=0"], &["multi-pack-index", "expire"]];

impl Snapshots {
    /// Combines the packs of some stores that have many. Returns the number of those stores.
    ///
    /// # Errors
    /// [`SnapshotError`]. The snapshots are as before then.
    pub async fn combine_packs(&self) -> Result<usize, SnapshotError> {
        let this = self.clone();
        let stores = blocking(move || Ok(this.stores(JANITOR)?)).await?;
        let mut combined = 0;
        for store in stores {
            if combined < MAX_STORES && store.combine_packs(MAX_PACKS).await? {
                combined += 1;
            }
        }
        Ok(combined)
    }
}

impl SnapshotStore {
    /// Combines the packs of the store if it has more than these. Returns whether it had.
    ///
    /// # Errors
    /// [`SnapshotError`]. The snapshots are as before then.
    pub(super) async fn combine_packs(&self, max_packs: usize) -> Result<bool, SnapshotError> {
        let repository = self.repository();
        let packs = blocking(move || Ok(count_packs(&repository))).await?;
        if packs <= max_packs {
            return Ok(false);
        }
        let _slot = self.slots.acquire().await;
        for step in STEPS {
            match self.git().run(&self.repository(), step, BOUNDS).await {
                // The store may have been removed meanwhile.
                Err(GitError::Failed(_)) if !self.repository().exists() => return Ok(false),
                done => done?,
            };
        }
        Ok(true)
    }
}

/// The number of packs in a repository; 0 if it cannot be read.
fn count_packs(repository: &Path) -> usize {
    let entries = std::fs::read_dir(repository.join("objects/pack"));
    let is_pack = |entry: &std::fs::DirEntry| entry.path().extension().is_some_and(|extension| extension == "pack");
    entries.map_or(0, |entries| entries.flatten().filter(is_pack).count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::WorkingDir;
    use crate::workspace::git::Git;
    use crate::workspace::store::SnapshotKind;

    #[tokio::test]
    async fn packs_are_combined_and_every_snapshot_stays() {
        let root = tempfile::tempdir().unwrap();
        let project = root.path().join("project");
        std::fs::create_dir(&project).unwrap();
        let store = SnapshotStore::new(Git::find(&std::env::var_os("PATH").unwrap()).unwrap(), root.path().join("store"));
        let mut trees = Vec::new();
        for number in 0..6 {
            std::fs::write(project.join("file"), format!("{number}\n")).unwrap();
            std::fs::write(project.join(format!("new-{number}")), "x").unwrap();
            let directory = WorkingDir::open(&project.canonicalize().unwrap()).unwrap();
            trees.push(store.snapshot(directory.handle(), "ses_1", SnapshotKind::Later).await.unwrap().tree);
        }
        let (before, repository) = (count_packs(&store.repository()), store.repository());
        assert!(before >= 6, "{before}");
        assert!(!store.combine_packs(before).await.unwrap());
        assert!(store.combine_packs(before - 1).await.unwrap());
        assert_eq!(count_packs(&repository), 1);
        for (number, pair) in trees.windows(2).enumerate() {
            let changes = store.changes(pair[0], pair[1]).await.unwrap();
            assert_eq!(changes.total, 2);
            let patch = String::from_utf8(store.patch(pair[0], pair[1], None).await.unwrap()).unwrap();
            assert!(patch.contains(&format!("-{number}\n+{}\n", number + 1)), "{patch}");
        }
        // The next snapshot adds to them.
        std::fs::write(project.join("file"), "end\n").unwrap();
        let directory = WorkingDir::open(&project.canonicalize().unwrap()).unwrap();
        let last = store.snapshot(directory.handle(), "ses_1", SnapshotKind::Later).await.unwrap().tree;
        assert_eq!(store.changes(trees[0], last).await.unwrap().total, 6);
        assert!(store.combine_packs(1).await.unwrap());
        assert_eq!((count_packs(&repository), store.changes(trees[0], last).await.unwrap().total), (1, 6));
    }
}
