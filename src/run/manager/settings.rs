//! What the manager needs to be told.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::redact::Secrets;
use crate::run::policy::Rule;
use crate::run::webhooks::WebhookRules;
use crate::types::Budget;

/// What the manager needs from the operator's settings.
#[derive(Clone, Debug)]
pub struct RunSettings {
    /// Our own folder.
    pub data_dir: PathBuf,
    /// Where working folders may be; empty for anywhere.
    pub workspace_roots: Vec<PathBuf>,
    /// Where working folders of users who are no admins may be; empty for wherever anybody's may.
    pub user_workspace_roots: Vec<PathBuf>,
    /// Runs at once.
    pub max_runs: usize,
    /// Runs of one user at once.
    pub max_runs_per_user: usize,
    /// Runs of one agent at once, for agents that have such a bound.
    pub max_runs_per_agent: BTreeMap<String, usize>,
    /// Runs that may wait.
    pub max_queue: usize,
    /// How long an agent may take to end after TERM.
    pub stop_grace: Duration,
    /// The same while the server goes away.
    pub shutdown_grace: Duration,
    /// How long a request waits for an answer.
    pub permission_timeout: Duration,
    /// How long a program may take from its start to its first word; `None` for as long as the run may take.
    pub startup_timeout: Option<Duration>,
    /// What each user may use in a day for whom nothing else is set.
    pub budget: Budget,
    /// Rules that count before those of any run.
    pub rules: Vec<Rule>,
    /// Variables that users may set for their runs.
    pub user_env: Vec<String>,
    /// Values that are shown to nobody, whatever run they turn up in.
    pub secrets: Secrets,
    /// What the operator has settled about webhooks.
    pub webhooks: Arc<WebhookRules>,
}
