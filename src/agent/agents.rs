//! The agents of this server: judged, looked at and started by name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use utoipa::ToSchema;

use super::detect::{Detector, folders};
use super::flags::{self, BadArgs, Widening};
use super::handle::{self, AgentHandle, FoundAgent, Limits, start_in_process};
use super::probe::Prober;
use super::registry::Entry;
use super::state_file::StateFile;
use super::{Agent, Authenticated, Capabilities, Installed, Location, Program, Registry, Task, env};
use crate::process::shim::{MAX_MEMO, Order, ProcessFolder, StartOrder};
use crate::process::{Containment, LimitsPolicy, Marker, ProcessLimits, Spawner, WorkingDir, is_resource_exhausted};
use crate::types::{Cause, Failure, LimitedBy, OutputCheckpoint, RunLimits, RunSpec};

/// How long a report may wait for a look at the programs before it tells what is known so far.
const REPORT_PATIENCE: Duration = Duration::from_millis(150);
/// How old what is known may become before a report makes us look again. `OpenCode` takes a second of CPU to tell its version.
const REFRESH_AFTER: Duration = Duration::from_mins(1);

/// What the agents of a server have in common.
#[derive(Clone, Debug)]
pub struct Host {
    /// The server's own environment, from which each agent's is built.
    pub env: BTreeMap<String, String>,
    /// Further variables that the operator lets agents have.
    pub allowed_env: Vec<String>,
    /// The private prefix in which programs are looked for first.
    pub agents_dir: PathBuf,
    /// A folder with nothing in it, for looking at programs.
    pub empty_dir: PathBuf,
    /// Starts processes.
    pub spawner: Spawner,
    /// Time limits of a program's end.
    pub limits: Limits,
    /// Most that is kept of one program's output, in bytes. One that writes more is ended.
    pub max_output: u64,
    /// What programs are held to.
    pub limits_policy: LimitsPolicy,
    /// Where the tasks of agents live.
    pub tasks: TaskTracker,
}

/// The agents of a server.
#[derive(Clone)]
pub struct Agents {
    by_name: Arc<BTreeMap<String, Known>>,
    spawner: Spawner,
    limits: Limits,
    max_output: u64,
    limits_policy: LimitsPolicy,
    tasks: TaskTracker,
    refreshed: Arc<Mutex<Option<Instant>>>,
}

enum Known {
    InProcess(Arc<dyn Agent>),
    Program(Box<KnownProgram>),
}

struct KnownProgram {
    program: Arc<dyn Program>,
    detector: Detector,
    env: BTreeMap<String, String>,
}

/// What is known of one agent, for people and dashboards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AgentReport {
    /// The agent's registered name.
    pub agent_type: String,
    /// Whether a run of it can be started.
    pub available: bool,
    /// The version that the program names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Absolute path of the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub path: Option<PathBuf>,
    /// Whether a login or key is configured.
    pub authenticated: Authenticated,
    /// The exact command that installs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub install: Option<String>,
    /// How to log in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// Why it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What a client can do with one agent, for people and programs that choose one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AgentSummary {
    /// The agent's registered name.
    pub agent_type: String,
    /// How it is driven: `stream-json`, `app-server`, `acp`, `text`, `jsonl`, `demo` or `in-process`.
    pub protocol: &'static str,
    /// What a client can do with it beside giving it a prompt.
    pub capabilities: Capabilities,
    /// Whether a run of it can be started.
    pub available: bool,
}

