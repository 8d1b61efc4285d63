//! Starts the shims that own agents.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::process::Stdio;

use tokio::net::UnixStream;
use tokio::process::Command;
use tokio::sync::{mpsc, oneshot};

use super::WorkingDir;
use super::launch::Launcher;
use super::shim::{CommandSender, ProcessDir, ReportReceiver, begin};

/// Starts shims, all from one thread of its own: a fork of a large process takes a while, and the runtime has others to serve.
///
/// Cloning gives another handle. A shim that was started outlives every handle, and the server.
#[derive(Clone, Debug)]
pub struct Spawner {
    requests: mpsc::Sender<Request>,
    umask: u32,
}

#[derive(Debug)]
struct Request {
    folder: ProcessDir,
    working_dir: WorkingDir,
    answer: oneshot::Sender<io::Result<std::os::unix::net::UnixStream>>,
}

impl Spawner {
    /// Starts the thread. Must be called on a tokio runtime, which has to outlive it.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn new(launcher: Launcher) -> io::Result<Self> {
        // One request at a time is carried out; eight may wait before callers wait to ask.
        let (requests, mut inbox) = mpsc::channel::<Request>(8);
        let (runtime, umask) = (tokio::runtime::Handle::current(), launcher.umask());
        std::thread::Builder::new().name("spawner".into()).spawn(move || {
            let _entered = runtime.enter();
            while let Some(Request { folder, working_dir, answer }) = inbox.blocking_recv() {
                // A caller that has gone drops the connection, and a shim that was told to start nothing goes, too.
                let _ = answer.send(start(&launcher, &folder, &working_dir));
            }
        })?;
        Ok(Self { requests, umask })
    }

    /// The file mode mask that agents are given.
    pub fn umask(&self) -> u32 {
        self.umask
    }

    /// Starts a shim that keeps its files in `folder`, which is made, and whose agent will work in `working_dir`. It waits to be told
    /// what to start, and goes if we do before we have told it.
    ///
    /// # Errors
    /// If the folder cannot be made or is there already, or the system cannot make a process (too many, no descriptors, no memory).
    pub async fn spawn(&self, folder: ProcessDir, working_dir: WorkingDir) -> io::Result<(CommandSender, ReportReceiver)> {
        let (answer, answered) = oneshot::channel();
        let gone = || io::Error::other("the spawning thread has ended");
        self.requests.send(Request { folder, working_dir, answer }).await.map_err(|_| gone())?;
        let stream = answered.await.map_err(|_| gone())??;
        stream.set_nonblocking(true)?;
        Ok(begin(UnixStream::from_std(stream)?))
    }
}

fn start(launcher: &Launcher, folder: &ProcessDir, working_dir: &WorkingDir) -> io::Result<std::os::unix::net::UnixStream> {
    let mut builder = std::fs::DirBuilder::new();
    builder.mode(0o700);
    if let Some(above) = folder.path().parent() {
        builder.recursive(true).create(above)?;
    }
    // Not one that is there: what an earlier start has left in it belongs to that.
    builder.recursive(false).create(folder.path())?;
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    let mut command = Command::from(launcher.shim(folder));
    command
        .env_clear()
        .current_dir(working_dir.by_handle())
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // Not kept: it is to live on without us, and the runtime takes its exit from the system when there is one.
    let shim = command.spawn()?;
    // Before it is told what to start, so its agent begins with it.
    if let Some(id) = shim.id() {
        launcher.settle(id);
    }
    Ok(ours)
}
