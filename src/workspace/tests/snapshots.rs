//! What a snapshot contains.

use super::*;
use crate::workspace::walk::Limits;

#[tokio::test]
async fn content_is_stored_byte_by_byte() {
    let fixture = Fixture::new();
    fixture.write(
        ".gitattributes",
        "* text=auto eol=lf\n*.lfs filter=lfs diff=lfs merge=lfs -text\n*.id ident\n*.enc working-tree-encoding=UTF-16\n",
    );
    fixture.write("crlf.txt", "one\r\ntwo\r\n");
    fixture.write("x.id", "$Id: 1$");
    fixture.write("x.enc", "plain");
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";
    fixture.write("big.lfs", pointer);
    fixture.write("new\nline", "");
    let content = fixture.content(&fixture.start().await);
    assert_eq!(content["crlf.txt"], b"one\r\ntwo\r\n");
    assert_eq!(content["x.id"], b"$Id: 1$");
    assert_eq!(content["x.enc"], b"plain");
    assert_eq!(content["big.lfs"], pointer.as_bytes());
    assert_eq!(content["new\nline"], b"");
}

#[tokio::test]
async fn a_second_snapshot_reads_what_has_changed_and_needs_no_git_if_nothing_has() {
    let fixture = Fixture::new();
    for file in 0..20 {
        fixture.write(&format!("d{}/f{file}", file % 3), format!("{file}"));
    }
    let first = fixture.start().await;
    assert_eq!(first.files, 20);
    // Until the last change is in the past by the clock of the file system: only then is a file known to be unchanged.
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert_eq!(fixture.later().await, first);
    let without_git = SnapshotStore::new(Git::at("/nonexistent/git".into()), fixture.root.path().join("store"));
    let later = without_git.snapshot(&open(&fixture.work), "session", SnapshotKind::Later).await.unwrap();
    assert_eq!(later, first);
    // Another session begins with what is known.
    assert_eq!(without_git.snapshot(&open(&fixture.work), "other", SnapshotKind::Start).await.unwrap(), first);
    fixture.write("d0/f0", "changed");
    assert!(matches!(
        without_git.snapshot(&open(&fixture.work), "session", SnapshotKind::Later).await,
        Err(SnapshotError::Git(GitError::Io(_)))
    ));
    let later = fixture.later().await;
    let changes = fixture.store.changes(first.tree, later.tree).await.unwrap();
    assert_eq!(changes.files.iter().map(|file| &*file.path).collect::<Vec<_>>(), ["d0/f0"]);
}

#[tokio::test]
async fn a_change_of_the_same_size_right_after_a_snapshot_is_seen() {
    let fixture = Fixture::new();
    for round in 0..30 {
        fixture.write("file", format!("{:03}", round * 2));
        let before = fixture.later().await;
        fixture.write("file", format!("{:03}", round * 2 + 1));
        assert_ne!(fixture.later().await.tree, before.tree, "round {round}");
    }
}

#[tokio::test]
async fn ignored_files_are_left_out_until_they_are_known() {
    let fixture = Fixture::new();
    fixture.write(".gitignore", "*.log\nbuild/\n!keep.log\n");
    fixture.write("sub/.gitignore", "/local\n");
    for path in ["x.log", "keep.log", "build/out", "sub/local", "sub/deep/local", "src/build", "src/x"] {
        fixture.write(path, path);
    }
    std::fs::create_dir_all(fixture.work.join(".git/info")).unwrap();
    fixture.write(".git/info/exclude", "/private\n");
    fixture.write("private", "");
    let start = fixture.start().await;
    let kept = [".gitignore", "keep.log", "src/build", "src/x", "sub/.gitignore", "sub/deep/local"];
    assert_eq!(fixture.paths(&start), kept);

    // A file of the start that is ignored now was not deleted, and its changes count.
    fixture.write(".gitignore", "*\n");
    fixture.write("src/x", "changed");
    fixture.write("new", "");
    fixture.remove("keep.log");
    let later = fixture.later().await;
    let changes = fixture.store.changes(start.tree, later.tree).await.unwrap();
    let found: Vec<_> = changes.files.iter().map(|file| (&*file.path, file.status)).collect();
    let modified = ChangeStatus::Modified;
    assert_eq!(found, [(".gitignore", modified), ("keep.log", ChangeStatus::Deleted), ("src/x", modified)]);
    // The next run starts without it.
    assert_eq!(fixture.start().await.files, 0);
}

