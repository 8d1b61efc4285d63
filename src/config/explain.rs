//! The settings as they come out, each with where it came from: what `openrunner config` shows.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;

use confique::Config;
use confique::meta::{FieldKind, LeafKind};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::load::{Environment, Flags, SettingsError, load, settings_file};
use super::{AgentsSettings, ControlGroup, LogFormat, Settings};
use crate::agent::Mode;
use crate::types::OnShutdown;

/// One setting as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Setting)]
pub struct ResolvedSetting {
    /// Its name in the file.
    pub name: &'static str,
    /// Its value; of a secret only that there is one.
    pub value: Value,
    /// Where the value came from.
    pub origin: Origin,
    /// The variable that sets it; none for one that is only in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variable: Option<&'static str>,
}

/// Where a setting's value came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SettingOrigin)]
pub enum Origin {
    /// The command line.
    Flag,
    /// A variable.
    Environment,
    /// The settings file, by its path.
    File(String),
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("command line"),
            Self::Environment => f.write_str("environment"),
            Self::File(path) => f.write_str(path),
            Self::Default => f.write_str("default"),
        }
    }
}

/// Where each setting came from. By default all of them are the program's own.
#[derive(Clone, Debug, Default)]
pub struct Origins(BTreeMap<&'static str, Origin>);

impl Origins {
    /// These settings, each with where it came from.
    pub fn explain(&self, settings: &Settings) -> Vec<ResolvedSetting> {
        let explained = values(settings).into_iter().map(|(name, value)| {
            let origin = self.0.get(name).cloned().unwrap_or(Origin::Default);
            ResolvedSetting { name, value, origin, variable: variable(name) }
        });
        explained.collect()
    }
}

/// The settings that a server would start with, and where each came from.
///
/// # Errors
/// [`SettingsError`], as [`load`].
pub fn explain(flags: Flags, get: &dyn Fn(&str) -> Option<OsString>) -> Result<Vec<ResolvedSetting>, SettingsError> {
    load_and_explain(flags, get).map(|(settings, origins)| origins.explain(&settings))
}

/// The settings as [`load`] gives them, with where each came from.
///
/// # Errors
/// [`SettingsError`], as [`load`].
pub fn load_and_explain(flags: Flags, get: &dyn Fn(&str) -> Option<OsString>) -> Result<(Settings, Origins), SettingsError> {
    let environment = Environment { get };
    let by_flag = [("addr", flags.addr.is_some()), ("data_dir", flags.data_dir.is_some()), ("log", flags.log.is_some())];
    let file = settings_file(&flags, &environment).map(|(path, _)| path);
    let settings = load(flags, get)?;
    // It was read and understood a moment ago; here only its keys count.
    let keys: toml::Table =
        file.as_ref().and_then(|path| std::fs::read_to_string(path).ok()).and_then(|text| text.parse().ok()).unwrap_or_default();
    let origin = |name: &'static str| {
        if by_flag.contains(&(name, true)) {
            Origin::Flag
        } else if variable(name).is_some_and(|variable| environment.value(variable).is_some()) {
            Origin::Environment
        } else {
            let file = file.as_ref().filter(|_| keys.contains_key(name));
            file.map_or(Origin::Default, |path| Origin::File(path.display().to_string()))
        }
    };
    let origins = Settings::META.fields.iter().map(|field| (field.name, origin(field.name))).collect();
    Ok((settings, Origins(origins)))
}

/// The variable that sets the setting of this name.
fn variable(name: &str) -> Option<&'static str> {
    Settings::META.fields.iter().find(|field| field.name == name).and_then(|field| match field.kind {
        FieldKind::Leaf { env, kind: LeafKind::Required { .. } | LeafKind::Optional } => env,
        FieldKind::Nested { .. } => None,
    })
}

