//! Reverts: random edits, and the tree of any earlier turn.

use std::os::fd::AsFd;
use std::os::unix::fs::symlink;

use super::apply::{Random, edit};
use super::*;
use crate::workspace::restore;

impl Fixture {
    async fn revert(&self, to: TreeId, paths: &[&str]) -> Reverted {
        let paths: Vec<_> = paths.iter().map(|path| FilePath::parse(path).unwrap()).collect();
        self.store.revert(&open(&self.work), "session", to, &paths).await.unwrap()
    }
}

#[tokio::test]
async fn after_random_edits_each_earlier_turn_is_restored_exactly_and_a_revert_is_undone() {
    for seed in 0..12 {
        let (fixture, mut random) = (Fixture::new(), Random(seed));
        let mut turns = vec![fixture.start().await.tree];
        for _ in 0..4 {
            for _ in 0..random.below(12) {
                edit(&fixture.work, &mut random);
            }
            turns.push(fixture.later().await.tree);
        }
        for _ in 0..2 {
            let to = turns[random.below(turns.len())];
            let reverted = fixture.revert(to, &[]).await;
            assert_eq!((reverted.after, reverted.untouched_total), (to, 0), "seed {seed}");
            // What another session sees, without an index.
            let copy = fixture.root.path().join("copy");
            output(Command::new("cp").arg("-a").arg(&fixture.work).arg(&copy));
            let seen = fixture.store.snapshot(&open(&copy), &format!("copy{seed}"), SnapshotKind::Start).await.unwrap();
            assert_eq!(seen.tree, to, "seed {seed}");
            std::fs::remove_dir_all(&copy).unwrap();
            assert!(fixture.store.remembers("session", reverted.before).unwrap());
            let undone = fixture.revert(reverted.before, &[]).await;
            assert_eq!((undone.after, undone.before), (reverted.before, to), "seed {seed}");
        }
    }
}

/// A server that is killed has removed some files, written others, and left one that was being written.
#[tokio::test]
async fn an_interrupted_revert_is_completed_by_repeating_it() {
    for seed in 0..10 {
        let (fixture, mut random) = (Fixture::new(), Random(seed));
        for _ in 0..15 {
            edit(&fixture.work, &mut random);
        }
        let start = fixture.start().await.tree;
        for _ in 0..20 {
            edit(&fixture.work, &mut random);
        }
        let now = fixture.later().await.tree;
        let (git, repository) = (git(), fixture.root.path().join("store/repository"));
        let differences = restore::differences(&git, &repository, now, start, &[]).await.unwrap();
        let sizes = restore::sizes(&git, &repository, &differences).await.unwrap();
        let done = &differences[..random.below(differences.len() + 1)];
        let root = open(&fixture.work);
        restore::remove(root.as_fd(), done).unwrap();
        let contents = restore::contents(&git, &repository, done, &sizes).await.unwrap();
        restore::place(root.as_fd(), done, &contents).unwrap();
        fixture.write(".openrunner-tmp-0123456789abcdef", "part");
        assert_eq!(fixture.revert(start, &[]).await.after, start, "seed {seed}");
    }
}

#[tokio::test]
async fn files_that_no_snapshot_contains_are_left_as_they_are() {
    let fixture = Fixture::new();
    fixture.write("kept.log", "first");
    fixture.write("build", "a file");
    fixture.write("dir/file", "1");
    let start = fixture.start().await.tree;
    // From here on ignored, with a directory in the place of a file.
    fixture.write(".gitignore", "*.log\n/out/\nbuild/\ndir/ignored\n");
    fixture.write("x.log", "log");
    fixture.write("out/app", "app");
    fixture.remove("build");
    fixture.write("build/app", "app");
    fixture.write("dir/ignored", "ignored");
    fixture.remove("dir/file");
    fixture.write("new/file", "new");
    // A new run: the ignored files are no longer part of the snapshots.
    fixture.start().await;
    fixture.write("kept.log", "second");
    let reverted = fixture.revert(start, &[]).await;
    let read = |path: &str| std::fs::read_to_string(fixture.work.join(path)).unwrap();
    assert_eq!(read("x.log") + &read("out/app") + &read("build/app") + &read("dir/ignored"), "logappappignored");
    assert_eq!((read("kept.log"), read("dir/file")), ("second".to_owned(), "1".to_owned()));
    assert!(!fixture.work.join("new").exists() && !fixture.work.join(".gitignore").exists());
    let untouched: BTreeMap<_, _> = reverted.untouched.iter().map(|left| (&*left.path, left.reason)).collect();
    let reason = UntouchedReason::NotRecorded;
    assert_eq!(untouched, BTreeMap::from([("build", reason), ("kept.log", reason)]));
}

