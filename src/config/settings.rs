//! Every setting, declared once: name, type, variable, default, unit and help text.
//!
//! The loader, `openrunner config show`, the template of `openrunner config init` and the tables in `docs/settings.md` are derived from
//! these declarations.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use super::declare::{Declaration, DefaultValue, Rejected, SettingValue, settings};
use super::value::{CpuWeight, Seconds};
use super::{
    AccountName, AgentsSettings, BasePath, ControlGroup, CredentialsSettings, EventType, HostName, Isolation, LogFormat, Network, Origin,
    ProfilesSettings, RetryDelay, Secret, Switch, VariableName, WebhookDestination,
};
use crate::types::{Amount, Budget, HostPattern, Limit, Money, OnShutdown, PerQuota, ProfileName, Quota, RuleSpec, Tokens};

settings! {
    "Server" {
        /// Address and port to listen on, unless a [service manager](operating.md#run-as-a-service) passes a socket. Port 0 picks a free
        /// port. `0.0.0.0:8090` listens on every network of the machine: read [SECURITY.md](../SECURITY.md#on-a-network) first.
        addr: SocketAddr => "OPENRUNNER_ADDR", default "127.0.0.1:3000",
            expects "an address and a port, such as 127.0.0.1:3000";
        /// Directory of the database, the signing key and the workspaces. One server at a time; a second one refuses to start.
        data_dir: PathBuf => "OPENRUNNER_DATA_DIR",
            computed "`$XDG_DATA_HOME/openrunner`, else `~/.local/share/openrunner`; on macOS `~/Library/Application Support/openrunner`",
            expects "a directory";
        /// URL of a PostgreSQL database that holds everything except files, instead of a database in the data directory:
        /// [PostgreSQL](operating.md#postgresql). One server at a time.
        database_url: Secret => "OPENRUNNER_DATABASE_URL", unset "a database in the data directory",
            expects "a URL, such as postgres://openrunner:PASSWORD@db.example.org/openrunner";
        /// Log filter: `error`, `warn`, `info`, `debug` or `trace`, optionally per module: `info,openrunner::run=debug`.
        log: String => "OPENRUNNER_LOG", default "info", expects "a log filter, such as info or warn,openrunner=debug";
        /// Log format on standard error: `text` or `json`.
        log_format: LogFormat => "OPENRUNNER_LOG_FORMAT", default "text", expects "`text` or `json`";
        /// Time limit for a graceful shutdown after SIGTERM. A second signal ends the server immediately.
        shutdown_secs: Seconds => "OPENRUNNER_SHUTDOWN_SECS", default "15", expects "a whole number of seconds",
            unit "seconds, at most 86400";
        /// What happens to live runs on SIGTERM: `detach` keeps their agents working for the [next
        /// server](sessions.md#after-a-restart); `stop` ends them. SIGINT (Ctrl-C) always stops them.
        on_shutdown: OnShutdown => "OPENRUNNER_ON_SHUTDOWN", default "detach", expects "`detach` or `stop`";
    }
    "Access" {
        /// Sets the password of `admin` at start, so that admin can log in from other machines. It applies at every start and replaces a
        /// password that was set otherwise. The value `admin` stops the start. If `user` still has the default password, that ends as
        /// well: `user` cannot log in until an admin sets another.
        admin_password: Secret => "OPENRUNNER_ADMIN_PASSWORD", unset "none", expects "a password";
        /// Key that signs tokens, at least 32 bytes; a shorter one stops the start.
        jwt_secret: Secret => "OPENRUNNER_JWT_SECRET",
            unset "a random key, generated at the first start and kept in the data directory, readable by its owner only",
            expects "a text of at least 32 bytes";
        /// Further host names by which clients may address the server. `localhost`, `127.0.0.1` and `[::1]` are always allowed.
        allowed_hosts: Vec<HostName> => "OPENRUNNER_ALLOWED_HOSTS", default "",
            expects "a list of host names";
        /// Origins whose pages may call the server, such as `https://tools.example.org`; also those of apps and browser extensions, such as
        /// `app://obsidian.md`. Never `*`.
        allowed_origins: Vec<Origin> => "OPENRUNNER_ALLOWED_ORIGINS", default "",
            expects "a list of web origins";
        /// Path below which a reverse proxy offers the server, such as `/openrunner`, for paths in responses. The proxy may remove it from
        /// requests or pass it on.
        base_path: BasePath => "OPENRUNNER_BASE_PATH", unset "none, the server is at `/`", expects "a path such as `/openrunner`";
        /// Addresses and networks of your reverse proxies, such as `10.0.0.7,fd00::/8`: [behind a proxy](#behind-a-proxy).
        trusted_proxies: Vec<Network> => "OPENRUNNER_TRUSTED_PROXIES", default "",
            expects "a list of addresses and networks";
    }
    "Rate limits" {
        /// Failed logins per client and per user name. Once the limit is reached, even the right password is rejected. A wrong current
        /// password in a password change counts as well; successful logins do not count. Failures on the server's own machine are
        /// counted separately from those on the network, so that a remote client cannot lock out a local one.
        logins_per_minute: NonZeroU32 => "OPENRUNNER_LOGINS_PER_MINUTE", default "20",
            expects "a whole number of logins, at least 1", unit "logins";
        /// Requests per user, or per client without a valid token; all of them may arrive at once.
        requests_per_minute: NonZeroU32 => "OPENRUNNER_REQUESTS_PER_MINUTE", default "60000",
            expects "a whole number of requests, at least 1", unit "requests";
        /// Concurrent event streams per user.
        max_streams_per_user: NonZeroUsize => "OPENRUNNER_MAX_STREAMS_PER_USER", default "1000",
            expects "a whole number of streams, at least 1", unit "streams";
        /// Concurrent connections: [what happens without a free one](operating.md#many-connections). Each takes a file descriptor, of which
        /// the server requests as many as the system allows (`ulimit -Hn`, `LimitNOFILE=`); with fewer, it admits fewer connections. Agents
        /// get the limit that the server was started with.
        max_connections: NonZeroU32 => "OPENRUNNER_MAX_CONNECTIONS", default "12000",
            expects "a whole number of connections, at least 1", unit "connections";
    }
    "Runs" {
        /// Concurrent runs. Further runs wait in the queue.
        max_runs: NonZeroUsize => "OPENRUNNER_MAX_RUNS",
            computed "the memory of the machine, or of its container, divided by 600 MB, at least 2",
            expects "a whole number of runs, at least 1", unit "runs";
        /// Concurrent runs per user.
        max_runs_per_user: NonZeroUsize => "OPENRUNNER_MAX_RUNS_PER_USER", unset "`OPENRUNNER_MAX_RUNS`",
            expects "a whole number of runs, at least 1", unit "runs";
        /// Runs that may wait in the queue; beyond that, new runs get `429`.
        max_queue: usize => "OPENRUNNER_MAX_QUEUE", default "10000", expects "a whole number of runs", unit "runs";
        /// Runs of one user that may wait in the queue. Besides, a user whose waiting runs outnumber the free places gets none of them, so
        /// that users with few runs always find one.
        max_queue_per_user: NonZeroUsize => "OPENRUNNER_MAX_QUEUE_PER_USER", default "1000",
            expects "a whole number of runs, at least 1", unit "runs";
        /// Tokens that each user may use per day (UTC), unless [the user has a budget of their own](api.md#patch-apiusersname): [how
        /// tokens are counted](api.md#budgets).
        tokens_per_day: Tokens => "OPENRUNNER_TOKENS_PER_DAY", unset "no limit",
            expects "a whole number of tokens, at most 10^15", unit "tokens, at most 10^15";
        /// The same as an amount of money, as far as agents report what they cost.
        cost_per_day_usd: Money => "OPENRUNNER_COST_PER_DAY_USD", unset "no limit",
            expects "a number of dollars from 0 to 1000000", unit "US dollars, at most a million";
        /// Tokens that each run may use, unless [its owner has a limit of their own](api.md#patch-apiusersname): [spend
        /// limits](api.md#spend-limits). A run may ask for a lower limit.
        tokens_per_run: Tokens => "OPENRUNNER_TOKENS_PER_RUN", unset "no limit",
            expects "a whole number of tokens, at most 10^15", unit "tokens, at most 10^15";
        /// The same as an amount of money. Agents that do not report what they cost cannot be used then.
        cost_per_run_usd: Money => "OPENRUNNER_COST_PER_RUN_USD", unset "no limit",
            expects "a number of dollars from 0 to 1000000", unit "US dollars, at most a million";
        /// The same as a number of model calls. Agents that do not report them cannot be used then.
        turns_per_run: Amount => "OPENRUNNER_TURNS_PER_RUN", unset "no limit",
            expects "a whole number of model calls, at most 10^15", unit "model calls";
        /// How long a permission request or a question waits for an answer. After that it is denied, or answered as unanswered.
        permission_timeout_secs: Seconds => "OPENRUNNER_PERMISSION_TIMEOUT_SECS", default "600",
            expects "a whole number of seconds", unit "seconds, at most 86400";
        /// How long a run may wait for a usage limit of its model's provider to reset, if it [asks for that](sessions.md#waiting-for-a-usage-limit);
        /// also the default of `max_wait_secs`.
        max_wait_secs: Seconds => "OPENRUNNER_MAX_WAIT_SECS", default "21600", expects "a whole number of seconds",
            unit "seconds, at most 86400";
        /// Time between SIGTERM and SIGKILL when a run is stopped.
        stop_grace_secs: Seconds => "OPENRUNNER_STOP_GRACE_SECS", default "10", expects "a whole number of seconds",
            unit "seconds, at most 86400";
        /// How long an agent may stay alive after its result.
        exit_grace_secs: Seconds => "OPENRUNNER_EXIT_GRACE_SECS", default "10", expects "a whole number of seconds",
            unit "seconds, at most 86400";
        /// Time limit from the start of an agent program to its first output; 0 for no limit.
        startup_timeout_secs: Seconds => "OPENRUNNER_STARTUP_TIMEOUT_SECS", default "120", expects "a whole number of seconds",
            unit "seconds, at most 86400";
        /// Maximum output of one agent in one run. A run that exceeds it is stopped and fails with cause `storage`.
        max_output_mb: NonZeroU32 => "OPENRUNNER_MAX_OUTPUT_MB", default "1024", expects "a whole number of MiB, at least 1",
            unit "MiB";
        /// Memory limit for the processes of one run: [how it is enforced](operating.md#limits-per-run).
        run_memory_mb: NonZeroU32 => "OPENRUNNER_RUN_MEMORY_MB", unset "no limit", expects "a whole number of MiB, at least 1",
            unit "MiB";
        /// Limit on the processes and threads of one run.
        run_processes: NonZeroU32 => "OPENRUNNER_RUN_PROCESSES", unset "no limit",
            expects "a whole number of processes, at least 1", unit "processes and threads";
        /// Share of the CPU that a run gets when the machine is busy, relative to the default weight of 100.
        run_cpu_weight: CpuWeight => "OPENRUNNER_RUN_CPU_WEIGHT", unset "100", expects "a weight from 1 to 10000",
            unit "1 to 10000";
        /// Where the [control groups](operating.md#control-groups) of runs are created: `auto` where one was delegated to the server, `off`, or
        /// the absolute path of a control group.
        cgroup: ControlGroup => "OPENRUNNER_CGROUP", default "auto", expects "`auto`, `off` or an absolute path";
        /// How long a session is kept after its last run has ended: [retention](operating.md#retention).
        keep_days: NonZeroU32 => "OPENRUNNER_KEEP_DAYS", unset "forever", expects "a whole number of days, at least 1", unit "days";
        /// How long entries of the [audit log](api.md#get-apiaudit) are kept.
        keep_audit_days: NonZeroU32 => "OPENRUNNER_KEEP_AUDIT_DAYS", default "365", expects "a whole number of days, at least 1",
            unit "days";
        /// How long the output of an agent, as it wrote it, is kept in the run's directory after the end of the run. The events of the run
        /// stay. 0 keeps it as long as the run: [retention](operating.md#retention).
        keep_output_days: usize => "OPENRUNNER_KEEP_OUTPUT_DAYS", default "7", expects "a whole number of days", unit "days";
        /// How long the content of a fresh working directory is kept after the last run in it has ended. 0 keeps it as long as the session:
        /// [retention](operating.md#retention).
        keep_workspace_days: usize => "OPENRUNNER_KEEP_WORKSPACE_DAYS", default "90", expects "a whole number of days", unit "days";
        /// Size of the database beyond which the logs of the runs that ended first are trimmed.
        max_store_mb: NonZeroU32 => "OPENRUNNER_MAX_STORE_MB", unset "no limit", expects "a whole number of MiB, at least 1",
            unit "MiB";
        /// Directories that runs may use, with everything below them. Without any, a run may choose any directory, but only from this
        /// machine. The data directory can never be chosen.
        workspace_roots: Vec<PathBuf> => "OPENRUNNER_WORKSPACE_ROOTS", default "",
            expects "a list of absolute directories";
        /// Directories that users without the role `admin` may use, in addition to the limits of `OPENRUNNER_WORKSPACE_ROOTS`.
        user_workspace_roots: Vec<PathBuf> => "OPENRUNNER_USER_WORKSPACE_ROOTS", default "",
            expects "a list of absolute directories";
        /// Directories whose projects are trusted, with everything below them: agents take hooks, MCP servers, plugins and settings from
        /// a [working directory](agents.md#configuration-in-the-working-directory) there. Elsewhere they ignore them.
        trusted_projects: Vec<PathBuf> => "OPENRUNNER_TRUSTED_PROJECTS", default "",
            expects "a list of absolute directories";
        /// Whether the changes of each run in its working directory are [recorded](workspaces.md). Needs git.
        changes: Switch => "OPENRUNNER_CHANGES", default "on", expects "`on` or `off`";
        /// Hosts from which sessions may [clone](workspaces.md#clones) repositories: `HOST` or `HOST:PORT`, all names below one as
        /// `*.example.org`.
        git_hosts: Vec<HostPattern> => "OPENRUNNER_GIT_HOSTS", default "", expects "a list of hosts";
        /// Host names, addresses and networks among them that may be private or local, such as `git.internal,10.0.0.0/8`. Only from
        /// these, repositories are also cloned over unencrypted `http://`.
        git_private: Vec<WebhookDestination> => "OPENRUNNER_GIT_PRIVATE", default "",
            expects "a list of host names, addresses and networks";
        /// Program that knows the credentials for these hosts: a [credential helper](https://git-scm.com/docs/gitcredentials) of git. All
        /// users clone with its credentials.
        git_credentials: PathBuf => "OPENRUNNER_GIT_CREDENTIALS", unset "no credentials", expects "an absolute path";
        /// Whether users may have the branches of their clones pushed.
        git_push: Switch => "OPENRUNNER_GIT_PUSH", default "off", expects "`on` or `off`";
        /// Rules on what agents may do. They are applied before the rules of a run; the first match wins. Keys `tool`, `kind`, `path`,
        /// `command`, `decision`: [permission rules](permissions.md#rules).
        permission_rules: Vec<RuleSpec>, default "", expects "an array of tables";
        /// Tables `[profiles.NAME]`: [profiles](api.md#profiles) that runs are created with, in addition to those of the API. Keys
        /// `description`, `agent_type`, `model`, `instructions`, `permission_mode`, `permission_rules`, `mcp_servers`, `isolation`, `timeout_secs`,
        /// `idle_timeout_secs`, `max_cost_usd`, `max_tokens`,
        /// `max_turns`, `users`.
        profiles: ProfilesSettings, default "", expects "tables of profiles";
        /// Profile of the runs that name none, unless the API key that creates them has a `default_profile`: [default
        /// profiles](api.md#default-profiles).
        default_profile: ProfileName => "OPENRUNNER_DEFAULT_PROFILE", unset "none", expects "the name of a profile";
    }
    "OpenAI-compatible API" {
        /// Model for the requests that chat clients send on their own, for titles, tags and suggestions, such as `claude/haiku`: they are
        /// recognized by the texts of common clients. Otherwise each of them starts the agent of the chat.
        helper_model: String => "OPENRUNNER_HELPER_MODEL", unset "none, they are like other requests", expects "a model as in requests, such as `claude/haiku`";
    }
    "Quotas" {
        /// Runs with their events, and the output of their agents.
        quota_stored_mb: usize => "OPENRUNNER_QUOTA_STORED_MB", default "10240", expects "a whole number of MiB", unit "MiB";
        /// Content of fresh working directories.
        quota_workspace_mb: usize => "OPENRUNNER_QUOTA_WORKSPACE_MB", default "20480", expects "a whole number of MiB", unit "MiB";
        /// Runs, live and ended.
        quota_runs: usize => "OPENRUNNER_QUOTA_RUNS", default "100000", expects "a whole number of runs", unit "runs";
        /// Sessions. Each run without `session_id` starts one.
        quota_sessions: usize => "OPENRUNNER_QUOTA_SESSIONS", default "100000", expects "a whole number of sessions", unit "sessions";
        /// API keys.
        quota_keys: usize => "OPENRUNNER_QUOTA_KEYS", default "100", expects "a whole number of keys", unit "keys";
    }
    "Webhooks" {
        /// URL that receives the events of all runs. It is never shown, since it may contain a secret.
        webhook_url: Secret => "OPENRUNNER_WEBHOOK_URL", unset "none", expects "a URL";
        /// Secret that signs webhooks of runs without a secret of their own: `whsec_` and 24 to 64 random bytes in Base64. Required with
        /// `OPENRUNNER_WEBHOOK_URL`.
        webhook_secret: Secret => "OPENRUNNER_WEBHOOK_SECRET", unset "none", expects "`whsec_` and Base64";
        /// Event types that are sent to `OPENRUNNER_WEBHOOK_URL`; `needs_input` for requests that wait for a person, `*` for all
        /// that can be sent.
        webhook_events: Vec<EventType> => "OPENRUNNER_WEBHOOK_EVENTS", default "run_started,needs_input,done",
            expects "a list of event types";
        /// Host names, addresses and networks that webhooks may reach although they are not on the public internet, such as
        /// `hooks.internal,10.0.0.7,fd00::/8`.
        webhook_allow: Vec<WebhookDestination> => "OPENRUNNER_WEBHOOK_ALLOW", default "",
            expects "a list of host names, addresses and networks";
        /// Delays between the attempts to deliver one event. After the last attempt the endpoint is disabled for the run.
        webhook_retry_secs: Vec<RetryDelay> => "OPENRUNNER_WEBHOOK_RETRY_SECS", default "5,30,120,600,1800,3600,10800,21600,43200",
            expects "a list of delays", unit "seconds, each 1 to 86400";
    }
    "Agents" {
        /// Directory in which agent programs are looked up first (in its `bin`): the `--prefix` of `scripts/install-agents.sh`.
        agents_dir: PathBuf => "OPENRUNNER_AGENTS_DIR", computed "`agents` in the data directory", expects "a directory";
        /// [How agents are isolated](security.md#isolation) from the server, from each other and from the rest of the account: `none`,
        /// `files`, `guard` or `sandbox`, as far as this machine allows it. With `require:` before the level the server does not start on
        /// a machine that does not allow it, and no run gets less.
        isolation: Isolation => "OPENRUNNER_ISOLATION", default "guard",
            expects "`none`, `files`, `guard` or `sandbox`, the last three also as `require:LEVEL`";
        /// Paths that isolated agents see although they lie in `/tmp` or belong to a container engine, such as
        /// `/tmp/.X11-unix:/run/docker.sock`. At level `sandbox`, also any other path; there they are read-only.
        agent_paths: Vec<PathBuf> => "OPENRUNNER_AGENT_PATHS", default "", expects "a list of absolute paths";
        /// Hosts and ports that runs at isolation level `sandbox` may be given with `metadata.egress`, such as
        /// `github.com:443,*.example.org:443`; `*:443` for all on the public internet. The git remotes of a working directory are reachable
        /// as far as this list covers them. Private addresses are reachable only if the list names exactly that host and port: [the
        /// network of an agent](egress.md).
        egress: Vec<HostPattern> => "OPENRUNNER_EGRESS", default "github.com:443,gitlab.com:443,bitbucket.org:443,codeberg.org:443",
            expects "a list of hosts and ports";
        /// Tables `[credentials.AGENT]` and `[credentials.git."HOST"]`: [keys that the server keeps for agents](egress.md#credentials).
        credentials: CredentialsSettings, default "", expects "tables of credentials";
        /// Account that agents run under, if the server runs as root; several, separated by commas, are shared out among the users. Each
        /// needs a home directory of its own, in which agents find their logins.
        agent_user: Vec<AccountName> => "OPENRUNNER_AGENT_USER", default "", expects "a list of account names";
        /// Names of further environment variables that agents inherit from the server, such as `GIT_SSH_COMMAND,MY_PROXY_TOKEN`.
        agent_env: Vec<VariableName> => "OPENRUNNER_AGENT_ENV", default "", expects "a list of variable names";
        /// Names of environment variables that users may set for their runs (`metadata.env`); admins may set any.
        run_env: Vec<VariableName> => "OPENRUNNER_RUN_ENV", default "", expects "a list of variable names";
        /// Tables `[agents.NAME]`: settings of the built-in agents, and agents of your own (see below).
        agents: AgentsSettings, default "", expects "tables of agents";
    }
}