impl Agents {
    /// The agents of `registry`, on this host. Nothing is run yet.
    pub fn new(registry: &Registry, host: &Host) -> Self {
        let by_name = registry
            .entries()
            .map(|(name, entry)| {
                let known = match entry {
                    Entry::InProcess(agent) => Known::InProcess(Arc::clone(agent)),
                    Entry::Program(program) => {
                        let server = host.env.iter().map(|(name, value)| (name.as_str(), value.as_str()));
                        let env = env::build(server, &program.info().environment, &host.allowed_env);
                        let home = PathBuf::from(env.get("HOME").cloned().unwrap_or_else(|| "/".into()));
                        let prober = Prober::new(env.clone(), home, host.empty_dir.clone());
                        let detector = Detector::new(Arc::clone(program), prober, folders(&host.agents_dir, &env));
                        Known::Program(Box::new(KnownProgram { program: Arc::clone(program), detector, env }))
                    }
                };
                (name.to_owned(), known)
            })
            .collect();
        Self {
            by_name: Arc::new(by_name),
            spawner: host.spawner.clone(),
            limits: host.limits,
            max_output: host.max_output,
            limits_policy: host.limits_policy.clone(),
            tasks: host.tasks.clone(),
            refreshed: Arc::default(),
        }
    }

    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// Whether there is an agent of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// Judges the further arguments for the agent `name`.
    ///
    /// # Errors
    /// [`BadArgs`] if nobody may use them, or if the agent is unknown or has no command line.
    pub fn judge_args(&self, name: &str, args: &[String]) -> Result<Widening, BadArgs> {
        let table = match self.by_name.get(name) {
            Some(Known::Program(known)) => known.program.info().flags,
            Some(Known::InProcess(_)) | None => None,
        };
        match table {
            Some(table) => flags::judge(table, args),
            None if args.is_empty() => Ok(Widening::default()),
            None => Err(BadArgs::Unsupported { agent: name.to_owned() }),
        }
    }

    /// Looks at every program in the background, unless that was done a moment ago: a program may be new, and a login may have come
    /// or gone.
    pub fn refresh(&self) {
        let mut refreshed = self.refreshed.lock().unwrap_or_else(PoisonError::into_inner);
        if refreshed.is_none_or(|last| last.elapsed() >= REFRESH_AFTER) {
            *refreshed = Some(Instant::now());
            let this = self.clone();
            self.tasks.spawn(async move { join_all(this.by_name.values().map(Known::refresh)).await });
        }
    }

    /// What is known of every agent. Quick always: what takes longer to find out comes with a later report.
    pub async fn reports(&self) -> Vec<AgentReport> {
        self.look_a_moment().await;
        self.by_name.iter().map(|(name, known)| known.report(name)).collect()
    }

    /// What a client can do with every agent. As quick as [`Agents::reports`].
    pub async fn summaries(&self) -> Vec<AgentSummary> {
        self.look_a_moment().await;
        self.by_name.iter().map(|(name, known)| known.summary(name)).collect()
    }

    /// Looks at the programs for as long as a report may wait.
    async fn look_a_moment(&self) {
        self.refresh();
        let this = self.clone();
        let looking = self.tasks.spawn(async move { join_all(this.by_name.values().map(Known::inspected)).await });
        // The look goes on when nobody waits for it any more.
        let _ = tokio::time::timeout(REPORT_PATIENCE, looking).await;
    }

    /// What a client can do with the agent `name`. Looks at the program if it is new, which may take seconds; one that is not there
    /// is judged by its name.
    pub async fn capabilities(&self, name: &str) -> Capabilities {
        match self.by_name.get(name) {
            None | Some(Known::InProcess(_)) => Capabilities::default(),
            Some(Known::Program(known)) => {
                let found = known.detector.inspected().await;
                known.program.capabilities(found.and_then(|found| found.inspection).map_or("", |inspection| inspection.variant))
            }
        }
    }

