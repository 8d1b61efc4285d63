//! Snapshots of several users and directories.
//!
//! Rules: C6, C7.

use std::time::Duration;

use super::*;

/// A git that waits for a file where the tree `1111…` is named, and does nothing with others.
fn slow_git(root: &Path) -> Git {
    let program = root.join("git");
    let tree = "1".repeat(40);
    let script = format!("#!/bin/sh\ncase \"$*\" in *{tree}*) while [ ! -e {}/go ]; do sleep 0.05; done ;; esac\n", root.display());
    std::fs::write(&program, script).unwrap();
    set_mode(&program, 0o755);
    Git::at(program)
}

#[tokio::test]
async fn one_users_differences_do_not_delay_those_of_others() {
    let root = tempfile::tempdir().unwrap();
    let snapshots = Snapshots::new(Some(slow_git(root.path())), root.path().join("snapshots"));
    let tree = |digit: &str| digit.repeat(40).parse::<TreeId>().unwrap();
    let mut waiting = tokio::task::JoinSet::new();
    for directory in 0..20 {
        let store = snapshots.of(Path::new(&format!("/srv/{directory}")), "greedy").unwrap();
        std::fs::create_dir_all(store.repository()).unwrap();
        waiting.spawn(async move { store.patch(tree("1"), tree("2"), None).await });
    }
    let other = snapshots.of(Path::new("/srv/other"), "other").unwrap();
    std::fs::create_dir_all(other.repository()).unwrap();
    tokio::task::yield_now().await;
    let answered = tokio::time::timeout(Duration::from_secs(20), other.patch(tree("3"), tree("4"), None)).await;
    assert!(answered.expect("the other user waits for the greedy one").unwrap().is_empty());
    std::fs::write(root.path().join("go"), "").unwrap();
    while let Some(done) = waiting.join_next().await {
        done.unwrap().unwrap();
    }
}

#[tokio::test]
async fn the_snapshots_that_were_used_first_are_removed_when_all_are_too_large() {
    let fixture = Fixture::new();
    let snapshots = Snapshots::new(Some(git()), fixture.root.path().join("snapshots"));
    let mut random = super::apply::Random(1);
    fixture.write("noise", (0..400_000).map(|_| u8::try_from(random.below(256)).unwrap()).collect::<Vec<u8>>());
    for (age, name) in [(3, "old"), (2, "newer"), (1, "newest")] {
        let store = snapshots.of(Path::new(name), "ann").unwrap();
        store.snapshot(&open(&fixture.work), "session", SnapshotKind::Start).await.unwrap();
        let clock = std::fs::File::options().write(true).open(store.directory.join("clock")).unwrap();
        let modified = clock.metadata().unwrap().modified().unwrap();
        clock.set_modified(modified - Duration::from_secs(age * 1000)).unwrap();
    }
    let kept = |name: &str| snapshots.of(Path::new(name), "ann").unwrap().directory.exists();
    let day = Duration::from_hours(24);
    assert_eq!(snapshots.remove_unused(day, u64::MAX).unwrap(), 0);
    // Room for two of three.
    let one: u64 = 400_000;
    assert_eq!(snapshots.remove_unused(day, one * 5 / 2).unwrap(), 1);
    assert_eq!((kept("old"), kept("newer"), kept("newest")), (false, true, true));
    // Those in use stay.
    let _used = snapshots.of(Path::new("newer"), "ann").unwrap();
    assert_eq!(snapshots.remove_unused(day, 0).unwrap(), 1);
    assert_eq!((kept("newer"), kept("newest")), (true, false));
}
