//! The settings themselves. Their documentation names default, unit and variable of each.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use confique::Config;
use serde::Deserialize;

use super::{AgentsSettings, EventType, HostName, Network, Origin, RetryWait, Secret, VariableName, WebhookPlace};
use crate::types::{Bound, Budget, Money, OnShutdown, RuleSpec, Tokens};

/// Everything that the operator may choose.
#[derive(Clone, Debug, Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct Settings {
    /// Address and port to listen on. Port 0 takes any free one. Default `127.0.0.1:3000`.
    #[config(env = "OPENRUNNER_ADDR", default = "127.0.0.1:3000")]
    pub addr: SocketAddr,

    /// Folder of the database, the key and the runs' own folders. Default: `$XDG_DATA_HOME/openrunner`, else `~/.local/share/openrunner`;
    /// on macOS `~/Library/Application Support/openrunner`.
    #[config(env = "OPENRUNNER_DATA_DIR")]
    pub data_dir: PathBuf,

    /// What is logged, as a filter of `tracing`: `info`, or `warn,openrunner=debug`. Default `info`.
    #[config(env = "OPENRUNNER_LOG", default = "info")]
    pub log: String,

    /// Form of the log on standard error: `text` or `json`. Default `text`.
    #[config(env = "OPENRUNNER_LOG_FORMAT", default = "text")]
    pub log_format: LogFormat,

    /// Key that signs tokens, at least 32 bytes. Default: one of 256 random bits is made at the first start and kept in the data folder.
    #[config(env = "OPENRUNNER_JWT_SECRET")]
    pub jwt_secret: Option<Secret>,

    /// Sets admin's own password at start, unless it is that already. Default: none is set.
    #[config(env = "OPENRUNNER_ADMIN_PASSWORD")]
    pub admin_password: Option<Secret>,

    /// Further names that this server goes by in `Host`, without port. As a variable: separated by commas. Default: none.
    #[config(env = "OPENRUNNER_ALLOWED_HOSTS", default = [])]
    pub allowed_hosts: Vec<HostName>,

    /// Web origins whose pages may call this server. As a variable: separated by commas. Default: none.
    #[config(env = "OPENRUNNER_ALLOWED_ORIGINS", default = [])]
    pub allowed_origins: Vec<Origin>,

    /// Proxies whose forwarding headers are believed, as addresses or networks. As a variable: separated by commas. Default: none.
    #[config(env = "OPENRUNNER_TRUSTED_PROXIES", default = [])]
    pub trusted_proxies: Vec<Network>,

    /// Logins a minute that may fail, of one client and for one user name. Default 20.
    #[config(env = "OPENRUNNER_LOGINS_PER_MINUTE", default = 20)]
    pub logins_per_minute: NonZeroU32,

    /// Requests a minute of one user, or of one client without a token; as many may come at once. Default 60000.
    #[config(env = "OPENRUNNER_REQUESTS_PER_MINUTE", default = 60_000)]
    pub requests_per_minute: NonZeroU32,

    /// Event streams of one user at once. Default 1000.
    #[config(env = "OPENRUNNER_MAX_STREAMS_PER_USER", default = 1_000)]
    pub max_streams_per_user: NonZeroUsize,

    /// Connections at once; more wait, unaccepted, in the system's queue. Default 12000.
    #[config(env = "OPENRUNNER_MAX_CONNECTIONS", default = 12_000)]
    pub max_connections: NonZeroU32,

    /// Runs at once; more wait in the queue. Default: total memory divided by 600 MB, at least 2.
    #[config(env = "OPENRUNNER_MAX_RUNS")]
    pub max_runs: NonZeroUsize,

    /// Runs of one user at once. Default: as many as in all.
    #[config(env = "OPENRUNNER_MAX_RUNS_PER_USER")]
    pub max_runs_per_user: Option<NonZeroUsize>,

    /// Runs that may wait; more are refused. Default 10000.
    #[config(env = "OPENRUNNER_MAX_QUEUE", default = 10_000)]
    pub max_queue: usize,

    /// Tokens that each user may use in a day (UTC), for whom nothing else is set. Default: no bound.
    #[config(env = "OPENRUNNER_TOKENS_PER_DAY")]
    pub tokens_per_day: Option<Tokens>,

    /// US dollars that each user may use in a day (UTC), as far as agents tell what they cost, for whom nothing else is set. Default: no
    /// bound.
    #[config(env = "OPENRUNNER_COST_PER_DAY_USD")]
    pub cost_per_day_usd: Option<Money>,

    /// Seconds that an agent gets between being asked to end and being killed, at most 86400. Default 10.
    #[config(env = "OPENRUNNER_STOP_GRACE_SECS", default = 10)]
    pub stop_grace_secs: u32,

    /// Seconds that an agent may stay alive after its result, at most 86400. Default 10.
    #[config(env = "OPENRUNNER_EXIT_GRACE_SECS", default = 10)]
    pub exit_grace_secs: u32,

    /// Seconds that an agent's program may take from its start to its first word, at most 86400; 0 for as long as its run may take.
    /// Default 120.
    #[config(env = "OPENRUNNER_STARTUP_TIMEOUT_SECS", default = 120)]
    pub startup_timeout_secs: u32,

    /// Where each run gets a control group of its own: `auto` where one was handed to this server, `off` for nowhere, or the absolute path
    /// of a control group. Default `auto`.
    #[config(env = "OPENRUNNER_CGROUP", default = "auto")]
    pub cgroup: ControlGroup,

    /// Memory that the processes of one run may use, in MiB. Default: no bound.
    #[config(env = "OPENRUNNER_RUN_MEMORY_MB")]
    pub run_memory_mb: Option<NonZeroU32>,

    /// Processes and threads that one run may have at once. Default: no bound.
    #[config(env = "OPENRUNNER_RUN_PROCESSES")]
    pub run_processes: Option<NonZeroU32>,

    /// Share of the processors that one run gets where there are not enough: 1 to 10000, and 100 is everybody's. Default: everybody's.
    #[config(env = "OPENRUNNER_RUN_CPU_WEIGHT")]
    pub run_cpu_weight: Option<NonZeroU32>,

    /// Seconds that a shutdown may take in all, at most 86400. Default 15.
    #[config(env = "OPENRUNNER_SHUTDOWN_SECS", default = 15)]
    pub shutdown_secs: u32,

    /// What becomes of the runs when the server is told to go by TERM: `detach` lets their agents go on, for the next server to find;
    /// `stop` ends them. An interrupt at the terminal always stops them. Default `detach`.
    #[config(env = "OPENRUNNER_ON_SHUTDOWN", default = "detach")]
    pub on_shutdown: OnShutdown,

    /// Most that one agent may write to its stdout in one run, in MiB; one that writes more is stopped. Default 1024.
    #[config(env = "OPENRUNNER_MAX_OUTPUT_MB", default = 1024)]
    pub max_output_mb: NonZeroU32,

    /// Days that a conversation is kept after the end of its last run; then its runs go, with their events and fresh workspaces. Default:
    /// none, which means for ever.
    #[config(env = "OPENRUNNER_KEEP_DAYS")]
    pub keep_days: Option<NonZeroU32>,

    /// Size that the database may have, in MiB, before the logs of the runs that ended first are cut. Default: none, which means no bound.
    #[config(env = "OPENRUNNER_MAX_STORE_MB")]
    pub max_store_mb: Option<NonZeroU32>,

    /// Folders that agents may work in, each absolute, with what is beneath them. As a variable: separated by colons. Default: none, which
    /// means any folder.
    #[config(env = "OPENRUNNER_WORKSPACE_ROOTS", default = [])]
    pub workspace_roots: Vec<PathBuf>,

    /// Folders that users who are no admins may choose, each absolute, with what is beneath them; where `workspace_roots` are set, a folder
    /// must lie in those, too. As a variable: separated by colons. Default: none, which means no further bound.
    #[config(env = "OPENRUNNER_USER_WORKSPACE_ROOTS", default = [])]
    pub user_workspace_roots: Vec<PathBuf>,

    /// Folder in which agent programs are looked for first. Default: `agents` in the data folder.
    #[config(env = "OPENRUNNER_AGENTS_DIR")]
    pub agents_dir: PathBuf,

    /// Names of further environment variables that agents get from this server's own. As a variable: separated by commas. Default: none.
    #[config(env = "OPENRUNNER_AGENT_ENV", default = [])]
    pub agent_env: Vec<VariableName>,

    /// Seconds that a permission request or a question waits for an answer, at most 86400; then it is denied, or told that nobody is
    /// there. Default 600.
    #[config(env = "OPENRUNNER_PERMISSION_TIMEOUT_SECS", default = 600)]
    pub permission_timeout_secs: u32,

    /// Names of environment variables that users may set for their runs; admins may set any. As a variable: separated by commas.
    /// Default: none.
    #[config(env = "OPENRUNNER_RUN_ENV", default = [])]
    pub run_env: Vec<VariableName>,

    /// Address that events of all runs are sent to. Default: none.
    #[config(env = "OPENRUNNER_WEBHOOK_URL")]
    pub webhook_url: Option<Secret>,

    /// Secret that webhooks are signed with where a run gives none: `whsec_` and 24 to 64 bytes in Base64. Default: none.
    #[config(env = "OPENRUNNER_WEBHOOK_SECRET")]
    pub webhook_secret: Option<Secret>,

    /// Types of the events that are sent to `webhook_url`; `*` for all that can be sent. As a variable: separated by commas. Default: none,
    /// which means `run_started`, `permission_request`, `question` and `done`.
    #[config(env = "OPENRUNNER_WEBHOOK_EVENTS", default = [])]
    pub webhook_events: Vec<EventType>,

    /// Hosts, addresses and networks that webhooks may go to although they are not on the internet. As a variable: separated by commas.
    /// Default: none.
    #[config(env = "OPENRUNNER_WEBHOOK_ALLOW", default = [])]
    pub webhook_allow: Vec<WebhookPlace>,

    /// Seconds between the attempts to send one event, each at most 86400; after the last one the place is given up for the run. As a
    /// variable: separated by commas. Default `5,30,120,600,1800,3600,10800,21600,43200`.
    #[config(env = "OPENRUNNER_WEBHOOK_RETRY_SECS", default = [5, 30, 120, 600, 1800, 3600, 10800, 21600, 43200])]
    pub webhook_retry_secs: Vec<RetryWait>,

    /// Rules on what agents may do, which count before those of any run; the first one that fits wins. Only in the file. Default: none.
    #[config(default = [])]
    pub permission_rules: Vec<RuleSpec>,

    /// Settings of single agents, built in or the operator's own. Only in the file. Default: every built-in agent as it is best driven.
    #[config(default = {})]
    pub agents: AgentsSettings,
}