    /// Starts an agent.
    ///
    /// # Errors
    /// A [`Failure`] with the cause that the run ends with: not installed, arguments that the program does not take, or a system
    /// that gives no more processes.
    pub async fn start(&self, start: Start) -> Result<AgentHandle, Failure> {
        let Start { task, env: own_env, working_dir, folder, marker, limit, memo } = start;
        let name = &task.spec.agent_type;
        match self.by_name.get(name) {
            None => Err(no_such_agent(name)),
            Some(Known::InProcess(agent)) => Ok(start_in_process(Arc::clone(agent), task.spec.prompt, &self.tasks)),
            Some(Known::Program(known)) => {
                let KnownProgram { program, detector, env } = known.as_ref();
                let found = detector.inspected().await.ok_or_else(|| not_installed(program.as_ref()))?;
                if let Some(error) = found.inspection.as_ref().and_then(|inspection| inspection.error.clone()) {
                    return Err(Failure::new(Cause::NotInstalled, format!("{name} cannot be used: {error}")));
                }
                let installed = found.installed(detector.home());
                let invocation = program.invocation(&task, &installed)?;
                let mut env = env.clone();
                env.extend(own_env);
                // Last: what the adapter sets, it relies on.
                env.extend(invocation.env);
                env.insert("PWD".to_owned(), working_dir.path().to_string_lossy().into_owned());
                env.insert(Marker::VARIABLE.to_owned(), marker.value().to_owned());
                if memo.len() > MAX_MEMO {
                    let message = format!("env and mcp_servers hold more than {MAX_MEMO} bytes");
                    return Err(Failure::new(Cause::BadArguments, message));
                }
                let order = StartOrder { memo, ..self.order(&installed, invocation.args, env, &marker, limit)? };
                let held_to = held_to(&order.containment);
                let no_process = |error: std::io::Error| {
                    let cause = if is_resource_exhausted(&error) { Cause::Storage } else { Cause::Crashed };
                    Failure::new(cause, format!("the system started no process: {error}"))
                };
                let (mut orders, reports) = self.spawner.spawn(folder.clone(), working_dir).await.map_err(no_process)?;
                StateFile::new(&task, installed.clone(), held_to).write(&folder).map_err(no_process)?;
                orders.say(&Order::Start(Box::new(order)));
                let subject = handle::Program { folder, marker, limits: self.limits, held_to };
                Ok(handle::start(subject, (orders, reports), program.parser(&task, &installed), &self.tasks))
            }
        }
    }

    /// What a shim is told to start.
    fn order(
        &self,
        installed: &Installed,
        args: Vec<String>,
        env: BTreeMap<String, String>,
        marker: &Marker,
        limit: Duration,
    ) -> Result<StartOrder, Failure> {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let program = installed.path.to_str();
        let program = program.ok_or_else(|| Failure::new(Cause::NotInstalled, "the path of the agent's program is not UTF-8"))?;
        Ok(StartOrder {
            program: program.to_owned(),
            args,
            env: env.into_iter().collect(),
            umask: self.spawner.umask(),
            marker: marker.value().to_owned(),
            max_out: self.max_output,
            max_err: handle::MAX_STDERR,
            left_ms: Some(millis(limit + handle::SLACK)),
            grace_ms: millis(self.limits.grace),
            containment: self.limits_policy.containment(marker),
            memo: String::new(),
        })
    }

    /// Finds the agent of a run again that an earlier server has started, whether it lives or has ended. `stored` is how far the
    /// run's log has come, `ready` whether the agent had said that it was ready. `None` if no program was ever started; none will
    /// be, then.
    ///
    /// # Errors
    /// A [`Failure`] if nobody can go on with it: an agent of this server's own process, which died with it, one that this server
    /// does not know, or one that was given what is kept nowhere, if that is lost. What may be alive of it is the caller's to kill.
    pub async fn find_again(
        &self,
        spec: &RunSpec,
        folder: ProcessFolder,
        marker: Marker,
        stored: OutputCheckpoint,
        ready: bool,
    ) -> Result<Option<FoundAgent>, Failure> {
        let name = &spec.agent_type;
        let known = match self.by_name.get(name) {
            None => return Err(no_such_agent(name)),
            Some(Known::InProcess(_)) => return Err(Failure::new(Cause::NodeLost, "the server that the agent was a part of has gone")),
            Some(Known::Program(known)) => known,
        };
        let file = match StateFile::read(&folder) {
            Ok(Some(file)) => file,
            Ok(None) => {
                // The server before died before it could say what to start. Without its folder a shim starts nothing.
                let _ = std::fs::remove_dir_all(folder.path());
                return Ok(None);
            }
            Err(error) => return Err(Failure::new(Cause::Storage, format!("what is kept of the agent cannot be read: {error}"))),
        };
        if !ready && !spec.mcp_servers.is_empty() {
            let message = "the server died before the agent had got its MCP servers, and how they are reached is kept nowhere";
            return Err(Failure::new(Cause::NodeLost, message));
        }
        let held_to = file.held_to();
        let (task, installed) = file.task(spec.clone());
        let parser = known.program.parser(&task, &installed);
        let subject = handle::Program { folder, marker, limits: self.limits, held_to };
        let has_memo = !spec.env.is_empty() || !spec.mcp_servers.is_empty();
        handle::find_again(subject, parser, stored, has_memo, &self.tasks).await
    }
}