impl Settings {
    /// Time between SIGTERM and SIGKILL.
    pub fn stop_grace(&self) -> Duration {
        self.stop_grace_secs.duration()
    }

    /// How long an agent may stay alive after its result.
    pub fn exit_grace(&self) -> Duration {
        self.exit_grace_secs.duration()
    }

    /// Time limit from the start of an agent program to its first output; `None` for no limit.
    pub fn startup_timeout(&self) -> Option<Duration> {
        Some(self.startup_timeout_secs.duration()).filter(|limit| !limit.is_zero())
    }

    /// Memory limit for the processes of one run, in bytes.
    pub fn run_memory(&self) -> Option<u64> {
        self.run_memory_mb.map(|mebibytes| u64::from(mebibytes.get()) * 1024 * 1024)
    }

    /// Budget of users without one of their own.
    pub fn budget(&self) -> Budget {
        Budget {
            tokens_per_day: self.tokens_per_day.map(Limit::At),
            cost_per_day_usd: self.cost_per_day_usd.map(Limit::At),
            tokens_per_run: self.tokens_per_run.map(Limit::At),
            cost_per_run_usd: self.cost_per_run_usd.map(Limit::At),
            turns_per_run: self.turns_per_run.map(Limit::At),
        }
    }

    /// How long a run may wait for a limit of the model's provider to reset.
    pub fn max_wait(&self) -> Duration {
        self.max_wait_secs.duration()
    }

