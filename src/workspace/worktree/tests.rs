//! Rules: S6, S9.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;
use crate::workspace::git::Git;
use crate::workspace::snapshots::Snapshots;

const BRANCH: &str = "refs/heads/openrunner/ses_1";

/// A user's repository, and the worktrees of a server.
struct Fixture {
    _root: tempfile::TempDir,
    path: PathBuf,
    worktrees: Worktrees,
}

impl Fixture {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().canonicalize().unwrap();
        let git = Git::find(&std::env::var_os("PATH").unwrap()).unwrap();
        let worktrees = worktrees(&path, git);
        let fixture = Self { _root: root, path, worktrees };
        std::fs::create_dir_all(fixture.repository()).unwrap();
        git_in(&fixture.repository(), &["init", "--quiet"]);
        fixture.write("file", "one\n");
        fixture.write("dir/run", "#!/bin/sh\n");
        std::fs::set_permissions(fixture.repository().join("dir/run"), std::fs::Permissions::from_mode(0o755)).unwrap();
        symlink("file", fixture.repository().join("link")).unwrap();
        fixture.commit_all("first");
        fixture
    }

    fn repository(&self) -> PathBuf {
        self.path.join("repository")
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.repository().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    fn commit_all(&self, message: &str) {
        git_in(&self.repository(), &["add", "--force", "."]);
        git_in(&self.repository(), &["commit", "--quiet", "-m", message]);
    }

    fn open(&self) -> Result<Repository, RepositoryError> {
        Repository::open(&self.repository(), |_| false)
    }

    fn resolve(&self, name: &str) -> Result<CommitId, RepositoryError> {
        self.open()?.resolve(&name.parse().unwrap())
    }

    fn directory(&self, name: &str) -> PathBuf {
        self.path.join("workspaces").join(name)
    }

    async fn ensure(&self, name: &str, from: &str) -> Result<ReadyWorktree, WorktreeError> {
        let directory = self.directory(name);
        std::fs::create_dir_all(&directory).unwrap();
        let repository = self.open()?;
        let branch = format!("refs/heads/openrunner/{name}");
        let source = WorktreeSource { repository: repository.path().to_owned(), branch, base: repository.resolve(&from.parse().unwrap())? };
        self.worktrees.ensure(name.to_owned(), directory, source).await
    }

    async fn commit(&self, name: &str) -> Result<Committed, WorktreeError> {
        let message = CommitMessage { text: "The work\n".into(), author: "Ann".into(), email: "ann@example.com".into() };
        self.worktrees.commit(name, &self.directory(name), "ann", &message).await
    }

    async fn is_dirty(&self, name: &str) -> bool {
        let state = self.worktrees.state(name, &self.directory(name), "ann").await.unwrap();
        state.has_changes || state.skipped_total > 0
    }

    /// What the user's git says.
    fn git(&self, args: &[&str]) -> String {
        git_in(&self.repository(), args)
    }
}

fn worktrees(path: &Path, git: Git) -> Worktrees {
    let snapshots = Snapshots::new(Some(git.clone()), path.join("snapshots"));
    Worktrees::new(Some(git), snapshots, path.join("worktrees"))
}

/// Runs git as a user does in a directory, and returns its output.
fn git_in(directory: &Path, args: &[&str]) -> String {
    let identity =
        ["-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "init.defaultBranch=main", "-c", "protocol.file.allow=always"];
    let mut command = Command::new("git");
    command.arg("-C").arg(directory).args(identity).args(args).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    let output = command.env_remove("GIT_DIR").output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// All files of a directory with their content.
fn state(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut state, mut directories) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.symlink_metadata().unwrap().is_dir() {
                directories.push(path.clone());
            }
            state.insert(path.clone(), std::fs::read(&path).unwrap_or_default());
        }
    }
    state
}

