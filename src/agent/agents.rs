//! The agents of a server by name: inspects, starts and reattaches to them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use utoipa::ToSchema;

use super::detect::{Detector, search_path};
use super::flags::{self, BadArgs, Widening};
use super::handle::{self, GracePeriods, Logged, ReadableKeys, ReattachedAgent, Restrictions, start_in_process};
use super::input_files::{self, InputPlace};
use super::isolation::{AgentFacts, BadIsolation, IsolationPolicy, Placed, RunPlace};
use super::login_hint::with_login_hint;
use super::output_schema;
use super::prepared::PreparedAgent;
use super::probe::Prober;
use super::registry::Entry;
use super::state_file::StateFile;
use super::{Agent, Authenticated, Capabilities, ControlRequest, Installed, Location, Program, Registry, Task, env};
use crate::process::isolation::{Egress, Sandbox};
use crate::process::shim::{MAX_HANDOVER, ProcessDir, ShimCommand, StartCommand};
use crate::process::{Borrowed, Containment, LimitsPolicy, Marker, ProcessLimits, Spawner, WorkingDir, is_resource_exhausted};
use crate::redact::is_secret_name;
use crate::types::{
    Attachment, Cause, Failure, HostPort, IsolationLevel, LimitedBy, PermissionMode, ProjectConfig, RunIsolation, RunLimits, RunSpec,
    UserName,
};

/// How long a report waits for running inspections. Results that arrive later are part of the next report.
const REPORT_TIMEOUT: Duration = Duration::from_millis(150);
/// Age at which a report inspects the programs again. `OpenCode` takes a second of CPU time to print its version.
const REFRESH_AFTER: Duration = Duration::from_mins(1);

/// The environment that all agents of a server share.
#[derive(Clone, Debug)]
pub struct Host {
    /// The server's own environment, from which each agent's is built.
    pub env: BTreeMap<String, String>,
    /// Further variables that agents receive, from the settings.
    pub allowed_env: Vec<String>,
    /// The directory in which programs are searched for first.
    pub agents_dir: PathBuf,
    /// A directory of the server's own in which programs are inspected: in itself if they are not isolated, else each in a directory of
    /// its own below it.
    pub empty_dir: PathBuf,
    /// Starts processes.
    pub spawner: Spawner,
    /// How long a program may take to end by itself.
    pub grace: GracePeriods,
    /// Maximum output of one program in bytes. A program that writes more is ended.
    pub max_output: u64,
    /// The resource limits of programs.
    pub limits_policy: LimitsPolicy,
    /// The isolation of programs.
    pub isolation: IsolationPolicy,
    /// Tracks the tasks of agents.
    pub tasks: TaskTracker,
}

/// The agents of a server.
#[derive(Clone)]
pub struct Agents {
    by_name: Arc<BTreeMap<String, Registered>>,
    spawner: Spawner,
    grace: GracePeriods,
    max_output: u64,
    limits_policy: LimitsPolicy,
    isolation: Arc<IsolationPolicy>,
    tasks: TaskTracker,
    refreshed: Arc<Mutex<Option<Instant>>>,
    #[cfg(test)]
    scripted: Option<super::prepared::Script>,
}

enum Registered {
    InProcess(Arc<dyn Agent>),
    Program(Box<RegisteredProgram>),
}

struct RegisteredProgram {
    program: Arc<dyn Program>,
    detector: Detector,
    env: BTreeMap<String, String>,
    /// The program that has been found not to delete its conversations.
    cannot_delete: Mutex<Option<Installed>>,
}

/// The state of one agent, for people and dashboards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AgentReport {
    /// The agent's registered name.
    pub agent_type: String,
    /// Whether a run can be started with it.
    pub available: bool,
    /// The version that the program reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Absolute path of the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub path: Option<PathBuf>,
    /// Whether a login or key is configured.
    pub authenticated: Authenticated,
    /// What a client can do with it besides giving it a prompt, according to its last inspection.
    pub capabilities: Capabilities,
    /// Whether the installed program is one that was tested with this release.
    pub tested: bool,
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

/// What a client can do with one agent, to choose between agents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AgentSummary {
    /// The agent's registered name.
    pub agent_type: String,
    /// How it is driven: `stream-json`, `app-server`, `acp`, `text`, `jsonl`, `demo` or `in-process`.
    pub protocol: &'static str,
    /// What a client can do with it besides giving it a prompt.
    pub capabilities: Capabilities,
    /// Whether a run can be started with it.
    pub available: bool,
}

