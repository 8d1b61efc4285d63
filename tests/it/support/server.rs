//! The real server, as a process.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::Client;

/// `postgres` runs the tests with PostgreSQL instead of the database in the data directory. Those that look into that directory fail then.
#[cfg(feature = "postgres")]
const TEST_STORE: &str = "OPENRUNNER_TEST_STORE";

/// A directory in which `bin/claude` is the scripted agent.
fn fake_agents(directory: &Path) -> PathBuf {
    let agents = directory.join("agents");
    std::fs::create_dir_all(agents.join("bin")).expect("a directory for agents");
    let link = agents.join("bin/claude");
    if !link.exists() {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_fake_agent"), link).expect("a link to the scripted agent");
    }
    agents
}

/// The test's directory and that of the scripted agent.
fn agent_paths(directory: &Path) -> String {
    let agent = Path::new(env!("CARGO_BIN_EXE_fake_agent")).parent().expect("a path of a file");
    std::env::join_paths([directory, agent]).expect("paths without a colon").into_string().expect("UTF-8")
}

/// The directory of a server and its successors. Agents outlive their servers, but not this.
struct Directory(TempDir);

impl Drop for Directory {
    fn drop(&mut self) {
        for pid in super::process::shims_in(&self.0.path().join("data/runs")) {
            // It may have exited by now.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// A server to be started: its directory and its complete environment.
pub(crate) struct Setup {
    directory: Arc<Directory>,
    env: BTreeMap<String, String>,
    shell: Option<String>,
    listener: Option<Arc<TcpListener>>,
}

impl Setup {
    /// A server with its own directories, the scripted agent as `claude`, and timeouts short enough for tests.
    pub(crate) fn new() -> Self {
        let directory = Arc::new(Directory(tempfile::tempdir().expect("a directory of its own")));
        let path = directory.0.path();
        let env = [
            ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
            ("HOME", path.join("home").display().to_string()),
            ("OPENRUNNER_ADDR", "127.0.0.1:0".to_owned()),
            ("OPENRUNNER_DATA_DIR", path.join("data").display().to_string()),
            ("OPENRUNNER_AGENTS_DIR", fake_agents(path).display().to_string()),
            // Isolated agents have a `/tmp` of their own, and may see of this one what belongs to the test.
            ("OPENRUNNER_AGENT_PATHS", agent_paths(path)),
            ("OPENRUNNER_MAX_RUNS", "8".to_owned()),
            ("OPENRUNNER_STOP_GRACE_SECS", "1".to_owned()),
            ("OPENRUNNER_EXIT_GRACE_SECS", "1".to_owned()),
        ];
        std::fs::create_dir(path.join("home")).expect("a home");
        let setup =
            Self { env: env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(), directory, shell: None, listener: None };
        #[cfg(feature = "postgres")]
        if std::env::var(TEST_STORE).is_ok_and(|store| store == "postgres") {
            return setup.env("OPENRUNNER_DATABASE_URL", super::postgres::new_database().expect("PostgreSQL"));
        }
        setup
    }

    /// Sets an environment variable.
    pub(crate) fn env(mut self, name: &str, value: impl Display) -> Self {
        self.env.insert(name.to_owned(), value.to_string());
        self
    }

    /// Adds the agent `plain`, which takes a prompt and nothing else.
    pub(crate) fn with_plain_agent(self) -> Self {
        let settings = self.directory().join("plain.toml");
        std::fs::write(&settings, "[agents.plain]\nprotocol = \"text\"\ncommand = [\"/bin/cat\"]\n").expect("a settings file");
        self.env("OPENRUNNER_CONFIG", settings.display())
    }

    /// Replaces the scripted agent by this shell script, in which `$AGENT` is the path of the scripted agent.
    pub(crate) fn agent_script(self, script: &str) -> Self {
        use std::os::unix::fs::PermissionsExt;

        let path = self.directory().join("agents/bin/claude");
        std::fs::remove_file(&path).expect("the link to the scripted agent");
        std::fs::write(&path, format!("#!/bin/sh\nAGENT='{}'\n{script}\n", env!("CARGO_BIN_EXE_fake_agent"))).expect("a script");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("the test owns it");
        self
    }

    /// Starts the server from a shell that has run this script.
    pub(crate) fn after_shell(mut self, script: &str) -> Self {
        self.shell = Some(script.to_owned());
        self
    }

    /// Starts the server as a service manager with socket activation would. The socket is passed as the standard input of the shell.
    pub(crate) fn on_socket(self, listener: &Arc<TcpListener>) -> Self {
        let handing = "exec 3<&0 0</dev/null; LISTEN_FDS=1; LISTEN_PID=$$; export LISTEN_FDS LISTEN_PID";
        Self { listener: Some(Arc::clone(listener)), ..self.after_shell(handing) }
    }

    /// The directory that contains everything of the server.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.0.path()
    }

    /// Starts the server and waits until it is ready.
    pub(crate) async fn start(self) -> Server {
        let mut server = self.launch();
        let mut state = server.log.state.clone();
        let ready = state.wait_for(|state| state.address.is_some() || state.ended).await.expect("the log's reader").clone();
        let Some(address) = ready.address else { panic!("the server did not start") };
        server.address = address;
        server
    }

    /// Starts the server, which must fail, and returns its exit status and output.
    pub(crate) async fn fails_to_start(self) -> (ExitStatus, String) {
        let mut server = self.launch();
        let status = server.child.wait().await.expect("the server is a child process");
        server.log.state.clone().wait_for(|state| state.ended).await.expect("the log's reader");
        (status, server.log())
    }

    fn launch(self) -> Server {
        let program = env!("CARGO_BIN_EXE_openrunner");
        let mut command = match &self.shell {
            None => Command::new(program),
            Some(script) => {
                let mut command = Command::new("/bin/sh");
                command.arg("-c").arg(format!("{script}; exec \"$0\"")).arg(program);
                command
            }
        };
        let stdin = match &self.listener {
            None => Stdio::null(),
            Some(listener) => OwnedFd::from(listener.try_clone().expect("a descriptor")).into(),
        };
        command.env_clear().envs(&self.env).stdin(stdin).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("the server's binary");
        let stderr = child.stderr.take().and_then(|stderr| stderr.into_owned_fd().ok()).expect("the server's stderr");
        Server { child, log: Log::read(stderr.into()), setup: self, address: String::new() }
    }
}

/// A server process. Dropping it kills it, and prints its log if the test has failed.
pub(crate) struct Server {
    child: Child,
    log: Log,
    setup: Setup,
    address: String,
}

impl Server {
    /// A server with the usual settings.
    pub(crate) async fn start() -> Self {
        Setup::new().start().await
    }

    /// `http://address` without a trailing slash.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("the log names a port")
    }

    /// A client without a token.
    pub(crate) fn guest(&self) -> Client {
        Client::new(self.url(), None)
    }

    /// A client logged in as one of the default users.
    pub(crate) async fn client(&self, name: &str) -> Client {
        self.guest().login(name, name).await
    }

    /// Its data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.directory().join("data")
    }