#[tokio::test]
async fn a_worktree_has_the_files_of_the_commit_and_git_works_in_it() {
    let fixture = Fixture::new();
    fixture.write("file", "two\n");
    fixture.commit_all("second");
    fixture.git(&["tag", "-a", "-m", "tag", "v1", "HEAD~1"]);
    let ready = fixture.ensure("ses_1", "v1").await.unwrap();
    assert_eq!((ready.objects.path(), ready.port_base), (&*fixture.repository().join(".git/objects"), 20_000));
    let directory = fixture.directory("ses_1");
    assert_eq!(std::fs::read_to_string(directory.join("file")).unwrap(), "one\n");
    assert_eq!(std::fs::read_link(directory.join("link")).unwrap(), Path::new("file"));
    assert_ne!(std::fs::metadata(directory.join("dir/run")).unwrap().permissions().mode() & 0o100, 0);
    assert_eq!(git_in(&directory, &["status", "--porcelain"]), "");
    assert_eq!(git_in(&directory, &["symbolic-ref", "HEAD"]), BRANCH);
    assert_eq!(git_in(&directory, &["diff", "--stat", "main", "--", "file"]).lines().count(), 2);
    std::fs::write(directory.join("file"), "three\n").unwrap();
    git_in(&directory, &["commit", "--quiet", "-a", "-m", "by the agent"]);
    assert_eq!(git_in(&directory, &["log", "--format=%s"]), "by the agent\nfirst");
    assert_eq!(fixture.git(&["rev-parse", BRANCH]), fixture.git(&["rev-parse", "HEAD~1"]), "the user's branch is moved by the server only");
    assert_eq!(git_in(&directory, &["fsck", "--strict", "--no-dangling"]), "");
}

#[tokio::test]
async fn nothing_in_the_users_repository_changes_but_the_branch_and_objects() {
    let fixture = Fixture::new();
    fixture.write("file", "stashed");
    fixture.git(&["stash", "--quiet"]);
    fixture.write("staged", "2");
    fixture.git(&["add", "staged"]);
    fixture.write("file", "dirty");
    let before = state(&fixture.repository());
    fixture.ensure("ses_1", "HEAD").await.unwrap();
    let directory = fixture.directory("ses_1");
    std::fs::write(directory.join("file"), "work\n").unwrap();
    git_in(&directory, &["config", "core.hooksPath", "/nowhere"]);
    git_in(&directory, &["stash", "--quiet"]);
    git_in(&directory, &["stash", "pop", "--quiet"]);
    git_in(&directory, &["tag", "mine"]);
    fixture.commit("ses_1").await.unwrap();
    let after = state(&fixture.repository());
    for (path, content) in &before {
        assert_eq!(after.get(path), Some(content), "{}", path.display());
    }
    let git_dir = fixture.repository().join(".git");
    for path in after.keys().filter(|path| !before.contains_key(*path)) {
        let is_expected = path.starts_with(git_dir.join("objects/pack")) || path.starts_with(git_dir.join("refs/heads/openrunner"));
        assert!(is_expected, "{}", path.display());
    }
    assert_eq!(fixture.git(&["fsck", "--strict"]), "");
}