impl Agents {
    /// The agents of `registry` on this host. Runs no program yet.
    pub fn new(registry: &Registry, host: &Host) -> Self {
        let isolation = Arc::new(host.isolation.clone());
        let by_name = registry
            .entries()
            .map(|(name, entry)| {
                let registered = match entry {
                    Entry::InProcess(agent) => Registered::InProcess(Arc::clone(agent)),
                    Entry::Program(program) => {
                        let server = host.env.iter().map(|(name, value)| (name.as_str(), value.as_str()));
                        let env = env::build(server, &program.info().environment, &host.allowed_env);
                        let own_env = env::of_account(&env, isolation.inspecting_account());
                        let home = PathBuf::from(own_env.get("HOME").cloned().unwrap_or_else(|| "/".into()));
                        let prober = Prober::new(own_env, home, host.empty_dir.clone());
                        let launcher = host.spawner.launcher().clone();
                        let prober = prober.isolated(Arc::clone(&isolation), launcher, program.command_files());
                        let detector = Detector::new(Arc::clone(program), prober, search_path(&host.agents_dir, &env));
                        Registered::Program(Box::new(RegisteredProgram {
                            program: Arc::clone(program),
                            detector,
                            env,
                            cannot_delete: Mutex::default(),
                        }))
                    }
                };
                (name.to_owned(), registered)
            })
            .collect();
        Self {
            by_name: Arc::new(by_name),
            spawner: host.spawner.clone(),
            grace: host.grace,
            max_output: host.max_output,
            limits_policy: host.limits_policy.clone(),
            isolation,
            tasks: host.tasks.clone(),
            refreshed: Arc::default(),
            #[cfg(test)]
            scripted: None,
        }
    }

    /// The same agents, except that `script` prepares the agent of every run.
    #[cfg(test)]
    pub(crate) fn scripted(self, script: super::prepared::Script) -> Self {
        Self { scripted: Some(script), ..self }
    }