/// What an agent is to do, and where.
#[derive(Debug)]
pub struct Start {
    /// The task; it names the agent.
    pub task: Task,
    /// Variables beside the environment that every agent gets.
    pub env: BTreeMap<String, String>,
    /// Where it works.
    pub working_dir: WorkingDir,
    /// Where its shim keeps its files. Must not be there yet.
    pub folder: ProcessFolder,
    /// What tells its processes apart from those of other runs.
    pub marker: Marker,
    /// How long it may take.
    pub limit: Duration,
    /// What a later server has to know of it and is written nowhere. Empty for nothing.
    pub memo: String,
}

impl Known {
    async fn refresh(&self) {
        if let Self::Program(known) = self {
            known.detector.refresh().await;
        }
    }

    async fn inspected(&self) {
        if let Self::Program(known) = self {
            known.detector.inspected().await;
        }
    }

    fn summary(&self, name: &str) -> AgentSummary {
        let (protocol, capabilities) = match self {
            Self::InProcess(_) => ("in-process", Capabilities::default()),
            Self::Program(known) => {
                let variant = known.detector.glance().and_then(|found| found.inspection).map_or("", |inspection| inspection.variant);
                (known.program.info().protocol, known.program.capabilities(variant))
            }
        };
        AgentSummary { agent_type: name.to_owned(), protocol, capabilities, available: self.report(name).available }
    }

    fn report(&self, name: &str) -> AgentReport {
        let (program, found) = match self {
            Self::InProcess(_) => (None, None),
            Self::Program(known) => (Some(&known.program), known.detector.glance()),
        };
        let inspection = found.as_ref().and_then(|found| found.inspection.as_ref());
        let mut error = inspection.and_then(|inspection| inspection.error.clone());
        if let (Some(program), None) = (program, &found) {
            error = Some(not_installed(program.as_ref()).message);
        }
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        AgentReport {
            agent_type: name.to_owned(),
            available: error.is_none(),
            version: inspection.and_then(|inspection| inspection.version.clone()),
            path: found.as_ref().map(|found| real(&found.path)),
            authenticated: match program {
                None => Authenticated::Yes,
                Some(_) => inspection.map_or(Authenticated::Unknown, |inspection| inspection.authenticated),
            },
            install: program.and_then(|program| text(program.info().install_command())),
            login: program.and_then(|program| text(&program.info().login_hint)),
            error,
        }
    }
}

/// What a cage holds a run to, as its events say it.
fn held_to(containment: &Containment) -> Option<RunLimits> {
    let (by, bounds) = if containment.process_limits.is_unlimited() {
        (LimitedBy::Cgroup, containment.group_limits)
    } else {
        (LimitedBy::Rlimit, containment.process_limits)
    };
    let ProcessLimits { memory_bytes, processes, cpu_weight } = bounds;
    (!bounds.is_unlimited()).then_some(RunLimits { by, memory_bytes, processes, cpu_weight })
}

/// The file behind the link by which a built-in agent is started.
fn real(path: &Path) -> PathBuf {
    if path.starts_with("/proc/self") { std::fs::read_link(path).unwrap_or_else(|_| path.to_owned()) } else { path.to_owned() }
}

fn no_such_agent(name: &str) -> Failure {
    Failure::new(Cause::NotInstalled, format!("there is no agent {name} on this server"))
}

fn not_installed(program: &dyn Program) -> Failure {
    let info = program.info();
    let help = match (info.install_command(), &info.location) {
        ("", Location::Named(file)) => format!(": there is no program {file} along the PATH of the server"),
        ("", Location::At(path)) => format!(": {} is no program", path.display()),
        ("", Location::BuiltIn) => String::new(),
        (command, _) => format!("; install it with: {command}"),
    };
    Failure::new(Cause::NotInstalled, format!("{} is not installed on this machine{help}", info.name))
}

impl std::fmt::Debug for Agents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}