#[tokio::test]
async fn the_work_is_committed_on_the_branch_with_ignored_and_large_files_as_they_were() {
    let fixture = Fixture::new();
    fixture.write(".gitignore", "*.log\n");
    fixture.write("kept.log", "log\n");
    fixture.write("removed.log", "log\n");
    std::fs::write(fixture.repository().join("large"), vec![b'x'; 11 * 1024 * 1024]).unwrap();
    fixture.commit_all("large and ignored");
    fixture.ensure("ses_1", "main").await.unwrap();
    assert!(!fixture.is_dirty("ses_1").await);
    let same = fixture.commit("ses_1").await.unwrap();
    assert_eq!((same.is_new, same.commit.to_string()), (false, fixture.git(&["rev-parse", "main"])));
    let directory = fixture.directory("ses_1");
    std::fs::write(directory.join("file"), "work\n").unwrap();
    std::fs::write(directory.join("new"), "new\n").unwrap();
    std::fs::write(directory.join("other.log"), "ignored\n").unwrap();
    std::fs::remove_file(directory.join("link")).unwrap();
    std::fs::remove_file(directory.join("removed.log")).unwrap();
    assert!(fixture.is_dirty("ses_1").await);
    let committed = fixture.commit("ses_1").await.unwrap();
    assert_eq!((committed.is_new, committed.skipped_total), (true, 0));
    assert_eq!(fixture.git(&["rev-parse", BRANCH]), committed.commit.to_string());
    let changes = fixture.git(&["diff", "--name-status", "main", BRANCH]);
    assert_eq!(changes.lines().collect::<Vec<_>>(), ["M\tfile", "D\tlink", "A\tnew", "D\tremoved.log"]);
    assert_eq!(fixture.git(&["log", "-1", "--format=%an %ae %cn %s", BRANCH]), "Ann ann@example.com OpenRunner The work");
    assert!(!fixture.is_dirty("ses_1").await);
    std::fs::write(directory.join("file"), "more\n").unwrap();
    fixture.commit("ses_1").await.unwrap();
    assert_eq!(fixture.git(&["rev-list", "--count", &format!("main..{BRANCH}")]), "2");
    // An ignored file that the branch contains.
    std::fs::write(directory.join("kept.log"), "changed\n").unwrap();
    assert!(fixture.is_dirty("ses_1").await);
    fixture.commit("ses_1").await.unwrap();
    assert_eq!(fixture.git(&["show", &format!("{BRANCH}:kept.log")]), "changed");
    assert!(!fixture.is_dirty("ses_1").await);
    // A file that has become large since.
    std::fs::write(directory.join("new"), vec![b'x'; 11 * 1024 * 1024]).unwrap();
    assert!(fixture.is_dirty("ses_1").await);
    std::fs::write(directory.join("new"), "new\n").unwrap();
    assert!(!fixture.is_dirty("ses_1").await);
    // A large one, whose change no commit contains, is work that would be lost; and so is a new one.
    std::fs::write(directory.join("large"), vec![b'y'; 11 * 1024 * 1024]).unwrap();
    assert!(fixture.is_dirty("ses_1").await);
    assert_eq!(fixture.commit("ses_1").await.unwrap().skipped[0].path, "large");
    std::fs::write(directory.join("large"), vec![b'x'; 11 * 1024 * 1024]).unwrap();
    assert!(!fixture.is_dirty("ses_1").await);
    std::fs::write(directory.join("huge"), vec![b'x'; 11 * 1024 * 1024]).unwrap();
    assert!(fixture.is_dirty("ses_1").await);
    assert_eq!(fixture.commit("ses_1").await.unwrap().skipped[0].path, "huge");
    assert_eq!(fixture.git(&["fsck", "--strict"]), "");
}

#[tokio::test]
async fn submodules_stay_in_the_commit() {
    let fixture = Fixture::new();
    let other = fixture.path.join("other");
    std::fs::create_dir(&other).unwrap();
    git_in(&other, &["init", "--quiet"]);
    git_in(&other, &["commit", "--quiet", "--allow-empty", "-m", "other"]);
    fixture.git(&["submodule", "--quiet", "add", other.to_str().unwrap(), "sub"]);
    fixture.commit_all("submodule");
    fixture.ensure("ses_1", "HEAD").await.unwrap();
    assert!(!fixture.is_dirty("ses_1").await);
    let directory = fixture.directory("ses_1");
    std::fs::write(directory.join("sub/inside"), "x").unwrap();
    std::fs::write(directory.join("file"), "work\n").unwrap();
    fixture.commit("ses_1").await.unwrap();
    assert_eq!(fixture.git(&["diff", "--name-status", "main", BRANCH]), "M\tfile");
}

#[tokio::test]
async fn two_worktrees_of_one_repository_do_not_see_each_other() {
    let fixture = Fixture::new();
    let (one, two) = tokio::join!(fixture.ensure("ses_1", "main"), fixture.ensure("ses_2", "main"));
    assert_ne!(one.unwrap().port_base, two.unwrap().port_base);
    std::fs::write(fixture.directory("ses_1").join("file"), "work of the first\n").unwrap();
    git_in(&fixture.directory("ses_1"), &["commit", "--quiet", "-a", "-m", "secret plan"]);
    git_in(&fixture.directory("ses_1"), &["tag", "mine"]);
    let second = fixture.directory("ses_2");
    assert_eq!(std::fs::read_to_string(second.join("file")).unwrap(), "one\n");
    assert_eq!(git_in(&second, &["for-each-ref", "--format=%(refname)"]), "refs/heads/main\nrefs/heads/openrunner/ses_2");
    fixture.commit("ses_1").await.unwrap();
    assert!(!fixture.is_dirty("ses_2").await);
    assert_eq!(fixture.git(&["rev-parse", "refs/heads/openrunner/ses_2"]), fixture.git(&["rev-parse", "main"]));
}