    /// The names, sorted, except for those of optional agents that are not installed.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.listed().map(|(name, _)| name.as_str())
    }

    /// Whether there is an agent of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// Classifies `extra_args` for the agent `name`.
    ///
    /// # Errors
    /// [`BadArgs`] if no user may pass them, or if the agent is unknown or takes none.
    pub fn classify_args(&self, name: &str, args: &[String]) -> Result<Widening, BadArgs> {
        let table = match self.by_name.get(name) {
            Some(Registered::Program(registered)) => registered.program.info().flags,
            Some(Registered::InProcess(_)) | None => None,
        };
        match table {
            Some(table) => flags::classify(table, args),
            None if args.is_empty() => Ok(Widening::default()),
            None => Err(BadArgs::Unsupported { agent: name.to_owned() }),
        }
    }

    /// The isolation of a run of the agent `name` in permission mode `mode` that asks for `level`. `None` for an agent that is part of this
    /// process, or unknown.
    ///
    /// # Errors
    /// [`BadIsolation`] if it cannot have that level.
    pub fn check_isolation(
        &self,
        name: &str,
        mode: PermissionMode,
        level: Option<IsolationLevel>,
        is_admin: bool,
    ) -> Result<Option<RunIsolation>, BadIsolation> {
        match self.by_name.get(name) {
            Some(Registered::InProcess(_)) => IsolationPolicy::check_in_process(level).map(|()| None),
            Some(Registered::Program(registered)) => self.isolation.check(level, is_admin, registered.facts(mode)).map(Some),
            None => Ok(None),
        }
    }

    /// Inspects every program in the background, unless that was done less than a minute ago: programs may have been installed, and
    /// logins may have changed.
    pub fn refresh(&self) {
        let mut refreshed = self.refreshed.lock().unwrap_or_else(PoisonError::into_inner);
        if refreshed.is_none_or(|last| last.elapsed() >= REFRESH_AFTER) {
            *refreshed = Some(Instant::now());
            let this = self.clone();
            self.tasks.spawn(async move { join_all(this.by_name.values().map(Registered::refresh)).await });
        }
    }

    /// The state of every agent. Takes at most 150 ms: results of slower inspections are part of a later report.
    pub async fn reports(&self) -> Vec<AgentReport> {
        self.inspect_briefly().await;
        self.listed().map(|(name, registered)| registered.report(name)).collect()
    }

    /// The state of the agent `name`, as far as it has been inspected. `None` if there is none of that name.
    pub fn report(&self, name: &str) -> Option<AgentReport> {
        self.by_name.get(name).map(|registered| registered.report(name))
    }

    /// What a client can do with every agent. Takes at most 150 ms, like [`Agents::reports`].
    pub async fn summaries(&self) -> Vec<AgentSummary> {
        self.inspect_briefly().await;
        self.listed().map(|(name, registered)| registered.summary(name)).collect()
    }

    /// All agents except for optional ones that are not installed.
    fn listed(&self) -> impl Iterator<Item = (&String, &Registered)> {
        self.by_name.iter().filter(|(_, registered)| match registered {
            Registered::Program(program) => !program.program.is_optional() || program.detector.cached().is_some(),
            Registered::InProcess(_) => true,
        })
    }

    /// Why the agent `name` cannot keep a permission mode. `None` if it can, or if it is unknown.
    pub fn unsupported_mode(&self, name: &str, mode: PermissionMode) -> Option<&'static str> {
        match self.by_name.get(name) {
            Some(Registered::Program(registered)) => registered.program.unsupported_mode(mode),
            Some(Registered::InProcess(_)) | None => None,
        }
    }

    /// The hosts of the model of the agent `name`, for runs that use its own login.
    pub fn model_hosts(&self, name: &str) -> Vec<HostPort> {
        let hosts = match self.by_name.get(name) {
            Some(Registered::Program(registered)) => registered.program.model_hosts(),
            Some(Registered::InProcess(_)) | None => &[],
        };
        hosts.iter().filter_map(|host| HostPort::parse(host, None).ok()).collect()
    }

    /// The agents that are installed and would have keys of the server's environment in a sandbox, with the names of the variables. `is_outside`
    /// says whether the key of an agent is added outside.
    pub fn keys_in_sandbox(&self, is_outside: impl Fn(&str) -> bool) -> Vec<(String, Vec<String>)> {
        let of_agent = |(name, registered): (&String, &Registered)| match registered {
            Registered::Program(program) if program.detector.cached().is_some() && !is_outside(name) => {
                Some((name.clone(), env::readable_keys(&program.env, &[], &[])))
            }
            Registered::Program(_) | Registered::InProcess(_) => None,
        };
        self.listed().filter_map(of_agent).filter(|(_, keys)| !keys.is_empty()).collect()
    }

    /// Values that are masked in the runs of the agent `name`, in addition to those that are masked everywhere.
    pub fn secrets(&self, name: &str) -> Vec<String> {
        match self.by_name.get(name) {
            Some(Registered::Program(registered)) => registered.program.secrets(),
            Some(Registered::InProcess(_)) | None => Vec::new(),
        }
    }

    /// Has the agent `name` carry out a request outside of any run. Takes at most 20 s, once it has been inspected. Returns `false` if it does
    /// not offer that, or if its runs use accounts of their own, whose files this server does not use.
    ///
    /// # Errors
    /// Why it failed, as a fragment whose subject is the agent.
    pub async fn control(&self, name: &str, request: ControlRequest<'_>) -> Result<bool, String> {
        let Some(Registered::Program(registered)) = self.by_name.get(name) else { return Ok(false) };
        if self.isolation.inspecting_account().is_some() {
            return Ok(false);
        }
        let found = registered.installed().ok_or("it is not installed")?;
        let outcome = registered.program.control(&found.path, registered.detector.prober(), request).await;
        if outcome == Ok(false) && matches!(request, ControlRequest::DeleteConversation(_)) {
            *registered.cannot_delete.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        }
        outcome
    }

    /// Whether [`Agents::control`] may delete conversations of the agent `name`: whether that is possible, and was not found to be impossible.
    pub fn may_delete_conversations(&self, name: &str) -> bool {
        let Some(Registered::Program(registered)) = self.by_name.get(name) else { return false };
        let cannot = || registered.cannot_delete.lock().unwrap_or_else(PoisonError::into_inner).clone();
        registered.program.info().protocol == "acp"
            && self.isolation.inspecting_account().is_none()
            && registered.installed().is_some_and(|found| cannot().as_ref() != Some(&found))
    }

    /// Inspects the programs for at most [`REPORT_TIMEOUT`].
    async fn inspect_briefly(&self) {
        self.refresh();
        let this = self.clone();
        let inspections = self.tasks.spawn(async move { join_all(this.by_name.values().map(Registered::inspected)).await });
        // The inspections continue after the timeout.
        let _ = tokio::time::timeout(REPORT_TIMEOUT, inspections).await;
    }

    /// What a client can do with the agent `name`. Inspects the program if it is new, which may take seconds. For a program that is not
    /// installed, those of its default variant.
    pub async fn capabilities(&self, name: &str) -> Capabilities {
        match self.by_name.get(name) {
            None | Some(Registered::InProcess(_)) => Capabilities::default(),
            Some(Registered::Program(registered)) => {
                let found = registered.detector.detect().await;
                registered.program.capabilities(found.and_then(|found| found.inspection).map_or("", |inspection| inspection.variant))
            }
        }
    }

    /// What a client can do with the agent `name`, by the last inspection of its program. Never waits for one: before the first, the
    /// capabilities are those of the default variant.
    pub fn known_capabilities(&self, name: &str) -> Capabilities {
        self.by_name.get(name).map(Registered::known_capabilities).unwrap_or_default()
    }

    /// Prepares the start of an agent: inspects its program and starts its shim, but not the program itself.
    ///
    /// Dropping the future, or what it returns, leaves no process behind: probe commands are killed, and a shim without a start command
    /// exits.
    ///
    /// # Errors
    /// A [`Failure`] with the cause that the run ends with: the program is not installed, it rejects the arguments, or no process could be
    /// started.
    pub async fn prepare(&self, start: Start) -> Result<PreparedAgent, Failure> {
        let start = Start { task: start.task.with_effective_prompt(), ..start };
        let name = &start.task.spec.agent_type;
        #[cfg(test)]
        if let Some(script) = &self.scripted {
            return script().await;
        }
        match self.by_name.get(name) {
            None => Err(no_such_agent(name)),
            Some(Registered::InProcess(agent)) => {
                let (agent, tasks) = (Arc::clone(agent), self.tasks.clone());
                let prompt = output_schema::in_words(start.task.spec, false).prompt;
                Ok(PreparedAgent::new(move |_limit| start_in_process(agent, prompt, &tasks)))
            }
            Some(Registered::Program(registered)) => self.prepare_program(registered, start).await,
        }
    }

    async fn prepare_program(&self, registered: &RegisteredProgram, start: Start) -> Result<PreparedAgent, Failure> {
        let Start {
            task,
            owner,
            env: own_env,
            working_dir,
            borrowed,
            owns_working_dir,
            process_dir,
            private_home,
            egress,
            marker,
            handover,
        } = start;
        let (name, tasks) = (&task.spec.agent_type, self.tasks.clone());
        let RegisteredProgram { program, detector, env, cannot_delete: _ } = registered;
        let found = detector.detect().await.ok_or_else(|| not_installed(program.as_ref()))?;
        if let Some(error) = found.inspection.as_ref().and_then(|inspection| inspection.error.clone()) {
            return Err(Failure::new(Cause::NotInstalled, format!("{name} cannot be used: {error}")));
        }
        // Checked again: the run may have been created by an earlier server. Who may lower the level was checked then.
        let isolation = self.isolation.check(task.spec.isolation, true, registered.facts(task.spec.permission_mode));
        let mut isolation = isolation.map_err(|error| Failure::new(Cause::BadArguments, error.to_string()))?;
        let level = isolation.level;
        let account = self.isolation.account(&owner);
        isolation.account = account.map(|account| account.name.clone());
        let outer_home = account.map_or(detector.home(), |account| &account.home);
        let home = if level == IsolationLevel::Sandbox { Sandbox::home(outer_home) } else { outer_home };
        let is_sandboxed = level == IsolationLevel::Sandbox;
        let installed = found.installed(home, is_sandboxed || account.is_some());
        let outer_temp_dir = process_dir.temp();
        let temp_dir = IsolationPolicy::inner_temp_dir(level, &outer_temp_dir);
        let task = Task { input_dir: temp_dir.join(input_files::DIR), spec: registered.in_words(task.spec), ..task };
        let invocation = program.invocation(&task, &installed)?;
        let egress = egress.filter(|_| level == IsolationLevel::Sandbox);
        let mut env = env::of_account(env, account);
        let certificates = if is_sandboxed { env::certificates(&env) } else { Vec::new() };
        let files: Vec<PathBuf> = program.command_files().into_iter().chain(certificates).collect();
        let place = RunPlace {
            working_dir: &working_dir,
            temp_dir: &outer_temp_dir,
            home,
            outer_home,
            program: &installed.path,
            files: &files,
            borrowed: &borrowed,
            outer_env: &env,
            private_home: &private_home,
            logins: program.login_files(),
            unkept_settings: program.unkept_settings(),
            egress: egress.as_ref(),
            account,
        };
        let Placed { prefix, files } = self.isolation.place(level, &place).map_err(|error| start_failure(&error))?;
        if let Some(account) = account.filter(|_| owns_working_dir) {
            account.take(working_dir.path()).map_err(|error| start_failure(&error))?;
        }
        // Another key would take precedence, or would be sent as well.
        let environment = &program.info().environment;
        env.retain(|name, _| task.endpoint.is_none() || !(is_secret_name(name) && environment.includes(name)));
        let mut readable_keys = None;
        if is_sandboxed {
            env::enter_sandbox(&mut env, egress.as_ref());
            env.insert("HOME".to_owned(), home.to_string_lossy().into_owned());
            let keys = env::readable_keys(&env, &invocation.env, &program.secrets());
            readable_keys = (!keys.is_empty()).then(|| Box::new(ReadableKeys(keys)));
        }
        env.insert("TMPDIR".to_owned(), temp_dir.to_string_lossy().into_owned());
        env.extend(own_env);
        // Last, because the adapter relies on its own variables.
        env.extend(invocation.env);
        env.extend(egress.into_iter().flat_map(|egress| egress.env));
        env.insert("PWD".to_owned(), working_dir.path().to_string_lossy().into_owned());
        env.insert(Marker::VARIABLE.to_owned(), marker.value().to_owned());
        check_handover(&handover)?;
        let mut command = StartCommand { handover, ..self.start_command(&installed, invocation.args, env, &marker)? };
        let limits = enforced_limits(&command.containment);
        let of_program = restrictions(program.as_ref(), &installed.variant, task.spec.project_config);
        let restrictions = Restrictions { limits, isolation: Some(isolation), readable_keys, ..of_program };
        command.containment = Containment { prefix, files, account: account.cloned(), ..command.containment };
        let (mut shim, reports) = self.spawner.spawn(process_dir.clone(), working_dir).await.map_err(|error| start_failure(&error))?;
        // Before others of the account can enter.
        input_files::write(&outer_temp_dir, &invocation.files, account).map_err(|error| start_failure(&error))?;
        if account.is_some() && level < IsolationLevel::Guard {
            process_dir.let_pass().map_err(|error| start_failure(&error))?;
        }
        StateFile::new(&task, installed.clone(), restrictions.clone()).write(&process_dir).map_err(|error| start_failure(&error))?;
        let inputs = Some(Arc::new(InputPlace { temp_dir: outer_temp_dir, inner: temp_dir, account: account.cloned() }));
        let running = handle::RunningProgram { dir: process_dir, marker, grace: self.grace, restrictions, inputs };
        let parser = with_login_hint(program.parser(&task, &installed), &program.info().login_hint);
        Ok(PreparedAgent::new(move |limit: Duration| {
            let left_ms = u64::try_from((limit + handle::SLACK).as_millis()).unwrap_or(u64::MAX);
            shim.send(&ShimCommand::Start(Box::new(StartCommand { left_ms: Some(left_ms), ..command })));
            handle::start(running, (shim, reports), parser, &tasks)
        }))
    }

    /// The start command for the shim, without the time limit.
    fn start_command(
        &self,
        installed: &Installed,
        args: Vec<String>,
        env: BTreeMap<String, String>,
        marker: &Marker,
    ) -> Result<StartCommand, Failure> {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let program = installed.path.to_str();
        let program = program.ok_or_else(|| Failure::new(Cause::NotInstalled, "the path of the agent's program is not valid UTF-8"))?;
        Ok(StartCommand {
            program: program.to_owned(),
            args,
            env: env.into_iter().collect(),
            umask: self.spawner.umask(),
            marker: marker.value().to_owned(),
            max_out: self.max_output,
            max_err: handle::MAX_STDERR,
            left_ms: None,
            grace_ms: millis(self.grace.stop),
            containment: self.limits_policy.containment(marker),
            handover: String::new(),
        })
    }

    /// Reattaches to the agent of a run that an earlier server started, whether it is running or has ended.
    ///
    /// `attachments` are those of the run, `logged` is what its log covers, `ready` whether the agent had reported that it was ready. `None` if there
    /// is no trace of a program, or if it cannot be continued without its state, which is lost.
    ///
    /// # Errors
    /// A [`Failure`] if the run cannot be continued: the agent was part of the earlier server's process, it is not registered with this
    /// server, or values that only its shim kept are lost. The caller must kill processes that may remain.
    pub async fn reattach(
        &self,
        spec: &RunSpec,
        attachments: Vec<Attachment>,
        process_dir: ProcessDir,
        marker: Marker,
        logged: Logged,
        ready: bool,
    ) -> Result<Option<ReattachedAgent>, Failure> {
        let name = &spec.agent_type;
        let registered = match self.by_name.get(name) {
            None => return Err(no_such_agent(name)),
            Some(Registered::InProcess(_)) => {
                return Err(Failure::new(Cause::NodeLost, "the agent was part of the earlier server's process"));
            }
            Some(Registered::Program(registered)) => registered,
        };
        let file = match StateFile::read(&process_dir) {
            Ok(Some(file)) => file,
            Ok(None) => return Ok(None),
            Err(error) => return Err(Failure::new(Cause::Storage, format!("the agent's state file cannot be read: {error}"))),
        };
        if !ready && !spec.mcp_servers.is_empty() {
            let message = "the server died before the agent had received its MCP servers, whose configuration is not stored";
            return Err(Failure::new(Cause::NodeLost, message));
        }
        let restrictions = file.restrictions();
        let (task, installed) = file.task(registered.in_words(spec.clone()), attachments);
        let parser = with_login_hint(registered.program.parser(&task, &installed), &registered.program.info().login_hint);
        let account = restrictions.isolation.as_ref().and_then(|isolation| isolation.account.as_deref());
        // Without the account the program could not read them.
        let account = account.map(|name| self.isolation.account_named(name).cloned());
        let inputs = (account != Some(None)).then(|| {
            let inner = task.input_dir.parent().map(Path::to_path_buf).unwrap_or_default();
            Arc::new(InputPlace { temp_dir: process_dir.temp(), inner, account: account.flatten() })
        });
        let running = handle::RunningProgram { dir: process_dir, marker, grace: self.grace, restrictions, inputs };
        let has_handover = !spec.env.is_empty() || !spec.mcp_servers.is_empty();
        handle::reattach(running, parser, logged, has_handover, &self.tasks).await
    }
}

