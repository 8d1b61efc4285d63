//! Starts shims.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::process::Stdio;

use tokio::net::UnixStream;
use tokio::process::Command;
use tokio::sync::{mpsc, oneshot};

use super::WorkingDir;
use super::launch::Launcher;
use super::shim::{CommandSender, ProcessDir, ReportReceiver, begin};

/// Starts shims from one dedicated thread: forking a large process is slow and must not block the runtime.
///
/// Cloning gives another handle. A shim outlives every handle, and the server.
#[derive(Clone, Debug)]
pub struct Spawner {
    requests: mpsc::Sender<Request>,
    launcher: Launcher,
}

#[derive(Debug)]
struct Request {
    dir: ProcessDir,
    working_dir: WorkingDir,
    answer: oneshot::Sender<io::Result<std::os::unix::net::UnixStream>>,
}

impl Spawner {
    /// Starts the thread. Must be called on a tokio runtime, which has to outlive it.
    ///
    /// # Errors
    /// If the system cannot create a thread.
    pub fn new(launcher: Launcher) -> io::Result<Self> {
        // Requests are served one at a time; eight may wait before callers wait for capacity.
        let (requests, mut inbox) = mpsc::channel::<Request>(8);
        let (runtime, in_thread) = (tokio::runtime::Handle::current(), launcher.clone());
        std::thread::Builder::new().name("spawner".into()).spawn(move || {
            let _entered = runtime.enter();
            while let Some(Request { dir, working_dir, answer }) = inbox.blocking_recv() {
                // If the caller is gone, the connection is dropped, and a shim without a start command exits.
                let _ = answer.send(start(&in_thread, &dir, &working_dir));
            }
        })?;
        Ok(Self { requests, launcher })
    }

    /// The file mode mask of agents.
    pub fn umask(&self) -> u32 {
        self.launcher.umask()
    }

    /// What starts the agents.
    pub fn launcher(&self) -> &Launcher {
        &self.launcher
    }

    /// Starts a shim that stores its files in the directory, which is created, and whose agent works in `working_dir`. The shim waits for a
    /// start command, and exits if the connection is closed first.
    ///
    /// # Errors
    /// If the directory exists or cannot be created, or if the system cannot create a process (process limit, descriptors, memory).
    pub async fn spawn(&self, dir: ProcessDir, working_dir: WorkingDir) -> io::Result<(CommandSender, ReportReceiver)> {
        let (answer, answered) = oneshot::channel();
        let gone = || io::Error::other("the spawn thread has ended");
        self.requests.send(Request { dir, working_dir, answer }).await.map_err(|_| gone())?;
        let stream = answered.await.map_err(|_| gone())??;
        stream.set_nonblocking(true)?;
        Ok(begin(UnixStream::from_std(stream)?))
    }
}

fn start(launcher: &Launcher, dir: &ProcessDir, working_dir: &WorkingDir) -> io::Result<std::os::unix::net::UnixStream> {
    let mut builder = std::fs::DirBuilder::new();
    builder.mode(0o700);
    if let Some(above) = dir.path().parent() {
        builder.recursive(true).create(above)?;
    }
    // Fails if it exists: files of an earlier start belong to that one.
    builder.recursive(false).create(dir.path())?;
    builder.create(dir.temp())?;
    // As the system's directory for temporary files: root's programs may change to other accounts. The directory above is private.
    std::fs::set_permissions(dir.temp(), std::fs::Permissions::from_mode(0o1777))?;
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    let mut command = Command::from(launcher.shim(dir));
    command
        .env_clear()
        .current_dir(working_dir.handle_path())
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // Not stored: the shim outlives the server, and the runtime reaps it when it exits.
    let shim = command.spawn()?;
    // Before the start command, so that the agent inherits it.
    if let Some(id) = shim.id() {
        launcher.restore_limits(id);
    }
    Ok(ours)
}