    /// How long a request waits for an answer.
    pub fn permission_timeout(&self) -> Duration {
        self.permission_timeout_secs.duration()
    }

    /// Maximum output of one agent in one run, in bytes.
    pub fn max_output(&self) -> u64 {
        u64::from(self.max_output_mb.get()) * 1024 * 1024
    }

    /// How long entries of the audit log are kept.
    pub fn keep_audit(&self) -> Duration {
        Duration::from_hours(24) * self.keep_audit_days.get()
    }

    /// How long a session is kept after its end.
    pub fn keep_age(&self) -> Option<Duration> {
        self.keep_days.map(|days| Duration::from_hours(24) * days.get())
    }

    /// How long the output of an agent is kept after its end; `None` for as long as the run.
    pub fn keep_output(&self) -> Option<Duration> {
        days(self.keep_output_days)
    }

    /// How long the content of a fresh workspace is kept after its last run; `None` for as long as the session.
    pub fn keep_workspace(&self) -> Option<Duration> {
        days(self.keep_workspace_days)
    }

    /// Quotas of users without their own; `None` is unlimited.
    pub fn quotas(&self) -> PerQuota<Option<Amount>> {
        let amount = |number: usize, unit: u64| Some((number as u64).saturating_mul(unit)).filter(|number| *number > 0).map(Amount::new);
        PerQuota::new(|quota| match quota {
            Quota::StoredBytes => amount(self.quota_stored_mb, 1024 * 1024),
            Quota::WorkspaceBytes => amount(self.quota_workspace_mb, 1024 * 1024),
            Quota::Runs => amount(self.quota_runs, 1),
            Quota::Sessions => amount(self.quota_sessions, 1),
            Quota::Keys => amount(self.quota_keys, 1),
        })
    }

    /// Size limit of the database, in bytes.
    pub fn max_store(&self) -> Option<u64> {
        self.max_store_mb.map(|mebibytes| u64::from(mebibytes.get()) * 1024 * 1024)
    }

    /// Time limit for a graceful shutdown.
    pub fn shutdown(&self) -> Duration {
        self.shutdown_secs.duration()
    }
}

/// A number of days, of which 0 stands for no limit.
fn days(number: usize) -> Option<Duration> {
    let days = u32::try_from(number).unwrap_or(u32::MAX);
    (days > 0).then(|| Duration::from_hours(24).saturating_mul(days))
}
