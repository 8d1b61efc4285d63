//! Translates the operator's settings into the settings of the run code.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::secrets::known_secrets;
use super::start_error::StartError;
use crate::config::{ProfilesSettings, RetryDelay, Settings, Switch, WebhookDestination, inherited_credentials};
use crate::egress::EgressPolicy;
use crate::run::{
    AddressGuard, BadRules, BadWebhook, GitHosts, RetentionPolicy, Rule, RunConfig, SigningSecret, WebhookConfig, WebhookSettings,
    fault_of_profile,
};
use crate::types::{Profile, ProfileName, RuleSpec};
use crate::workspace::Git;

/// Part of the shutdown time reserved for interrupting agents before they get SIGTERM, for killing those that ignore it, and for writing
/// the last events.
const SHUTDOWN_RESERVE: Duration = Duration::from_secs(8);

/// Builds the settings of the run code.
///
/// # Errors
/// [`StartError::Rules`], [`StartError::Profile`], [`StartError::Credential`] or [`StartError::Webhook`] if a permission rule, a profile, a key or the operator's webhook is
/// invalid.
pub(super) fn run_config(settings: &Settings, private_paths: Vec<PathBuf>) -> Result<RunConfig, StartError> {
    let inherited = inherited_credentials(|name| std::env::var_os(name));
    let egress = EgressPolicy::new(settings.egress.clone(), settings.credentials.read()?, inherited);
    Ok(RunConfig {
        data_dir: settings.data_dir.clone(),
        workspace_roots: settings.workspace_roots.clone(),
        user_workspace_roots: settings.user_workspace_roots.clone(),
        trusted_projects: settings.trusted_projects.clone(),
        private_paths,
        max_runs: settings.max_runs.get(),
        max_runs_per_user: settings.max_runs_per_user.unwrap_or(settings.max_runs).get(),
        max_runs_per_agent: settings.agents.max_runs.iter().map(|(agent, max)| (agent.clone(), max.get())).collect(),
        max_queue: settings.max_queue,
        max_queue_per_user: settings.max_queue_per_user.get(),
        stop_grace: settings.stop_grace(),
        shutdown_grace: settings.stop_grace().min(settings.shutdown().saturating_sub(SHUTDOWN_RESERVE)),
        permission_timeout: settings.permission_timeout(),
        max_wait: settings.max_wait(),
        startup_timeout: settings.startup_timeout(),
        default_budget: settings.budget(),
        default_quotas: settings.quotas(),
        permission_rules: permission_rules(&settings.permission_rules)?,
        profiles: profiles(&settings.profiles)?,
        default_profile: settings.default_profile.clone(),
        user_env: settings.run_env.iter().map(|name| name.as_str().to_owned()).collect(),
        secrets: known_secrets(settings).with(egress.secrets()),
        git: std::env::var_os("PATH").filter(|_| settings.changes == Switch::On).and_then(|path| Git::find(&path)),
        git_hosts: GitHosts {
            hosts: settings.git_hosts.clone(),
            guard: address_guard(&settings.git_private),
            credentials: settings.git_credentials.clone(),
            may_push: settings.git_push == Switch::On,
        },
        egress,
        retention: RetentionPolicy {
            max_age: settings.keep_age(),
            max_bytes: settings.max_store(),
            output_age: settings.keep_output(),
            workspace_age: settings.keep_workspace(),
        },
        webhooks: Arc::new(webhook_rules(settings).map_err(StartError::Webhook)?),
    })
}

fn permission_rules(specs: &[RuleSpec]) -> Result<Vec<Rule>, StartError> {
    Rule::compile(specs).map_err(|faults| StartError::Rules(faults.into_iter().next().unwrap_or(BadRules::TooLong)))
}

fn profiles(settings: &ProfilesSettings) -> Result<BTreeMap<ProfileName, Profile>, StartError> {
    for (name, profile) in &settings.0 {
        if let Some(problem) = fault_of_profile(profile) {
            return Err(StartError::Profile { name: name.clone(), problem });
        }
    }
    Ok(settings.0.clone())
}

/// Allows public addresses and these.
fn address_guard(allowed: &[WebhookDestination]) -> AddressGuard {
    let (mut hosts, mut networks) = (Vec::new(), Vec::new());
    for destination in allowed {
        match destination {
            WebhookDestination::Host(name) => hosts.push(name.as_str().to_owned()),
            WebhookDestination::Network(network) => networks.push(*network),
        }
    }
    AddressGuard::new(hosts, move |address| networks.iter().any(|network| network.contains(address)))
}

fn webhook_rules(settings: &Settings) -> Result<WebhookConfig, BadWebhook> {
    let secret = settings.webhook_secret.as_ref().map(|secret| secret.expose().parse::<SigningSecret>());
    WebhookConfig::new(WebhookSettings {
        url: settings.webhook_url.as_ref().map(|url| url.expose().to_owned()),
        secret: secret.transpose()?,
        events: settings.webhook_events.iter().map(|event| event.0.clone()).collect(),
        guard: address_guard(&settings.webhook_allow),
        schedule: settings.webhook_retry_secs.iter().copied().map(RetryDelay::duration).collect(),
    })
}
