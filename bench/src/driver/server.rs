//! The server under test, with its own directories and the scripted agents.

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
use super::proc_stats::{self, HelperSampler};
use crate::agent::AgentProgram;
use crate::script::Script;

/// How long a server may take to become healthy or to exit.
const TIMEOUT: Duration = Duration::from_mins(1);

/// What all servers of a benchmark share.
#[derive(Clone, Debug)]
pub(super) struct TestBed {
    /// The server's program.
    pub(super) program: PathBuf,
    /// Parent of the servers' directories.
    pub(super) directory: PathBuf,
    /// The agents directory, with the scripted agents in `bin`.
    pub(super) agents: PathBuf,
}

impl TestBed {
    /// Installs the scripted agents below `directory`.
    pub(super) fn new(program: PathBuf, directory: PathBuf) -> anyhow::Result<Self> {
        let agents = directory.join("agents");
        fs::create_dir_all(agents.join("bin"))?;
        for (_, name) in AgentProgram::ALL {
            // Copies rather than links, so that the system shows each under its own name.
            fs::copy(std::env::current_exe()?, agents.join("bin").join(name))?;
        }
        Ok(Self { program, directory, agents })
    }

    /// The scripted `claude`.
    pub(super) fn claude(&self) -> PathBuf {
        self.agents.join("bin/claude")
    }
}

/// A server process. Dropping it stops it.
pub(super) struct Server {
    child: Child,
    test_bed: TestBed,
    directory: Arc<TempDir>,
    pub(super) address: SocketAddrV4,
    /// From the start of the process to the first successful health check.
    pub(super) time_to_healthy: Duration,
    helper_sampler: HelperSampler,
}

impl Server {
    /// Starts a server with empty directories.
    pub(super) fn start(test_bed: &TestBed) -> anyhow::Result<Self> {
        let directory = tempfile::Builder::new().prefix("bench-").tempdir_in(&test_bed.directory)?;
        fs::create_dir(directory.path().join("home"))?;
        Self::start_in(test_bed, Arc::new(directory))
    }

    fn start_in(test_bed: &TestBed, directory: Arc<TempDir>) -> anyhow::Result<Self> {
        let address = free_address()?;
        let path = directory.path();
        let log = File::options().create(true).append(true).open(path.join("log"))?;
        let mut command = Command::new(&test_bed.program);
        command.arg("serve").env_clear();
        for (name, value) in [
            ("PATH", "/usr/local/bin:/usr/bin:/bin".into()),
            ("HOME", path.join("home").into_os_string()),
            ("OPENRUNNER_ADDR", address.to_string().into()),
            ("OPENRUNNER_DATA_DIR", path.join("data").into_os_string()),
            // The figures are about events. Isolation adds a constant to the start of an agent, see the scenario `isolation`.
            ("OPENRUNNER_ISOLATION", "none".into()),
            ("OPENRUNNER_AGENTS_DIR", test_bed.agents.clone().into_os_string()),
            ("OPENRUNNER_MAX_RUNS", "2000".into()),
            ("OPENRUNNER_MAX_QUEUE", "20000".into()),
            ("OPENRUNNER_MAX_QUEUE_PER_USER", "20000".into()),
            // Agents must exit with their server.
            ("OPENRUNNER_ON_SHUTDOWN", "stop".into()),
            ("OPENRUNNER_MAX_CONNECTIONS", "16000".into()),
            ("OPENRUNNER_MAX_STREAMS_PER_USER", "16000".into()),
        ] {
            command.env(name, value);
        }
        let started = Instant::now();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn()?;
        if let Err(error) = wait_until_healthy(address, &mut child, started) {
            let _ = child.kill();
            return Err(error.context(fs::read_to_string(path.join("log")).unwrap_or_default()));
        }
        let time_to_healthy = started.elapsed();
        let helper_sampler = HelperSampler::start(child.id(), test_bed.program.clone())?;
        Ok(Self { child, test_bed: test_bed.clone(), directory, address, time_to_healthy, helper_sampler })
    }

    /// Stops the server and starts another one in the same directories.
    pub(super) fn restart(mut self) -> anyhow::Result<Self> {
        self.stop()?;
        Self::start_in(&self.test_bed, Arc::clone(&self.directory))
    }

    fn stop(&mut self) -> anyhow::Result<()> {
        let pid = Pid::from_raw(self.pid().cast_signed()).context("invalid process id")?;
        kill_process(pid, Signal::TERM)?;
        let deadline = Instant::now() + TIMEOUT;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                bail!("the server did not exit within {} s", TIMEOUT.as_secs());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The server's directory, for further files of a scenario.
    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A new client, logged in.
    pub(super) fn client(&self) -> anyhow::Result<Client> {
        Client::login(self.address)
    }

    /// Current resident memory, in bytes.
    pub(super) fn memory(&self) -> anyhow::Result<u64> {
        proc_stats::resident_memory(self.pid()).context("the server has exited")
    }

    /// CPU time so far of the server and of its helpers.
    pub(super) fn cpu(&self) -> anyhow::Result<Cpu> {
        Ok(Cpu { server: proc_stats::cpu(self.pid()).context("the server has exited")?, helpers: self.helper_sampler.cpu() })
    }

    /// Process ids of its helpers: the processes that it keeps next to its agents.
    pub(super) fn helpers(&self) -> Vec<u32> {
        proc_stats::helpers(self.pid(), &self.test_bed.program)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A regular stop also ends its agents.
        if self.stop().is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// CPU time in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cpu {
    pub(super) server: f64,
    pub(super) helpers: f64,
}

impl Cpu {
    /// The time used since `earlier`.
    pub(super) fn since(self, earlier: Self) -> Self {
        Self { server: self.server - earlier.server, helpers: self.helpers - earlier.helpers }
    }
}

/// Creates a run and returns its id.
pub(super) fn create_run(client: &mut Client, agent_type: &str, script: &Script) -> anyhow::Result<String> {
    create_run_at(client, agent_type, script, "none")
}

/// Creates a run at an isolation level and returns its id.
pub(super) fn create_run_at(client: &mut Client, agent_type: &str, script: &Script, isolation: &str) -> anyhow::Result<String> {
    let metadata = json!({ "agent_type": agent_type, "timeout_secs": 3600, "isolation": isolation });
    let run = client.post("/api/runs", &json!({ "input": { "text": script.to_prompt() }, "metadata": metadata }))?;
    Ok(run["run_id"].as_str().context("run without an id")?.to_owned())
}

/// Creates a run in a working directory and returns its id.
pub(super) fn create_run_in(client: &mut Client, agent_type: &str, script: &Script, working_dir: &Path) -> anyhow::Result<String> {
    let metadata = json!({ "agent_type": agent_type, "timeout_secs": 3600, "isolation": "none", "working_dir": working_dir });
    let run = client.post("/api/runs", &json!({ "input": { "text": script.to_prompt() }, "metadata": metadata }))?;
    Ok(run["run_id"].as_str().context("run without an id")?.to_owned())
}

/// A local address with a free port.
fn free_address() -> anyhow::Result<SocketAddrV4> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    Ok(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
}

fn wait_until_healthy(address: SocketAddrV4, child: &mut Child, started: Instant) -> anyhow::Result<()> {
    loop {
        if Client::anonymous(address).and_then(|mut client| client.get("/health")).is_ok() {
            return Ok(());
        }
        if let Some(status) = child.try_wait()? {
            bail!("the server exited with {status}");
        }
        if started.elapsed() > TIMEOUT {
            bail!("the server did not become healthy within {} s", TIMEOUT.as_secs());
        }
        std::thread::sleep(Duration::from_micros(500));
    }
}
