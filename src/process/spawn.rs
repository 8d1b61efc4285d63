//! Starts a process and holds its ends.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot};

use super::launch::Launcher;
use super::{Exit, Marker, Tree, WorkingDir};

/// What to start.
#[derive(Debug)]
pub struct ProcessSpec {
    /// Absolute path of the program.
    pub program: PathBuf,
    /// Its arguments, element by element.
    pub args: Vec<OsString>,
    /// Its whole environment: nothing is inherited.
    pub env: Vec<(OsString, OsString)>,
    /// Where it starts.
    pub working_dir: WorkingDir,
    /// How its descendants are known; added to the environment.
    pub marker: Marker,
}

/// A started process.
///
/// Dropping it kills the process itself, but not what that has started: call [`Process::tree`] and end that.
#[derive(Debug)]
pub struct Process {
    child: Child,
    tree: Tree,
}

/// Our ends of a process's pipes.
#[derive(Debug)]
pub struct Pipes {
    /// Its stdin.
    pub stdin: ChildStdin,
    /// Its stdout.
    pub stdout: ChildStdout,
    /// Its stderr.
    pub stderr: ChildStderr,
}

impl Process {
    /// Waits until the process itself has ended. May be called again, and may be dropped at any time.
    ///
    /// # Errors
    /// If the system does not tell, which it always does for a child of ours.
    pub async fn wait(&mut self) -> io::Result<Exit> {
        self.child.wait().await.map(Exit::from)
    }

    /// The process with everything that descends from it.
    pub fn tree(&self) -> Tree {
        self.tree.clone()
    }
}

/// Starts processes, all from one thread of its own.
///
/// The kernel ties "die with your parent" to the *thread* that forked, and the threads of the runtime come and go. Cloning gives
/// another handle; when the last one is dropped the thread ends and the processes that it started are killed.
#[derive(Clone, Debug)]
pub struct Spawner {
    requests: mpsc::Sender<Request>,
}

#[derive(Debug)]
struct Request {
    spec: ProcessSpec,
    answer: oneshot::Sender<io::Result<(Process, Pipes)>>,
}

impl Spawner {
    /// Starts the thread. Must be called on a tokio runtime, which has to outlive it.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn new(launcher: Launcher) -> io::Result<Self> {
        // One request at a time is carried out; eight may wait before callers wait to ask.
        let (requests, mut inbox) = mpsc::channel::<Request>(8);
        let runtime = tokio::runtime::Handle::current();
        std::thread::Builder::new().name("spawner".into()).spawn(move || {
            let _entered = runtime.enter();
            while let Some(Request { spec, answer }) = inbox.blocking_recv() {
                // A caller that has gone drops the process, which kills it.
                let _ = answer.send(start(&launcher, spec));
            }
        })?;
        Ok(Self { requests })
    }

    /// Starts a process.
    ///
    /// # Errors
    /// If the system cannot make a process (too many, no descriptors, no memory). A program that is not there is not an error here:
    /// its process ends at once with code [`super::launch::NOT_STARTED`] and says so on its stderr.
    pub async fn spawn(&self, spec: ProcessSpec) -> io::Result<(Process, Pipes)> {
        let (answer, answered) = oneshot::channel();
        let gone = || io::Error::other("the spawning thread has ended");
        self.requests.send(Request { spec, answer }).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

fn start(launcher: &Launcher, spec: ProcessSpec) -> io::Result<(Process, Pipes)> {
    let mut command = Command::from(launcher.command(&spec.program, &spec.args));
    command
        .env_clear()
        .envs(spec.env)
        .env("PWD", spec.working_dir.path())
        .env(Marker::VARIABLE, spec.marker.value())
        .current_dir(spec.working_dir.by_handle())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn()?;
    let pid = child.id().ok_or_else(|| io::Error::other("the process has no id"))?;
    let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take()) else {
        return Err(io::Error::other("the process has no pipes"));
    };
    Ok((Process { child, tree: Tree::new(pid.cast_signed(), spec.marker) }, Pipes { stdin, stdout, stderr }))
}
