//! Clones: copies of remote repositories, from which worktrees are made.
//!
//! Each remote repository has one bare copy per user in the data directory, which the user's sessions share: it contains the work that they
//! commit. Git is given the addresses of the host, which
//! were checked before, follows no redirect, speaks one protocol, and gets credentials from the operator's helper only.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{DirBuilder, File};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::Mutex as Lock;

use super::git::{Bounds, Git, GitContext, GitError};

/// Time for all objects to arrive, or to be sent.
const TRANSFER: Bounds = Bounds { time: Duration::from_mins(10), output: 64 * 1024 };

/// The oldest version of git that connects to a given address.
const MIN_VERSION: (u32, u32) = (2, 37);

/// Settings that win over the usual ones.
const SETTINGS: [&str; 8] = [
    "http.followRedirects=false",
    "http.proxy=",
    "http.cookieFile=",
    "http.saveCookies=false",
    "http.sslVerify=true",
    "credential.useHttpPath=true",
    // The branch of a session may be the only place of its work.
    "core.fsync=all",
    "core.fsyncMethod=fsync",
];

/// The file whose time tells when something was fetched last.
const FETCHED: &str = "fetched";

/// What is fetched: the default branch, all branches and all tags.
const REFS: [&str; 3] = ["+HEAD:refs/remotes/origin/HEAD", "+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"];

/// A remote repository, as it is to be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Its URL: `https` or `http`, without a user.
    pub url: String,
    /// The protocol of the URL.
    pub protocol: &'static str,
    /// The host of the URL with its port, such as `example.org:443`; `None` if it is an address itself.
    pub host: Option<String>,
    /// The addresses of the host. Git connects to no other.
    pub addresses: Vec<SocketAddr>,
    /// The program that knows the credentials.
    pub credentials: Option<PathBuf>,
}

