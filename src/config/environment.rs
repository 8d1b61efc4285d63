//! The environment as a layer of settings.
//!
//! The variables are read through a function that is passed in: a test names its own environment, and nothing else in the process sees it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use confique::Config;

use super::{BadItem, Secret, Settings, SettingsError};

type SettingsLayer = <Settings as Config>::Layer;

/// A view of the environment. A variable that is set to nothing counts as unset.
pub(super) struct Environment<'a> {
    pub(super) get: &'a dyn Fn(&str) -> Option<OsString>,
}

impl Environment<'_> {
    /// All settings that the environment names.
    pub(super) fn layer(&self) -> Result<SettingsLayer, SettingsError> {
        Ok(SettingsLayer {
            addr: self.parsed("OPENRUNNER_ADDR", "an address and a port, such as 127.0.0.1:3000")?,
            data_dir: self.path("OPENRUNNER_DATA_DIR"),
            log: self.text("OPENRUNNER_LOG")?,
            log_format: self.word("OPENRUNNER_LOG_FORMAT", "`text` or `json`")?,
            jwt_secret: self.text("OPENRUNNER_JWT_SECRET")?.map(Secret::new),
            admin_password: self.text("OPENRUNNER_ADMIN_PASSWORD")?.map(Secret::new),
            allowed_hosts: self.list("OPENRUNNER_ALLOWED_HOSTS")?,
            allowed_origins: self.list("OPENRUNNER_ALLOWED_ORIGINS")?,
            trusted_proxies: self.list("OPENRUNNER_TRUSTED_PROXIES")?,
            logins_per_minute: self.parsed("OPENRUNNER_LOGINS_PER_MINUTE", "a whole number of logins, at least 1")?,
            requests_per_minute: self.parsed("OPENRUNNER_REQUESTS_PER_MINUTE", "a whole number of requests, at least 1")?,
            max_streams_per_user: self.parsed("OPENRUNNER_MAX_STREAMS_PER_USER", "a whole number of streams, at least 1")?,
            max_connections: self.parsed("OPENRUNNER_MAX_CONNECTIONS", "a whole number of connections, at least 1")?,
            max_runs: self.parsed("OPENRUNNER_MAX_RUNS", "a whole number of runs, at least 1")?,
            max_runs_per_user: self.parsed("OPENRUNNER_MAX_RUNS_PER_USER", "a whole number of runs, at least 1")?,
            max_queue: self.parsed("OPENRUNNER_MAX_QUEUE", "a whole number of runs")?,
            tokens_per_day: self.parsed("OPENRUNNER_TOKENS_PER_DAY", "a whole number of tokens, at most 10^15")?,
            cost_per_day_usd: self.parsed("OPENRUNNER_COST_PER_DAY_USD", "a number of dollars from 0 to 1000000")?,
            stop_grace_secs: self.parsed("OPENRUNNER_STOP_GRACE_SECS", "a whole number of seconds")?,
            exit_grace_secs: self.parsed("OPENRUNNER_EXIT_GRACE_SECS", "a whole number of seconds")?,
            startup_timeout_secs: self.parsed("OPENRUNNER_STARTUP_TIMEOUT_SECS", "a whole number of seconds")?,
            cgroup: self.word("OPENRUNNER_CGROUP", "`auto`, `off` or an absolute path")?,
            run_memory_mb: self.parsed("OPENRUNNER_RUN_MEMORY_MB", "a whole number of MiB, at least 1")?,
            run_processes: self.parsed("OPENRUNNER_RUN_PROCESSES", "a whole number of processes, at least 1")?,
            run_cpu_weight: self.parsed("OPENRUNNER_RUN_CPU_WEIGHT", "a weight from 1 to 10000")?,
            shutdown_secs: self.parsed("OPENRUNNER_SHUTDOWN_SECS", "a whole number of seconds")?,
            on_shutdown: self.word("OPENRUNNER_ON_SHUTDOWN", "`detach` or `stop`")?,
            max_output_mb: self.parsed("OPENRUNNER_MAX_OUTPUT_MB", "a whole number of MiB, at least 1")?,
            keep_days: self.parsed("OPENRUNNER_KEEP_DAYS", "a whole number of days, at least 1")?,
            max_store_mb: self.parsed("OPENRUNNER_MAX_STORE_MB", "a whole number of MiB, at least 1")?,
            workspace_roots: self.value("OPENRUNNER_WORKSPACE_ROOTS").map(|roots| split_paths(&roots)),
            user_workspace_roots: self.value("OPENRUNNER_USER_WORKSPACE_ROOTS").map(|roots| split_paths(&roots)),
            agents_dir: self.path("OPENRUNNER_AGENTS_DIR"),
            agent_env: self.list("OPENRUNNER_AGENT_ENV")?,
            permission_timeout_secs: self.parsed("OPENRUNNER_PERMISSION_TIMEOUT_SECS", "a whole number of seconds")?,
            run_env: self.list("OPENRUNNER_RUN_ENV")?,
            webhook_url: self.text("OPENRUNNER_WEBHOOK_URL")?.map(Secret::new),
            webhook_secret: self.text("OPENRUNNER_WEBHOOK_SECRET")?.map(Secret::new),
            webhook_events: self.list("OPENRUNNER_WEBHOOK_EVENTS")?,
            webhook_allow: self.list("OPENRUNNER_WEBHOOK_ALLOW")?,
            webhook_retry_secs: self.list("OPENRUNNER_WEBHOOK_RETRY_SECS")?,
            permission_rules: None,
            agents: None,
        })
    }

    /// A variable's raw value.
    pub(super) fn value(&self, name: &str) -> Option<OsString> {
        (self.get)(name).filter(|value| !value.is_empty())
    }

    /// A variable that names a path.
    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        self.value(name).map(PathBuf::from)
    }

    fn text(&self, variable: &'static str) -> Result<Option<String>, SettingsError> {
        let Some(value) = self.value(variable) else { return Ok(None) };
        value.into_string().map(Some).map_err(|_bytes| SettingsError::Variable { variable, problem: "it is not UTF-8".to_owned() })
    }

    fn parsed<T: FromStr>(&self, variable: &'static str, expected: &str) -> Result<Option<T>, SettingsError> {
        let Some(text) = self.text(variable)? else { return Ok(None) };
        let problem = || SettingsError::Variable { variable, problem: format!("`{text}` is not {expected}") };
        text.trim().parse().map(Some).map_err(|_error| problem())
    }

    /// One word of a closed set, by the same names as in the file.
    fn word<T: serde::de::DeserializeOwned>(&self, variable: &'static str, expected: &str) -> Result<Option<T>, SettingsError> {
        let Some(text) = self.text(variable)? else { return Ok(None) };
        let problem = || SettingsError::Variable { variable, problem: format!("`{text}` is not {expected}") };
        serde_json::from_value(serde_json::Value::from(text.trim())).map(Some).map_err(|_error| problem())
    }

    fn list<T: FromStr<Err = BadItem>>(&self, variable: &'static str) -> Result<Option<Vec<T>>, SettingsError> {
        let Some(text) = self.text(variable)? else { return Ok(None) };
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::parse);
        items.collect::<Result<_, _>>().map(Some).map_err(|bad: BadItem| SettingsError::Variable { variable, problem: bad.to_string() })
    }
}

fn split_paths(roots: &std::ffi::OsStr) -> Vec<PathBuf> {
    std::env::split_paths(roots).filter(|path| !path.as_os_str().is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    use confique::meta::{FieldKind, LeafKind};

    use super::*;

    #[test]
    fn every_documented_variable_is_read() {
        let documented: BTreeSet<_> = Settings::META
            .fields
            .iter()
            .filter_map(|field| match field.kind {
                FieldKind::Leaf { env, kind: LeafKind::Required { .. } | LeafKind::Optional } => env.map(str::to_owned),
                FieldKind::Nested { .. } => None,
            })
            .collect();
        let asked = RefCell::new(BTreeSet::new());
        let get = |name: &str| {
            asked.borrow_mut().insert(name.to_owned());
            None
        };
        Environment { get: &get }.layer().unwrap();
        assert_eq!(documented, asked.into_inner());
    }
}