/// Where each run gets a control group of its own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum ControlGroup {
    /// Where one was handed to this server.
    Auto,
    /// Nowhere.
    Off,
    /// In this one. The path is absolute.
    At(PathBuf),
}

impl TryFrom<String> for ControlGroup {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "auto" => Ok(Self::Auto),
            "off" => Ok(Self::Off),
            path if path.starts_with('/') => Ok(Self::At(path.into())),
            other => Err(format!("`{other}` is not `auto`, `off` or an absolute path")),
        }
    }
}

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// A JSON object a line, for programs.
    Json,
}

impl Settings {
    /// Time between asking an agent to end and killing it.
    pub fn stop_grace(&self) -> Duration {
        Duration::from_secs(self.stop_grace_secs.into())
    }

    /// How long an agent may stay alive after its result.
    pub fn exit_grace(&self) -> Duration {
        Duration::from_secs(self.exit_grace_secs.into())
    }

    /// How long a program may take from its start to its first word; `None` for as long as its run may take.
    pub fn startup_timeout(&self) -> Option<Duration> {
        Some(Duration::from_secs(self.startup_timeout_secs.into())).filter(|limit| !limit.is_zero())
    }

    /// Memory that the processes of one run may use, in bytes.
    pub fn run_memory(&self) -> Option<u64> {
        self.run_memory_mb.map(|mebibytes| u64::from(mebibytes.get()) * 1024 * 1024)
    }

    /// What each user may use in a day for whom nothing else is set.
    pub fn budget(&self) -> Budget {
        Budget { tokens_per_day: self.tokens_per_day.map(Bound::At), cost_per_day_usd: self.cost_per_day_usd.map(Bound::At) }
    }

    /// How long a request waits for an answer.
    pub fn permission_timeout(&self) -> Duration {
        Duration::from_secs(self.permission_timeout_secs.into())
    }

    /// Most that is kept of one program's output, in bytes.
    pub fn max_output(&self) -> u64 {
        u64::from(self.max_output_mb.get()) * 1024 * 1024
    }

    /// How long a conversation is kept after its end.
    pub fn keep_age(&self) -> Option<Duration> {
        self.keep_days.map(|days| Duration::from_hours(24) * days.get())
    }

    /// Size that the database may have, in bytes.
    pub fn max_store(&self) -> Option<u64> {
        self.max_store_mb.map(|mebibytes| u64::from(mebibytes.get()) * 1024 * 1024)
    }

    /// How long a shutdown may take in all.
    pub fn shutdown(&self) -> Duration {
        Duration::from_secs(self.shutdown_secs.into())
    }
}