    /// The directory that contains everything of the server.
    pub(crate) fn directory(&self) -> &Path {
        self.setup.directory()
    }

    /// An environment variable of the server, if it is set.
    pub(crate) fn setting(&self, name: &str) -> Option<&str> {
        self.setup.env.get(name).map(String::as_str)
    }

    /// Its log so far.
    pub(crate) fn log(&self) -> String {
        self.log.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether its agents are isolated.
    pub(crate) fn isolates(&self) -> bool {
        !self.log().contains("agents are not isolated")
    }

    /// Waits until the log contains this text.
    pub(crate) async fn logs(&self, words: &str) {
        let mut state = self.log.state.clone();
        while !self.log().contains(words) {
            state.changed().await.unwrap_or_else(|_| panic!("the server ended without logging {words:?}"));
        }
    }

    /// Its pid.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("it has not been waited for")
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid().cast_signed()).expect("a process has a pid");
        kill_process(pid, signal).expect("it is alive");
    }

    /// Waits for its exit: the exit code or, as a negative number, the signal.
    pub(crate) async fn ended(&mut self) -> i32 {
        let status = self.child.wait().await.expect("the server is a child process");
        self.log.state.clone().wait_for(|state| state.ended).await.expect("the log's reader");
        status.code().unwrap_or_else(|| -status.signal().unwrap_or(0))
    }

    /// A server with the same directory and settings, to be started.
    pub(crate) fn again(&self) -> Setup {
        let Setup { directory, env, shell, listener } = &self.setup;
        Setup { directory: Arc::clone(directory), env: env.clone(), shell: shell.clone(), listener: listener.clone() }
    }

    /// Kills it with SIGKILL and starts its successor.
    pub(crate) async fn killed_and_started_again(mut self) -> Self {
        self.signal(Signal::KILL);
        assert_eq!(self.ended().await, -9);
        self.again().start().await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- log of the server on {}:\n{}---", self.address, self.log());
        }
    }
}

/// The server's standard error, read by a dedicated thread.
struct Log {
    text: Arc<Mutex<String>>,
    state: watch::Receiver<LogState>,
}

/// What has been parsed from it.
#[derive(Clone, Default)]
struct LogState {
    lines: u64,
    address: Option<String>,
    ended: bool,
}

impl Log {
    fn read(stderr: std::fs::File) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let (tell, state) = watch::channel(LogState::default());
        let written = Arc::clone(&text);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut text = written.lock().unwrap_or_else(PoisonError::into_inner);
                text.push_str(&line);
                text.push('\n');
                drop(text);
                // In text format, or as JSON.
                let ready = ["openrunner is ready address=", "\"openrunner is ready\",\"address\":\""];
                let rest = ready.iter().find_map(|ready| Some(line.split_once(ready)?.1));
                let address = rest.and_then(|rest| rest.split([' ', '"']).next());
                tell.send_modify(|state| {
                    state.lines += 1;
                    state.address = state.address.take().or(address.map(str::to_owned));
                });
            }
            tell.send_modify(|state| state.ended = true);
        });
        Self { text, state }
    }
}