/// Everything that a configuration can make git run leaves a file when it runs.
#[tokio::test]
async fn a_hostile_repository_runs_nothing_and_leaks_nothing() {
    let fixture = Fixture::new();
    let canary = fixture.path.join("canary");
    let program = fixture.path.join("program");
    std::fs::write(&program, format!("#!/bin/sh\necho \"$0 $*\" >> {}\ncat\n", canary.display())).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    fixture.write("text.u", "text $Id$\n");
    fixture.commit_all("text");
    fixture.write(".gitattributes", "* filter=x diff=x ident eol=crlf\n*.u working-tree-encoding=UTF-16\n");
    fixture.write(".gitmodules", "[submodule \"x\"]\n\tpath = x\n\turl = ext::sh -c touch%20canary\n\tupdate = !touch canary\n");
    fixture.git(&["add", ".gitattributes", ".gitmodules"]);
    fixture.git(&["commit", "--quiet", "-m", "hostile"]);
    let hooks = fixture.repository().join(".git/hooks");
    std::fs::create_dir_all(&hooks).unwrap();
    for hook in
        ["post-checkout", "reference-transaction", "pre-commit", "post-commit", "post-index-change", "pre-auto-gc", "fsmonitor-watchman"]
    {
        std::fs::copy(&program, hooks.join(hook)).unwrap();
    }
    let (program, config) = (program.display(), fixture.repository().join(".git/config"));
    let hostile = format!(
        "[core]\n\tfsmonitor = {program}\n\thooksPath = {hooks}\n\tpager = {program}\n\tsshCommand = {program}\n\teditor = {program}\n\
         \talternateRefsCommand = {program}\n\tworktree = /\n[filter \"x\"]\n\tclean = {program}\n\tsmudge = {program}\n\tprocess = {program}\n\trequired = true\n\
         [diff]\n\texternal = {program}\n[diff \"x\"]\n\tcommand = {program}\n\ttextconv = {program}\n[credential]\n\thelper = {program}\n\
         [include]\n\tpath = {0}/secret\n[extensions]\n\tpartialClone = origin\n[remote \"origin\"]\n\turl = ext::{program}\n\tpromisor = true\n",
        fixture.path.display(),
        hooks = hooks.display(),
    );
    std::fs::write(fixture.path.join("secret"), "[user]\n\tname = SECRET\n").unwrap();
    std::fs::write(&config, std::fs::read_to_string(&config).unwrap() + &hostile).unwrap();
    fixture.ensure("ses_1", "main").await.unwrap();
    let directory = fixture.directory("ses_1");
    assert_eq!(std::fs::read_to_string(directory.join("text.u")).unwrap(), "text $Id$\n");
    std::fs::write(directory.join("file"), "work\n").unwrap();
    // What the agent may have prepared for the server.
    std::fs::write(directory.join(".git/config"), std::fs::read_to_string(&config).unwrap()).unwrap();
    std::fs::write(directory.join(".git/objects/info/alternates"), "/nowhere\n").unwrap();
    fixture.commit("ses_1").await.unwrap();
    fixture.worktrees.forget("ses_1").await.unwrap();
    assert!(!canary.exists(), "{}", std::fs::read_to_string(&canary).unwrap());
    for (path, content) in state(&directory).iter().filter(|(path, _)| !path.ends_with(".git/config")) {
        assert!(!String::from_utf8_lossy(content).contains("SECRET"), "{}", path.display());
    }
    // The canary lives: the git of a user would have run it.
    let _ = Command::new("git").arg("-C").arg(fixture.repository()).arg("status").output().unwrap();
    assert!(canary.exists());
}

