//! Directories that a hostile agent or repository has prepared.

use std::os::unix::fs::{MetadataExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::*;
use crate::workspace::git::Bounds;

/// All files of a directory, with content and times.
fn state(root: &Path) -> BTreeMap<PathBuf, (Vec<u8>, i64, i64, u32)> {
    let (mut state, mut directories) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            if metadata.is_dir() {
                directories.push(path.clone());
            }
            let content = std::fs::read(&path).unwrap_or_default();
            state.insert(path, (content, metadata.mtime(), metadata.mtime_nsec(), metadata.mode()));
        }
    }
    state
}

#[tokio::test]
async fn the_agents_own_repository_is_not_touched() {
    let fixture = Fixture::new();
    git_in(&fixture.work, &["init", "--quiet"]);
    fixture.write("file", "1");
    git_in(&fixture.work, &["add", "."]);
    git_in(&fixture.work, &["commit", "--quiet", "-m", "one"]);
    fixture.write("file", "stashed");
    git_in(&fixture.work, &["stash", "--quiet"]);
    fixture.write("staged", "2");
    git_in(&fixture.work, &["add", "staged"]);
    fixture.write("file", "dirty");
    let before = state(&fixture.work);
    let start = fixture.start().await;
    fixture.store.patch(TreeId::EMPTY, start.tree, None).await.unwrap();
    assert_eq!(state(&fixture.work), before);
    assert_eq!(fixture.paths(&start), ["file", "staged"]);
}

/// Everything that a configuration can make git run leaves a file when it runs.
#[tokio::test]
async fn a_hostile_repository_runs_nothing() {
    let fixture = Fixture::new();
    let canary = fixture.root.path().join("canary");
    let program = fixture.root.path().join("program");
    std::fs::write(&program, format!("#!/bin/sh\necho \"$0 $*\" >> {}\ncat\n", canary.display())).unwrap();
    set_mode(&program, 0o755);
    let program = program.display();
    git_in(&fixture.work, &["init", "--quiet"]);
    fixture.write("file", "1");
    git_in(&fixture.work, &["add", "."]);
    let config = format!(
        "[core]\n\tfsmonitor = {program}\n\thooksPath = {0}/hooks\n\tpager = {program}\n\tsshCommand = {program}\n\tattributesFile = {0}/attributes\n\
         \teditor = {program}\n\taskPass = {program}\n\tgitProxy = {program}\n\talternateRefsCommand = {program}\n\
         [diff]\n\texternal = {program}\n[diff \"x\"]\n\tcommand = {program}\n\ttextconv = {program}\n\
         [filter \"x\"]\n\tclean = {program}\n\tsmudge = {program}\n\tprocess = {program}\n\trequired = true\n\
         [credential]\n\thelper = {program}\n[gpg]\n\tprogram = {program}\n[include]\n\tpath = {0}/more\n\
         [uploadpack]\n\tpackObjectsHook = {program}\n[extensions]\n\tpartialClone = origin\n\
         [remote \"origin\"]\n\turl = ext::{program}\n\tpromisor = true\n",
        fixture.root.path().display()
    );
    let inner = fixture.work.join("inner");
    std::fs::create_dir(&inner).unwrap();
    git_in(&inner, &["init", "--quiet"]);
    for repository in [&fixture.work, &inner] {
        let mut text = std::fs::read_to_string(repository.join(".git/config")).unwrap();
        text.push_str(&config);
        std::fs::write(repository.join(".git/config"), text).unwrap();
    }
    fixture.write(".gitattributes", "* filter=x diff=x\n");
    fixture.write("inner/.gitattributes", "* filter=x diff=x\n");
    fixture.write("inner/file", "1");
    std::fs::create_dir(fixture.root.path().join("hooks")).unwrap();
    for hook in ["post-index-change", "pre-commit", "reference-transaction", "post-checkout"] {
        std::fs::copy(fixture.root.path().join("program"), fixture.root.path().join("hooks").join(hook)).unwrap();
    }
    fixture.write("link/.git", "gitdir: ../.git\n");
    fixture.write("link/file", "2");

    let start = fixture.start().await;
    fixture.write("file", "2");
    fixture.write("inner/file", "2");
    let later = fixture.later().await;
    let changes = fixture.store.changes(start.tree, later.tree).await.unwrap();
    assert_eq!(changes.files.len(), 2);
    fixture.store.patch(start.tree, later.tree, None).await.unwrap();
    assert!(!canary.exists(), "{}", std::fs::read_to_string(&canary).unwrap());

    // The canary lives: the git of a user would have run it.
    let _ = Command::new("git").arg("-C").arg(&fixture.work).arg("status").output().unwrap();
    assert!(canary.exists());
}