/// A task for an agent, and where to carry it out.
#[derive(Debug)]
pub struct Start {
    /// The task, including the agent.
    pub task: Task,
    /// The owner of the run.
    pub owner: UserName,
    /// Variables of the run, in addition to the agent's environment.
    pub env: BTreeMap<String, String>,
    /// The directory to work in.
    pub working_dir: WorkingDir,
    /// Directories outside of it that the agent needs to read in it.
    pub borrowed: Vec<Borrowed>,
    /// Whether that directory was created by this server, so that it may get another owner.
    pub owns_working_dir: bool,
    /// The directory for its shim's files. Must not exist yet.
    pub process_dir: ProcessDir,
    /// The home directory of the run's session in a sandbox. Created if it does not exist.
    pub private_home: PathBuf,
    /// The way out of a sandbox; `None` for no network. Unused at other levels.
    pub egress: Option<Egress>,
    /// Identifies the processes of this run.
    pub marker: Marker,
    /// What the shim keeps in memory for a later server. Empty for nothing.
    pub handover: String,
}

impl RegisteredProgram {
    /// The program as far as it has been inspected. `None` if it is not installed.
    fn installed(&self) -> Option<Installed> {
        Some(self.detector.cached()?.installed(self.detector.home(), false))
    }

    /// The specification as the program gets it.
    fn in_words(&self, spec: RunSpec) -> RunSpec {
        let is_taken = spec.output_schema.as_ref().is_some_and(|schema| self.program.takes_output_schema(schema));
        output_schema::in_words(spec, is_taken)
    }