/// Every setting with its value. Taken apart as a whole, so that a new one cannot be forgotten here.
#[expect(clippy::too_many_lines, reason = "a line or two for each setting, and nothing else")]
fn values(settings: &Settings) -> Vec<(&'static str, Value)> {
    let Settings {
        addr,
        data_dir,
        log,
        log_format,
        jwt_secret,
        admin_password,
        allowed_hosts,
        allowed_origins,
        trusted_proxies,
        logins_per_minute,
        requests_per_minute,
        max_streams_per_user,
        max_connections,
        max_runs,
        max_runs_per_user,
        max_queue,
        tokens_per_day,
        cost_per_day_usd,
        stop_grace_secs,
        exit_grace_secs,
        startup_timeout_secs,
        shutdown_secs,
        on_shutdown,
        max_output_mb,
        keep_days,
        max_store_mb,
        cgroup,
        run_memory_mb,
        run_processes,
        run_cpu_weight,
        workspace_roots,
        user_workspace_roots,
        agents_dir,
        agent_env,
        permission_timeout_secs,
        run_env,
        webhook_url,
        webhook_secret,
        webhook_events,
        webhook_allow,
        webhook_retry_secs,
        permission_rules,
        agents,
    } = settings;
    let hidden = |is_set: bool| if is_set { json!("***") } else { Value::Null };
    vec![
        ("addr", json!(addr)),
        ("data_dir", json!(data_dir.display().to_string())),
        ("log", json!(log)),
        (
            "log_format",
            json!(match log_format {
                LogFormat::Text => "text",
                LogFormat::Json => "json",
            }),
        ),
        ("jwt_secret", hidden(jwt_secret.is_some())),
        ("admin_password", hidden(admin_password.is_some())),
        ("allowed_hosts", allowed_hosts.iter().map(super::HostName::as_str).collect()),
        ("allowed_origins", allowed_origins.iter().map(super::Origin::as_str).collect()),
        ("trusted_proxies", trusted_proxies.iter().map(ToString::to_string).collect()),
        ("logins_per_minute", json!(logins_per_minute)),
        ("requests_per_minute", json!(requests_per_minute)),
        ("max_streams_per_user", json!(max_streams_per_user)),
        ("max_connections", json!(max_connections)),
        ("max_runs", json!(max_runs)),
        ("max_runs_per_user", json!(max_runs_per_user)),
        ("max_queue", json!(max_queue)),
        ("tokens_per_day", json!(tokens_per_day)),
        ("cost_per_day_usd", json!(cost_per_day_usd)),
        ("stop_grace_secs", json!(stop_grace_secs)),
        ("exit_grace_secs", json!(exit_grace_secs)),
        ("startup_timeout_secs", json!(startup_timeout_secs)),
        ("shutdown_secs", json!(shutdown_secs)),
        (
            "on_shutdown",
            json!(match on_shutdown {
                OnShutdown::Detach => "detach",
                OnShutdown::Stop => "stop",
            }),
        ),
        ("max_output_mb", json!(max_output_mb)),
        ("keep_days", json!(keep_days)),
        ("max_store_mb", json!(max_store_mb)),
        (
            "cgroup",
            match cgroup {
                ControlGroup::Auto => json!("auto"),
                ControlGroup::Off => json!("off"),
                ControlGroup::At(path) => json!(path.display().to_string()),
            },
        ),
        ("run_memory_mb", json!(run_memory_mb)),
        ("run_processes", json!(run_processes)),
        ("run_cpu_weight", json!(run_cpu_weight)),
        ("workspace_roots", workspace_roots.iter().map(|root| root.display().to_string()).collect()),
        ("user_workspace_roots", user_workspace_roots.iter().map(|root| root.display().to_string()).collect()),
        ("agents_dir", json!(agents_dir.display().to_string())),
        ("agent_env", agent_env.iter().map(super::VariableName::as_str).collect()),
        ("permission_timeout_secs", json!(permission_timeout_secs)),
        ("run_env", run_env.iter().map(super::VariableName::as_str).collect()),
        ("webhook_url", hidden(webhook_url.is_some())),
        ("webhook_secret", hidden(webhook_secret.is_some())),
        ("webhook_events", json!(webhook_events)),
        ("webhook_allow", webhook_allow.iter().map(ToString::to_string).collect()),
        ("webhook_retry_secs", json!(webhook_retry_secs)),
        ("permission_rules", json!(permission_rules)),
        ("agents", agents_in_short(agents)),
    ]
}

/// Of each agent what tells it apart. Commands and environments of the operator's own may hold secrets.
fn agents_in_short(agents: &AgentsSettings) -> Value {
    let mode = |mode: Mode| match mode {
        Mode::TwoWay => "two_way",
        Mode::OneShot => "one_shot",
    };
    let built_in = [("claude_code", agents.claude_code), ("codex", agents.codex), ("opencode", agents.opencode)];
    let built_in = built_in.map(|(name, agent)| (name.to_owned(), json!({ "mode": mode(agent.mode) })));
    let own = agents.configured.iter().map(|agent| (agent.name.clone(), json!({ "protocol": agent.speaks.as_str() })));
    Value::Object(built_in.into_iter().chain(own).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn explained(set: &[(&str, &str)], flags: Flags) -> Vec<ResolvedSetting> {
        explain(flags, &|name| set.iter().find(|(set, _)| *set == name).map(|(_, value)| OsString::from(value))).unwrap()
    }

    fn one<'a>(all: &'a [ResolvedSetting], name: &str) -> &'a ResolvedSetting {
        all.iter().find(|one| one.name == name).unwrap()
    }

    #[test]
    fn every_setting_is_explained() {
        let shown: BTreeSet<_> = explained(&[("HOME", "/h")], Flags::default()).iter().map(|one| one.name).collect();
        assert_eq!(shown, Settings::META.fields.iter().map(|field| field.name).collect());
    }

    #[test]
    fn each_setting_names_where_it_came_from() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("openrunner.toml");
        std::fs::write(&file, "max_queue = 7\nlog = \"warn\"\naddr = \"127.0.0.1:1\"\n").unwrap();
        let data_dir = folder.path().display().to_string();
        let flags = Flags { log: Some("trace".into()), ..Flags::default() };
        let all =
            explained(&[("OPENRUNNER_DATA_DIR", &data_dir), ("OPENRUNNER_ADDR", "127.0.0.1:2"), ("OPENRUNNER_EXIT_GRACE_SECS", "")], flags);
        let said = |name: &str| (one(&all, name).value.clone(), one(&all, name).origin.clone());
        assert_eq!(said("log"), (json!("trace"), Origin::Flag));
        assert_eq!(said("addr"), (json!("127.0.0.1:2"), Origin::Environment));
        assert_eq!(said("max_queue"), (json!(7), Origin::File(file.display().to_string())));
        assert_eq!(said("exit_grace_secs"), (json!(10), Origin::Default));
        assert_eq!(one(&all, "addr").variable, Some("OPENRUNNER_ADDR"));
    }

    #[test]
    fn secrets_are_only_said_to_be_there() {
        let all = explained(&[("HOME", "/h"), ("OPENRUNNER_ADMIN_PASSWORD", "quite-secret")], Flags::default());
        assert_eq!((&one(&all, "admin_password").value, &one(&all, "jwt_secret").value), (&json!("***"), &Value::Null));
        assert!(!format!("{all:?}").contains("quite-secret"));
    }
}