/// Why a repository was not cloned, or a branch not pushed.
#[derive(Debug, thiserror::Error)]
pub enum CloneError {
    /// Git is missing.
    #[error("the server makes no clones: git is not installed, or OPENRUNNER_CHANGES is off")]
    Unavailable,
    /// Git is too old.
    #[error("the server makes no clones: git is older than {}.{}", MIN_VERSION.0, MIN_VERSION.1)]
    TooOld,
    /// The path of the helper is no UTF-8, or contains characters that a shell reads.
    #[error("the path of the credential helper contains special characters")]
    BadHelper,
    /// Git failed.
    #[error("{0}")]
    Git(#[from] GitError),
    /// The data directory cannot be used.
    #[error("the data directory cannot be used: {0}")]
    Io(#[from] io::Error),
}

/// The clones of a server. Clones of this value are handles to the same.
#[derive(Clone, Debug)]
pub struct Clones {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    git: Option<Git>,
    directory: PathBuf,
    /// The locks of the clones in use. Others are forgotten.
    locks: Mutex<HashMap<PathBuf, Weak<Lock<()>>>>,
}

impl Clones {
    /// Clones below `directory`; none without git.
    pub fn new(git: Option<Git>, directory: PathBuf) -> Self {
        Self { inner: Arc::new(Inner { git, directory, locks: Mutex::default() }) }
    }

    /// Whether clones can be made.
    pub fn are_made(&self) -> bool {
        self.inner.git.is_some()
    }

    /// The directory of a user's clone of a URL, whether it exists or not.
    fn path(&self, url: &str, user: &str) -> PathBuf {
        let digest = Sha256::digest(format!("{user}\n{url}").as_bytes());
        let name = digest.iter().take(16).fold(String::new(), |mut name, byte| {
            let _ = write!(name, "{byte:02x}");
            name
        });
        self.inner.directory.join(name)
    }

    /// Brings a user's clone of a remote repository up to date, and makes it if it does not exist. Branches of sessions in it stay. Dropping the
    /// future leaves it usable. Returns its directory.
    ///
    /// # Errors
    /// [`CloneError`], by cause.
    pub async fn fetch(&self, remote: &Remote, user: &str) -> Result<PathBuf, CloneError> {
        let path = self.path(&remote.url, user);
        let lock = self.lock(&path);
        let _fetching = lock.lock().await;
        let created = path.clone();
        let created = tokio::task::spawn_blocking(move || create(&created)).await;
        created.unwrap_or_else(|died| Err(io::Error::other(died)))?;
        let args = ["fetch", "--quiet", "--prune", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--", &remote.url];
        let args: Vec<&str> = args.into_iter().chain(REFS).collect();
        self.run(remote, &path, &args).await?;
        Ok(path)
    }

    /// Pushes a branch of a user's clone, given by its full name, to the same name. Nothing is overwritten there.
    ///
    /// # Errors
    /// [`CloneError`], by cause.
    pub async fn push(&self, remote: &Remote, user: &str, branch: &str) -> Result<(), CloneError> {
        let refspec = format!("{branch}:{branch}");
        let args = ["push", "--quiet", "--no-verify", "--no-recurse-submodules", "--no-follow-tags", "--", &remote.url, &refspec];
        self.run(remote, &self.path(&remote.url, user), &args).await
    }

    /// Removes the clones that no worktree uses and from which none was made for `age`. `used` are the repositories of worktrees. Blocking.
    /// Returns their number.
    ///
    /// # Errors
    /// If they cannot be listed or removed.
    pub fn remove_unused(&self, age: Duration, used: &[PathBuf]) -> io::Result<usize> {
        let entries = match std::fs::read_dir(&self.inner.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            entries => entries?,
        };
        let mut removed = 0;
        for entry in entries {
            let path = entry?.path();
            let fetched = path.join(FETCHED).metadata().and_then(|file| file.modified());
            let is_old = fetched.is_ok_and(|fetched| fetched.elapsed().is_ok_and(|elapsed| elapsed > age));
            let canonical = path.canonicalize()?;
            // Held until it is removed: no fetch begins meanwhile.
            let locks = self.inner.locks.lock().unwrap_or_else(PoisonError::into_inner);
            let is_locked = locks.get(&path).is_some_and(|lock| lock.strong_count() > 0);
            if is_old && !is_locked && !used.contains(&canonical) {
                std::fs::remove_dir_all(&path)?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    async fn run(&self, remote: &Remote, path: &Path, args: &[&str]) -> Result<(), CloneError> {
        let git = self.inner.git.as_ref().ok_or(CloneError::Unavailable)?;
        check_version(git, path).await?;
        let Remote { url: _, protocol, host, addresses, credentials } = remote;
        let addresses: Vec<String> = addresses
            .iter()
            .map(|address| match address {
                SocketAddr::V4(address) => address.ip().to_string(),
                SocketAddr::V6(address) => format!("[{}]", address.ip()),
            })
            .collect();
        let mut own = vec![format!("protocol.{protocol}.allow=always")];
        // Git asks nothing else for the address.
        own.extend(host.as_ref().map(|host| format!("http.curloptResolve={host}:{}", addresses.join(","))));
        if let Some(helper) = credentials {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+');
            let helper = helper.to_str().filter(|path| path.chars().all(is_plain)).ok_or(CloneError::BadHelper)?;
            own.push(format!("credential.helper={helper}"));
        }
        let settings: Vec<&str> = SETTINGS.into_iter().chain(own.iter().map(String::as_str)).collect();
        let env = [("GIT_ALLOW_PROTOCOL", OsString::from(protocol))];
        let context = GitContext { repository: path, dir: path, env: &env, settings: &settings };
        match git.run_in(&context, args, TRANSFER, None).await {
            // Without advice for people at a terminal.
            Err(GitError::Failed(text)) => {
                let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("hint:")).collect();
                Err(GitError::Failed(lines.join("; ")).into())
            }
            done => Ok(done.map(drop)?),
        }
    }

    fn lock(&self, path: &Path) -> Arc<Lock<()>> {
        let mut locks = self.inner.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks.retain(|_path, lock| lock.strong_count() > 0);
        let lock = locks.get(path).and_then(Weak::upgrade).unwrap_or_default();
        locks.insert(path.to_owned(), Arc::downgrade(&lock));
        lock
    }
}

/// Creates an empty repository unless it exists, and marks it as used. Blocking.
fn create(path: &Path) -> io::Result<()> {
    if path.join("HEAD").exists() {
        return std::fs::write(path.join(FETCHED), "");
    }
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    for directory in ["objects/pack", "objects/info", "refs/heads", "refs/tags"] {
        builder.create(path.join(directory))?;
    }
    std::fs::write(path.join(FETCHED), "")?;
    std::fs::write(path.join("config"), "[core]\n\trepositoryformatversion = 0\n\tbare = true\n")?;
    // Last: it makes the repository one.
    std::fs::write(path.join("HEAD"), "ref: refs/heads/none\n")?;
    File::open(path)?.sync_all()
}

/// An older git would ignore the address, and resolve the host again.
async fn check_version(git: &Git, path: &Path) -> Result<(), CloneError> {
    let bounds = Bounds { time: Duration::from_secs(10), output: 1024 };
    let answer = git.run(path, &["version"], bounds).await?;
    let text = String::from_utf8_lossy(&answer);
    let mut numbers = text.trim_start_matches("git version ").split('.').map_while(|number| number.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version < MIN_VERSION { Err(CloneError::TooOld) } else { Ok(()) }
}