#[tokio::test]
async fn large_files_and_directories_are_skipped_with_their_names() {
    let mut fixture = Fixture::new();
    let limits = Limits { file_size: 100, directory_entries: 5, ..Limits::default() };
    fixture.store = fixture.store.with_limits(limits);
    fixture.write("big", [0; 101]);
    fixture.write("small", [0; 100]);
    for file in 0..6 {
        fixture.write(&format!("many/{file}"), "");
    }
    let start = fixture.start().await;
    assert_eq!(fixture.paths(&start), ["small"]);
    let skipped: BTreeMap<_, _> = start.skipped.iter().map(|skipped| (&*skipped.path, skipped.reason)).collect();
    assert_eq!(skipped, BTreeMap::from([("big", SkipReason::TooLarge), ("many", SkipReason::TooManyEntries)]));

    // They are not added files when they get smaller, and a file that gets too large is not a deleted one.
    fixture.write("big", "less");
    fixture.remove("many/0");
    fixture.write("small", [0; 101]);
    let later = fixture.later().await;
    assert_eq!((later.tree, later.skipped_total), (start.tree, 3));
    fixture.write("small", [1; 3]);
    let changes = fixture.store.changes(start.tree, fixture.later().await.tree).await.unwrap();
    assert_eq!(changes.files.iter().map(|file| &*file.path).collect::<Vec<_>>(), ["small"]);
    assert_eq!(fixture.start().await.files, 7);
}

#[tokio::test]
async fn too_many_files_are_an_error_that_names_the_remedy() {
    let mut fixture = Fixture::new();
    fixture.store = fixture.store.with_limits(Limits { files: 3, ..Limits::default() });
    for file in 0..4 {
        fixture.write(&format!("{file}"), "");
    }
    let error = fixture.store.snapshot(&open(&fixture.work), "session", SnapshotKind::Start).await.unwrap_err();
    assert!(error.to_string().contains(".gitignore"), "{error}");
}

#[tokio::test]
async fn nested_repositories_and_submodules_are_directories_like_others() {
    let fixture = Fixture::new();
    git_in(&fixture.work, &["init", "--quiet"]);
    let inner = fixture.work.join("inner");
    std::fs::create_dir(&inner).unwrap();
    git_in(&inner, &["init", "--quiet"]);
    fixture.write("inner/file", "1");
    git_in(&inner, &["add", "."]);
    git_in(&inner, &["commit", "--quiet", "-m", "x"]);
    git_in(&fixture.work, &["add", "."]);
    let start = fixture.start().await;
    assert_eq!(fixture.paths(&start), ["inner/file"]);
    fixture.write("inner/file", "2");
    let changes = fixture.store.changes(start.tree, fixture.later().await.tree).await.unwrap();
    assert_eq!((changes.files.len(), changes.insertions, changes.deletions), (1, 1, 1));
}

#[tokio::test]
async fn an_unreadable_file_is_skipped() {
    let fixture = Fixture::new();
    fixture.write("file", "");
    fixture.write("secret", "");
    set_mode(&fixture.work.join("secret"), 0);
    if std::fs::read(fixture.work.join("secret")).is_ok() {
        // Root reads everything.
        return;
    }
    let start = fixture.start().await;
    assert_eq!(start.skipped, [Skipped { path: "secret".into(), reason: SkipReason::Unreadable }]);
    assert_eq!(fixture.paths(&start), ["file"]);
}

#[tokio::test]
async fn a_damaged_store_is_made_again() {
    let fixture = Fixture::new();
    fixture.write("file", "1");
    let start = fixture.start().await;
    std::fs::remove_dir_all(fixture.root.path().join("store/repository/objects")).unwrap();
    std::fs::create_dir(fixture.root.path().join("store/repository/objects")).unwrap();
    fixture.write("other", "2");
    let later = fixture.later().await;
    assert_eq!(fixture.paths(&later), ["file", "other"]);
    // What is lost is an error.
    assert!(matches!(fixture.store.changes(start.tree, later.tree).await, Err(SnapshotError::Git(_))));
}

#[tokio::test]
async fn ten_thousand_files_are_found_and_a_deep_tree_is_no_problem() {
    let fixture = Fixture::new();
    for file in 0..10_000 {
        fixture.write(&format!("d{}/{file}", file % 100), format!("{file}"));
    }
    let mut deep = "x/".repeat(300);
    deep.push_str("file");
    fixture.write(&deep, "deep");
    let start = fixture.start().await;
    assert_eq!(start.files, 10_001);
    fixture.write("d7/7", "changed");
    let changes = fixture.store.changes(start.tree, fixture.later().await.tree).await.unwrap();
    assert_eq!(changes.files.len(), 1);
}