#[tokio::test]
async fn links_are_stored_as_links() {
    let fixture = Fixture::new();
    let outside = fixture.root.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("secret"), "secret").unwrap();
    symlink(&outside, fixture.work.join("directory")).unwrap();
    symlink(outside.join("secret"), fixture.work.join("file")).unwrap();
    symlink("/dev/zero", fixture.work.join("endless")).unwrap();
    symlink(outside.join("secret"), fixture.work.join(".gitignore")).unwrap();
    output(Command::new("mkfifo").arg(fixture.work.join("pipe")));
    let content = fixture.content(&fixture.start().await);
    assert_eq!(content.keys().collect::<Vec<_>>(), [".gitignore", "directory", "endless", "file"]);
    assert_eq!(content["file"], outside.join("secret").as_os_str().as_encoded_bytes());
    assert!(content.values().all(|content| content != b"secret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_becomes_a_link_while_it_is_read_is_not_followed() {
    let fixture = Fixture::new();
    let secret = fixture.root.path().join("secret");
    std::fs::create_dir(&secret).unwrap();
    std::fs::write(secret.join("file"), "secret").unwrap();
    let stop = std::sync::Arc::new(AtomicBool::new(false));
    let swapping = {
        let (work, secret, stop) = (fixture.work.clone(), secret.clone(), std::sync::Arc::clone(&stop));
        std::thread::spawn(move || {
            let (new, directory) = (work.join(".new"), work.join("directory"));
            while !stop.load(Ordering::Relaxed) {
                std::fs::write(&new, "plain").unwrap();
                std::fs::rename(&new, work.join("file")).unwrap();
                symlink(secret.join("file"), &new).unwrap();
                std::fs::rename(&new, work.join("file")).unwrap();
                std::fs::create_dir(&directory).unwrap();
                std::fs::write(directory.join("file"), "plain").unwrap();
                std::fs::remove_dir_all(&directory).unwrap();
                symlink(&secret, &directory).unwrap();
                std::fs::remove_file(&directory).unwrap();
            }
        })
    };
    for _ in 0..100 {
        let snapshot = fixture.later().await;
        for content in fixture.content(&snapshot).values() {
            assert_ne!(content, b"secret");
        }
    }
    stop.store(true, Ordering::Relaxed);
    swapping.join().unwrap();
}

/// A program in place of git, which does what the script says.
fn fake(fixture: &Fixture, script: &str) -> Git {
    let path = fixture.root.path().join("git");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    set_mode(&path, 0o755);
    Git::at(path)
}

#[tokio::test]
async fn git_gets_nothing_from_the_environment_of_the_server_and_its_errors_are_short() {
    let fixture = Fixture::new();
    let bounds = Bounds { time: Duration::from_mins(1), output: 10_000 };
    let env = fake(&fixture, "exec env").run(fixture.root.path(), &["x"], bounds).await.unwrap();
    let env = String::from_utf8(env).unwrap();
    assert!(!env.contains("CARGO") && env.contains("GIT_CONFIG_GLOBAL=/dev/null"), "{env}");
    let failed = fake(&fixture, "head -c 1000000 /dev/zero >&2; exit 3").run(fixture.root.path(), &["x"], bounds).await;
    assert!(matches!(failed, Err(GitError::Failed(error)) if error.len() < 10_000));
}

#[test]
fn git_is_not_looked_up_in_relative_directories() {
    assert!(Git::find(std::ffi::OsStr::new(".:bin:")).is_none());
}