#[tokio::test]
async fn empty_directories_give_way_to_a_file_and_others_do_not() {
    let fixture = Fixture::new();
    for file in ["empty", "repository", "deep"] {
        fixture.write(file, "file");
    }
    let start = fixture.start().await.tree;
    for (file, directory) in
        [("empty", "empty/a/b"), ("repository", "repository/a/.git"), ("deep", &*("deep".to_owned() + &"/x".repeat(100)))]
    {
        fixture.remove(file);
        std::fs::create_dir_all(fixture.work.join(directory)).unwrap();
    }
    let reverted = fixture.revert(start, &[]).await;
    assert_eq!(reverted.untouched.iter().map(|left| &*left.path).collect::<Vec<_>>(), ["deep", "repository"]);
    assert_eq!(std::fs::read_to_string(fixture.work.join("empty")).unwrap(), "file");
    assert!(fixture.work.join("repository/a/.git").is_dir());
}

#[tokio::test]
async fn a_revert_can_be_limited_to_paths() {
    let fixture = Fixture::new();
    for file in ["a/1", "a/2", "ab", "*"] {
        fixture.write(file, "before");
    }
    let start = fixture.start().await.tree;
    for file in ["a/1", "ab", "*", "a/new"] {
        fixture.write(file, "after");
    }
    fixture.remove("a/2");
    let reverted = fixture.revert(start, &["a", "*"]).await;
    assert_eq!((reverted.files, reverted.untouched_total), (4, 0));
    let read = |path: &str| std::fs::read_to_string(fixture.work.join(path)).unwrap();
    assert_eq!((read("a/1"), read("a/2"), read("*"), read("ab")), ("before".into(), "before".into(), "before".into(), "after".into()));
    assert!(!fixture.work.join("a/new").exists());
}

#[tokio::test]
async fn modes_and_links_are_restored_and_repositories_are_not_touched() {
    let fixture = Fixture::new();
    git_in(&fixture.work, &["init", "--quiet"]);
    fixture.write("script", "#!/bin/sh\n");
    set_mode(&fixture.work.join("script"), 0o750);
    symlink("script", fixture.work.join("link")).unwrap();
    let start = fixture.start().await.tree;
    let head = std::fs::read(fixture.work.join(".git/config")).unwrap();
    set_mode(&fixture.work.join("script"), 0o640);
    fixture.remove("link");
    symlink("/etc/passwd", fixture.work.join("link")).unwrap();
    fixture.later().await;
    assert_eq!(fixture.revert(start, &[]).await.after, start);
    assert_eq!(fixture.work.join("script").metadata().unwrap().permissions().mode() & 0o777, 0o750);
    assert_eq!(std::fs::read_link(fixture.work.join("link")).unwrap(), Path::new("script"));
    assert_eq!(std::fs::read(fixture.work.join(".git/config")).unwrap(), head);
}

#[tokio::test]
async fn a_directory_that_was_replaced_by_a_link_is_restored_and_nothing_is_changed_outside() {
    let fixture = Fixture::new();
    fixture.write("dir/file", "inside");
    let start = fixture.start().await.tree;
    let outside = fixture.root.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("file"), "outside").unwrap();
    std::fs::remove_dir_all(fixture.work.join("dir")).unwrap();
    symlink(&outside, fixture.work.join("dir")).unwrap();
    assert_eq!(fixture.revert(start, &[]).await.after, start);
    assert_eq!(std::fs::read_to_string(outside.join("file")).unwrap(), "outside");
    assert_eq!(std::fs::read_to_string(fixture.work.join("dir/file")).unwrap(), "inside");
}

#[tokio::test]
async fn without_the_snapshot_nothing_is_changed() {
    let fixture = Fixture::new();
    fixture.write("file", "1");
    fixture.start().await;
    fixture.write("file", "2");
    let unknown = "1".repeat(40).parse().unwrap();
    let failed = fixture.store.revert(&open(&fixture.work), "session", unknown, &[]).await;
    assert!(matches!(failed, Err(SnapshotError::Git(_))));
    assert_eq!(std::fs::read_to_string(fixture.work.join("file")).unwrap(), "2");
}
