//! The server under test, with folders of its own and the scripted agents.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tempfile::TempDir;

use super::client::Client;
use super::process::{self, Watch};
use crate::agent::Name;
use crate::script::Script;

/// How long a server may take to become healthy or to end.
const PATIENCE: Duration = Duration::from_mins(1);

/// What all servers of a benchmark have in common.
#[derive(Clone, Debug)]
pub(super) struct Site {
    /// The server's program.
    pub(super) program: PathBuf,
    /// Where the folders of the servers are made.
    pub(super) dir: PathBuf,
    /// In its `bin` are the scripted agents.
    pub(super) agents: PathBuf,
}

impl Site {
    /// Puts the scripted agents into `dir` as well.
    pub(super) fn new(program: PathBuf, dir: PathBuf) -> anyhow::Result<Self> {
        let agents = dir.join("agents");
        fs::create_dir_all(agents.join("bin"))?;
        for (_, name) in Name::ALL {
            // A link would do, but then the system would show this program's name for each of them.
            fs::copy(std::env::current_exe()?, agents.join("bin").join(name))?;
        }
        Ok(Self { program, dir, agents })
    }

    /// The scripted `claude`.
    pub(super) fn claude(&self) -> PathBuf {
        self.agents.join("bin/claude")
    }
}

/// A server process. Dropping it kills it.
pub(super) struct Server {
    child: Child,
    site: Site,
    folder: Arc<TempDir>,
    pub(super) address: SocketAddrV4,
    /// From the start of the process to the first good answer.
    pub(super) healthy_after: Duration,
    watch: Watch,
}

impl Server {
    /// Starts one with nothing in its folders.
    pub(super) fn start(site: &Site) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(&site.dir)?;
        fs::create_dir(folder.path().join("home"))?;
        Self::start_in(site, Arc::new(folder))
    }

    fn start_in(site: &Site, folder: Arc<TempDir>) -> anyhow::Result<Self> {
        let address = free_address()?;
        let path = folder.path();
        let log = File::options().create(true).append(true).open(path.join("log"))?;
        let mut command = Command::new(&site.program);
        command.arg("serve").env_clear();
        for (name, value) in [
            ("PATH", "/usr/local/bin:/usr/bin:/bin".into()),
            ("HOME", path.join("home").into_os_string()),
            ("OPENRUNNER_ADDR", address.to_string().into()),
            ("OPENRUNNER_DATA_DIR", path.join("data").into_os_string()),
            ("OPENRUNNER_AGENTS_DIR", site.agents.clone().into_os_string()),
            ("OPENRUNNER_MAX_RUNS", "2000".into()),
            ("OPENRUNNER_MAX_QUEUE", "20000".into()),
            // Agents are to go with their server, whatever the default. Variables that a release does not know it does not mind.
            ("OPENRUNNER_ON_SHUTDOWN", "stop".into()),
            ("OPENRUNNER_MAX_CONNECTIONS", "16000".into()),
            ("OPENRUNNER_MAX_STREAMS_PER_USER", "16000".into()),
        ] {
            command.env(name, value);
        }
        let begun = Instant::now();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn()?;
        if let Err(error) = await_health(address, &mut child, begun) {
            let _ = child.kill();
            return Err(error.context(fs::read_to_string(path.join("log")).unwrap_or_default()));
        }
        let healthy_after = begun.elapsed();
        let watch = Watch::begin(child.id(), site.program.clone())?;
        Ok(Self { child, site: site.clone(), folder, address, healthy_after, watch })
    }

    /// Ends it and starts another in its place.
    pub(super) fn restart(mut self) -> anyhow::Result<Self> {
        self.stop()?;
        Self::start_in(&self.site, Arc::clone(&self.folder))
    }

    fn stop(&mut self) -> anyhow::Result<()> {
        let pid = Pid::from_raw(self.pid().cast_signed()).context("a process has a number")?;
        kill_process(pid, Signal::TERM)?;
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                bail!("the server does not end");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A folder for whatever a scenario needs beside the server.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn client(&self) -> anyhow::Result<Client> {
        Client::login(self.address)
    }

    /// Resident memory now, in bytes.
    pub(super) fn memory(&self) -> anyhow::Result<u64> {
        process::resident(self.pid()).context("the server is gone")
    }

    /// Processor time so far, in seconds: of the server, and of the processes that it keeps beside its agents.
    pub(super) fn cpu(&self) -> anyhow::Result<Cpu> {
        Ok(Cpu { server: process::cpu(self.pid()).context("the server is gone")?, helpers: self.watch.cpu() })
    }

    /// Processes that it keeps beside its agents.
    pub(super) fn helpers(&self) -> Vec<u32> {
        process::helpers(self.pid(), &self.site.program)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gently, so that its agents go with it; what does not, is ended.
        if self.stop().is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Processor time in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cpu {
    pub(super) server: f64,
    pub(super) helpers: f64,
}

impl Cpu {
    /// What was used since `earlier`.
    pub(super) fn since(self, earlier: Self) -> Self {
        Self { server: self.server - earlier.server, helpers: self.helpers - earlier.helpers }
    }
}

/// Asks for a run and gives its id.
pub(super) fn create(client: &mut Client, agent: &str, script: &Script) -> anyhow::Result<String> {
    let metadata = json!({ "agent_type": agent, "timeout_secs": 3600 });
    let run = client.post("/api/runs", &json!({ "input": { "text": script.prompt() }, "metadata": metadata }))?;
    Ok(run["run_id"].as_str().context("a run without an id")?.to_owned())
}

/// Where nobody listens at the moment.
fn free_address() -> anyhow::Result<SocketAddrV4> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    Ok(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
}

fn await_health(address: SocketAddrV4, child: &mut Child, begun: Instant) -> anyhow::Result<()> {
    loop {
        if Client::guest(address).and_then(|mut client| client.get("/health")).is_ok() {
            return Ok(());
        }
        if let Some(status) = child.try_wait()? {
            bail!("the server ended with {status}");
        }
        if begun.elapsed() > PATIENCE {
            bail!("the server did not become healthy");
        }
        std::thread::sleep(Duration::from_micros(500));
    }
}
