//! The settings of the run code.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::git_hosts::GitHosts;
use super::policy::{Policy, PrivatePaths, Rule};
use super::webhooks::WebhookConfig;
use crate::egress::EgressPolicy;
use crate::process::shim::ProcessDir;
use crate::redact::Secrets;
use crate::types::{Amount, Budget, Cause, Failure, PerQuota, Profile, ProfileName, RunId, RunSpec, Timestamp};
use crate::workspace::Git;

/// The settings of everything in [`crate::run`]. Built once when the server starts, shared as one `Arc`, never changed.
#[derive(Clone, Debug)]
pub struct RunConfig {
    /// The server's data directory.
    pub data_dir: PathBuf,
    /// Directories that contain every permitted working directory; empty for no restriction.
    pub workspace_roots: Vec<PathBuf>,
    /// Further restriction for non-admins; empty for none.
    pub user_workspace_roots: Vec<PathBuf>,
    /// Directories below which the agents' configuration has an effect by default.
    pub trusted_projects: Vec<PathBuf>,
    /// Files and directories outside the data directory that no agent may read or write: the server's settings.
    pub private_paths: Vec<PathBuf>,
    /// Maximum number of concurrent runs.
    pub max_runs: usize,
    /// Maximum number of concurrent runs per user.
    pub max_runs_per_user: usize,
    /// Maximum number of concurrent runs per agent, by agent type; agents without an entry have no limit of their own.
    pub max_runs_per_agent: BTreeMap<String, usize>,
    /// Maximum number of queued runs.
    pub max_queue: usize,
    /// Maximum number of queued runs per user.
    pub max_queue_per_user: usize,
    /// How long an agent may take to exit after SIGTERM before it is killed.
    pub stop_grace: Duration,
    /// The same while the server shuts down.
    pub shutdown_grace: Duration,
    /// How long a permission request or question waits for an answer.
    pub permission_timeout: Duration,
    /// How long a run may wait for a limit of the model's provider to reset, if it asks for that.
    pub max_wait: Duration,
    /// How long an agent program may take from its start to its first output; `None` for no limit.
    pub startup_timeout: Option<Duration>,
    /// Daily budget of users who have none of their own.
    pub default_budget: Budget,
    /// Quotas of users who have none of their own; `None` is unlimited.
    pub default_quotas: PerQuota<Option<Amount>>,
    /// The operator's permission rules, which precede those of a run.
    pub permission_rules: Vec<Rule>,
    /// The profiles of the settings file.
    pub profiles: BTreeMap<ProfileName, Profile>,
    /// The profile of runs that name none, also not by the API key that creates them.
    pub default_profile: Option<ProfileName>,
    /// Environment variables that non-admins may set for their runs.
    pub user_env: Vec<String>,
    /// Values that are masked in every log.
    pub secrets: Secrets,
    /// Retention of conversations and logs.
    pub retention: RetentionPolicy,
    /// The git program with which changes of working directories are recorded; `None` if they are not.
    pub git: Option<Git>,
    /// From where repositories may be cloned.
    pub git_hosts: GitHosts,
    /// What agents may reach of the network at isolation level `sandbox`, and the keys that the server keeps for them.
    pub egress: EgressPolicy,
    /// The operator's webhook and the rules for those of runs.
    pub webhooks: Arc<WebhookConfig>,
}

impl RunConfig {
    /// The policy of a stored run.
    ///
    /// # Errors
    /// If one of the run's rules is invalid now: it is damaged, or of a later release. Without it the agent could be allowed to do what the
    /// rule denies.
    pub(super) fn policy_of(&self, run: RunId, spec: &RunSpec) -> Result<Policy, Failure> {
        let rules: Result<Vec<Rule>, _> = spec.permission_rules.iter().map(Rule::new).collect();
        let rules =
            rules.map_err(|error| Failure::new(Cause::Storage, format!("a stored permission rule of the run is invalid: {error}")))?;
        let private = self.private_paths(run, &spec.working_dir);
        Ok(Policy::new(spec.permission_mode, &self.permission_rules, rules).with_private(private))
    }

    /// The directory in which the shim of `run` keeps its socket, spool and journal.
    pub(super) fn process_dir(&self, run: RunId) -> ProcessDir {
        ProcessDir::new(self.data_dir.join("runs").join(run.to_string()))
    }

    /// The home directory in a sandbox of the session that started with `run`.
    pub(super) fn private_home(&self, run: RunId) -> PathBuf {
        self.data_dir.join("homes").join(run.to_string())
    }

    /// Whether `dir` is a working directory that this server created in its data directory.
    pub(super) fn owns_working_dir(&self, dir: &Path) -> bool {
        // The path of a working directory is canonical.
        let above = self.data_dir.join("workspaces").canonicalize();
        above.is_ok_and(|above| dir.parent() == Some(above.as_path()))
    }

    /// What the agent of `run` may not read or write, even where a rule allows it: everything of the server except the run's own workspace and
    /// temporary files.
    pub(super) fn private_paths(&self, run: RunId, working_dir: &Path) -> PrivatePaths {
        let private = std::iter::once(&self.data_dir).chain(&self.private_paths).map(PathBuf::as_path);
        PrivatePaths::new(private, &[working_dir.to_owned(), self.process_dir(run).temp()])
    }

    /// Whether the configuration in a working directory, given by its canonical path, has an effect by default. Reads the file system.
    pub(super) fn trusts(&self, working_dir: &Path) -> bool {
        self.trusted_projects.iter().any(|trusted| trusted.canonicalize().is_ok_and(|trusted| working_dir.starts_with(trusted)))
    }
}

/// What is kept. The default keeps everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetentionPolicy {
    /// How long a conversation is kept after its last run ended; `None` for no limit.
    pub max_age: Option<Duration>,
    /// Size of the store in bytes above which the oldest logs are trimmed; `None` for no limit.
    pub max_bytes: Option<u64>,
    /// How long the output of an agent is kept after the end of its run; `None` for as long as the run.
    pub output_age: Option<Duration>,
    /// How long the content of a fresh workspace is kept after the last run in it ended; `None` for as long as the session.
    pub workspace_age: Option<Duration>,
}

impl RetentionPolicy {
    /// Conversations that ended before this time are expired; `None` if nothing expires.
    pub fn cutoff(&self, now: Timestamp) -> Option<Timestamp> {
        self.max_age.map(|age| before(now, age))
    }

    /// The output of runs that ended before this time is removed; `None` if it is kept.
    pub fn output_cutoff(&self, now: Timestamp) -> Option<Timestamp> {
        self.output_age.map(|age| before(now, age))
    }

    /// The workspaces of conversations that ended before this time are emptied; `None` if they are kept.
    pub fn workspace_cutoff(&self, now: Timestamp) -> Option<Timestamp> {
        self.workspace_age.map(|age| before(now, age))
    }
}

fn before(now: Timestamp, age: Duration) -> Timestamp {
    let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(now.as_millis().saturating_sub(age))
}