    fn facts(&self, mode: PermissionMode) -> AgentFacts<'_> {
        AgentFacts { home: self.detector.home(), has_own_sandbox: self.program.has_own_sandbox(mode) }
    }
}

impl Registered {
    async fn refresh(&self) {
        if let Self::Program(registered) = self {
            registered.detector.refresh().await;
        }
    }

    async fn inspected(&self) {
        if let Self::Program(registered) = self {
            registered.detector.detect().await;
        }
    }

    fn known_capabilities(&self) -> Capabilities {
        match self {
            Self::InProcess(_) => Capabilities::default(),
            Self::Program(registered) => {
                let inspection = registered.detector.cached().and_then(|found| found.inspection);
                registered.program.capabilities(inspection.map_or("", |inspection| inspection.variant))
            }
        }
    }

    fn summary(&self, name: &str) -> AgentSummary {
        let protocol = match self {
            Self::InProcess(_) => "in-process",
            Self::Program(registered) => registered.program.info().protocol,
        };
        AgentSummary {
            agent_type: name.to_owned(),
            protocol,
            capabilities: self.known_capabilities(),
            available: self.report(name).available,
        }
    }

    fn report(&self, name: &str) -> AgentReport {
        let (program, found) = match self {
            Self::InProcess(_) => (None, None),
            Self::Program(registered) => (Some(&registered.program), registered.detector.cached()),
        };
        let inspection = found.as_ref().and_then(|found| found.inspection.as_ref());
        let mut error = inspection.and_then(|inspection| inspection.error.clone());
        if let (Some(program), None) = (program, &found) {
            error = Some(not_installed(program.as_ref()).message);
        }
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let variant = inspection.map_or("", |inspection| inspection.variant);
        AgentReport {
            capabilities: program.map_or_else(Capabilities::default, |program| program.capabilities(variant)),
            tested: program.is_none_or(|program| program.is_tested(variant)),
            agent_type: name.to_owned(),
            available: error.is_none(),
            version: inspection.and_then(|inspection| inspection.version.clone()),
            path: found.as_ref().map(|found| resolve(&found.path)),
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

/// The limits that `containment` enforces, for the run's events.
fn enforced_limits(containment: &Containment) -> Option<RunLimits> {
    let (by, limits) = if containment.process_limits.is_unlimited() {
        (LimitedBy::Cgroup, containment.group_limits)
    } else {
        (LimitedBy::Rlimit, containment.process_limits)
    };
    let ProcessLimits { memory_bytes, processes, cpu_weight } = limits;
    (!limits.is_unlimited()).then_some(RunLimits { by, memory_bytes, processes, cpu_weight })
}

/// Resolves the link by which a built-in agent is started.
fn resolve(path: &Path) -> PathBuf {
    if path.starts_with("/proc/self") { std::fs::read_link(path).unwrap_or_else(|_| path.to_owned()) } else { path.to_owned() }
}

fn no_such_agent(name: &str) -> Failure {
    Failure::new(Cause::NotInstalled, format!("agent {name} is not registered on this server"))
}

/// What is not enforced on this variant of a program.
fn restrictions(program: &dyn Program, variant: &str, project_config: ProjectConfig) -> Restrictions {
    let unignored = match project_config {
        ProjectConfig::Ignore => program.reads_project_config(variant).map(Box::from),
        ProjectConfig::Trust => None,
    };
    Restrictions { unignored, untested: !program.is_tested(variant), ..Restrictions::default() }
}

fn check_handover(handover: &str) -> Result<(), Failure> {
    let is_small = handover.len() <= MAX_HANDOVER;
    is_small.then_some(()).ok_or_else(|| {
        let message = format!("env and mcp_servers are larger than {MAX_HANDOVER} bytes");
        Failure::new(Cause::BadArguments, message)
    })
}

fn start_failure(error: &std::io::Error) -> Failure {
    let cause = if is_resource_exhausted(error) { Cause::Storage } else { Cause::Crashed };
    Failure::new(cause, format!("the process could not be started: {error}"))
}

fn not_installed(program: &dyn Program) -> Failure {
    let info = program.info();
    let help = match (info.install_command(), &info.location) {
        ("", Location::Named(file)) => format!(": no program {file} on the server's PATH"),
        ("", Location::At(path)) => format!(": {} is not an executable file", path.display()),
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