#[tokio::test]
async fn a_repository_that_leads_elsewhere_is_refused() {
    let fixture = Fixture::new();
    let (other, git_dir) = (fixture.path.join("other"), fixture.repository().join(".git"));
    std::fs::create_dir(&other).unwrap();
    git_in(&other, &["init", "--quiet"]);
    git_in(&other, &["commit", "--quiet", "--allow-empty", "-m", "secret"]);
    let link = fixture.path.join("link");
    std::fs::create_dir(&link).unwrap();
    std::fs::write(link.join(".git"), format!("gitdir: {}\n", other.join(".git").display())).unwrap();
    assert!(matches!(Repository::open(&link, |_| false), Err(RepositoryError::NotAllowed)));
    assert!(Repository::open(&link, |path| path == other.join(".git")).is_ok());
    std::fs::write(link.join(".git"), "gitdir: /dev/zero\n").unwrap();
    assert!(Repository::open(&link, |_| true).is_err());
    std::fs::remove_file(link.join(".git")).unwrap();
    symlink(other.join(".git"), link.join(".git")).unwrap();
    assert!(matches!(Repository::open(&link, |_| false), Err(RepositoryError::NotAllowed)));
    // A branch that is a link.
    symlink(other.join(".git/refs/heads/main"), git_dir.join("refs/heads/linked")).unwrap();
    assert!(fixture.resolve("linked").is_err());
    std::fs::write(git_dir.join("refs/heads/up"), "ref: ../../../other/.git/HEAD\n").unwrap();
    assert!(matches!(fixture.resolve("up"), Err(RepositoryError::NoRef(_))));
    // A worktree of the user's own works, if its repository is permitted.
    let own = fixture.path.join("own");
    fixture.git(&["worktree", "add", "--quiet", own.to_str().unwrap(), "-b", "own"]);
    assert!(matches!(Repository::open(&own, |_| false), Err(RepositoryError::NotAllowed)));
    assert_eq!(Repository::open(&own, |path| path.starts_with(&git_dir)).unwrap().path(), git_dir);
    // The object store of another repository.
    std::fs::write(git_dir.join("objects/info/alternates"), format!("{}\n", other.join(".git/objects").display())).unwrap();
    assert!(matches!(fixture.open(), Err(RepositoryError::Unsupported(_))));
    std::fs::remove_file(git_dir.join("objects/info/alternates")).unwrap();
    symlink(other.join(".git/objects"), git_dir.join("objects/ff0")).unwrap();
    assert!(matches!(fixture.open(), Err(RepositoryError::Unsupported(_))));
    std::fs::remove_file(git_dir.join("objects/ff0")).unwrap();
    std::fs::rename(git_dir.join("objects"), fixture.path.join("objects")).unwrap();
    symlink(fixture.path.join("objects"), git_dir.join("objects")).unwrap();
    assert!(matches!(fixture.open(), Err(RepositoryError::Unsupported(_))));
    assert!(matches!(Repository::open(&fixture.path, |_| true), Err(RepositoryError::NotARepository)));
}

#[tokio::test]
async fn branches_tags_and_commits_are_found_by_name_also_if_they_are_packed() {
    let fixture = Fixture::new();
    fixture.git(&["branch", "feature/ü"]);
    fixture.git(&["tag", "v1"]);
    fixture.git(&["update-ref", "refs/remotes/origin/main", "HEAD"]);
    let head = fixture.git(&["rev-parse", "HEAD"]);
    for _ in 0..2 {
        for name in ["HEAD", "main", "feature/ü", "v1", "origin/main", "refs/tags/v1", &head] {
            assert_eq!(fixture.resolve(name).unwrap().to_string(), head, "{name}");
        }
        assert!(matches!(fixture.resolve("nothing"), Err(RepositoryError::NoRef(_))));
        fixture.git(&["pack-refs", "--all"]);
    }
    let bare = fixture.path.join("bare");
    fixture.git(&["clone", "--quiet", "--bare", ".", bare.to_str().unwrap()]);
    assert_eq!(Repository::open(&bare, |_| false).unwrap().resolve(&"main".parse().unwrap()).unwrap().to_string(), head);
    let empty = fixture.path.join("empty");
    std::fs::create_dir(&empty).unwrap();
    git_in(&empty, &["init", "--quiet"]);
    assert!(matches!(Repository::open(&empty, |_| false).unwrap().resolve(&"HEAD".parse().unwrap()), Err(RepositoryError::NoRef(_))));
}

#[tokio::test]
async fn nothing_is_left_of_a_worktree_that_cannot_be_made() {
    let fixture = Fixture::new();
    let before = state(&fixture.repository());
    let missing = "0123456789012345678901234567890123456789";
    assert!(matches!(fixture.ensure("ses_1", missing).await, Err(WorktreeError::NotACommit(_))));
    assert_eq!(std::fs::read_dir(fixture.directory("ses_1")).unwrap().count(), 0);
    assert!(!fixture.worktrees.exists("ses_1"));
    assert_eq!(state(&fixture.repository()), before);
    // Files that belong to no known worktree.
    std::fs::write(fixture.directory("ses_1").join("work"), "work").unwrap();
    assert!(matches!(fixture.ensure("ses_1", "main").await, Err(WorktreeError::NotEmpty)));
    std::fs::remove_file(fixture.directory("ses_1").join("work")).unwrap();
    // A branch that is in the way.
    fixture.git(&["branch", "openrunner"]);
    assert!(matches!(fixture.ensure("ses_1", "main").await, Err(WorktreeError::Repository(_))));
    assert_eq!(std::fs::read_dir(fixture.directory("ses_1")).unwrap().count(), 0);
    assert!(!fixture.worktrees.exists("ses_1"));
}

