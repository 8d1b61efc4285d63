//! The settings in effect, each with its source: what `openrunner config show` and `GET /api/settings` return.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::Settings;

/// One setting in effect.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Setting)]
pub struct ResolvedSetting {
    /// Name in the settings file.
    pub name: &'static str,
    /// Value; null if there is none, `***` for a secret.
    pub value: Value,
    /// Source of the value.
    pub origin: SettingSource,
    /// Environment variable; absent for a setting that only the file can hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variable: Option<&'static str>,
}

/// Source of a setting's value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SettingOrigin)]
pub enum SettingSource {
    /// The command line.
    Flag,
    /// An environment variable.
    Environment,
    /// The settings file, by its path.
    File(String),
    /// The built-in default.
    Default,
}

impl fmt::Display for SettingSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("command line"),
            Self::Environment => f.write_str("environment"),
            Self::File(path) => f.write_str(path),
            Self::Default => f.write_str("default"),
        }
    }
}

/// The source of each setting. The default: every setting has its built-in value.
#[derive(Clone, Debug, Default)]
pub struct Origins(BTreeMap<&'static str, SettingSource>);

impl Origins {
    pub(super) fn new(sources: BTreeMap<&'static str, SettingSource>) -> Self {
        Self(sources)
    }

    /// The settings file, if a setting came from one.
    pub fn file(&self) -> Option<&str> {
        self.0.values().find_map(|source| match source {
            SettingSource::File(path) => Some(path.as_str()),
            SettingSource::Flag | SettingSource::Environment | SettingSource::Default => None,
        })
    }

    /// These settings with their sources, in the order of the documentation.
    pub fn resolve(&self, settings: &Settings) -> Vec<ResolvedSetting> {
        let resolved = settings.values().into_iter().zip(Settings::DECLARATIONS).map(|((name, value), declared)| {
            let origin = self.0.get(name).cloned().unwrap_or(SettingSource::Default);
            ResolvedSetting { name, value, origin, variable: declared.variable }
        });
        resolved.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use serde_json::json;

    use super::super::load::{Flags, resolve};
    use super::*;

    fn resolved(set: &[(&str, &str)], flags: Flags) -> Vec<ResolvedSetting> {
        resolve(flags, &|name| set.iter().find(|(set, _)| *set == name).map(|(_, value)| OsString::from(value))).unwrap()
    }

    fn one<'a>(all: &'a [ResolvedSetting], name: &str) -> &'a ResolvedSetting {
        all.iter().find(|one| one.name == name).unwrap()
    }

    #[test]
    fn each_setting_names_its_source() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("openrunner.toml");
        std::fs::write(&file, "max_queue = 7\nlog = \"warn\"\naddr = \"127.0.0.1:1\"\n").unwrap();
        let data_dir = dir.path().display().to_string();
        let flags = Flags { log: Some("trace".into()), ..Flags::default() };
        let all =
            resolved(&[("OPENRUNNER_DATA_DIR", &data_dir), ("OPENRUNNER_ADDR", "127.0.0.1:2"), ("OPENRUNNER_EXIT_GRACE_SECS", "")], flags);
        let setting = |name: &str| (one(&all, name).value.clone(), one(&all, name).origin.clone());
        assert_eq!(setting("log"), (json!("trace"), SettingSource::Flag));
        assert_eq!(setting("addr"), (json!("127.0.0.1:2"), SettingSource::Environment));
        assert_eq!(setting("max_queue"), (json!(7), SettingSource::File(file.display().to_string())));
        assert_eq!(setting("exit_grace_secs"), (json!(10), SettingSource::Default));
        assert_eq!(one(&all, "addr").variable, Some("OPENRUNNER_ADDR"));
    }

    #[test]
    fn a_secret_is_shown_as_stars() {
        let all = resolved(&[("HOME", "/h"), ("OPENRUNNER_ADMIN_PASSWORD", "quite-secret")], Flags::default());
        assert_eq!((&one(&all, "admin_password").value, &one(&all, "jwt_secret").value), (&json!("***"), &Value::Null));
        assert!(!format!("{all:?}").contains("quite-secret"));
    }
}