#[tokio::test]
async fn a_worktree_that_was_not_completed_is_removed_by_the_next_server() {
    let fixture = Fixture::new();
    let base = fixture.ensure("ses_1", "main").await.unwrap();
    fixture.ensure("ses_2", "main").await.unwrap();
    // The server died before it was complete.
    let path = fixture.path.join("worktrees/ses_1.json");
    let record = std::fs::read_to_string(&path).unwrap().replace("true", "false");
    std::fs::write(&path, record).unwrap();
    let next = worktrees(&fixture.path, Git::find(&std::env::var_os("PATH").unwrap()).unwrap());
    next.repair(|_| true, |name| fixture.directory(name)).unwrap();
    assert_eq!(std::fs::read_dir(fixture.directory("ses_1")).unwrap().count(), 0);
    assert!(!next.exists("ses_1") && next.exists("ses_2"));
    assert_eq!(fixture.git(&["for-each-ref", "--format=%(refname)", "refs/heads/openrunner"]), "refs/heads/openrunner/ses_2");
    // The next run of the session makes it again.
    assert_eq!(fixture.ensure("ses_1", "main").await.unwrap(), base);
    // A session that is gone with its directory.
    std::fs::remove_dir_all(fixture.directory("ses_2")).unwrap();
    next.repair(|name| name != "ses_2", |name| fixture.directory(name)).unwrap();
    assert!(next.exists("ses_1") && !next.exists("ses_2"));
}

#[tokio::test]
async fn a_forgotten_worktree_leaves_a_branch_only_if_work_was_committed_and_frees_its_ports() {
    let fixture = Fixture::new();
    for name in ["ses_1", "ses_2"] {
        fixture.ensure(name, "main").await.unwrap();
    }
    std::fs::write(fixture.directory("ses_2").join("file"), "work\n").unwrap();
    fixture.commit("ses_2").await.unwrap();
    for name in ["ses_1", "ses_2"] {
        fixture.worktrees.forget(name).await.unwrap();
    }
    assert_eq!(fixture.git(&["for-each-ref", "--format=%(refname)", "refs/heads/openrunner"]), "refs/heads/openrunner/ses_2");
    assert_eq!(fixture.ensure("ses_3", "main").await.unwrap().port_base, 20_000);
    // A session that had committed work continues with it.
    std::fs::remove_dir_all(fixture.directory("ses_2")).unwrap();
    fixture.ensure("ses_2", "main").await.unwrap();
    assert_eq!(std::fs::read_to_string(fixture.directory("ses_2").join("file")).unwrap(), "work\n");
    fixture.worktrees.forget("ses_2").await.unwrap();
    assert_eq!(fixture.git(&["show", "refs/heads/openrunner/ses_2:file"]), "work", "forgotten again, it keeps its work");
}

#[tokio::test]
async fn a_repository_that_was_redirected_since_gets_no_commit() {
    let fixture = Fixture::new();
    fixture.ensure("ses_1", "main").await.unwrap();
    std::fs::write(fixture.directory("ses_1").join("file"), "work\n").unwrap();
    let (git_dir, moved) = (fixture.repository().join(".git"), fixture.path.join("moved"));
    std::fs::rename(&git_dir, &moved).unwrap();
    let before = state(&moved);
    symlink(&moved, &git_dir).unwrap();
    assert!(matches!(fixture.commit("ses_1").await, Err(WorktreeError::Repository(_))));
    std::fs::remove_file(&git_dir).unwrap();
    std::fs::create_dir(&git_dir).unwrap();
    std::fs::write(git_dir.join("commondir"), "../../moved\n").unwrap();
    std::fs::write(git_dir.join("HEAD"), "ref: refs/heads/main\n").unwrap();
    assert!(matches!(fixture.commit("ses_1").await, Err(WorktreeError::Repository(RepositoryError::NotAllowed))));
    assert_eq!(state(&moved), before);
}
