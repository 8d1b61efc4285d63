//! The servers that a person has logged in to: `servers.toml` in the user's configuration directory, mode 0600 because it holds tokens.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::private_file;
use crate::cli::error::CliError;
use crate::config::Secret;

/// All servers with a login, by name.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct Servers {
    /// The server to use if none is named: the one of the last login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) default: Option<String>,
    /// By name.
    #[serde(default)]
    pub(in crate::cli) servers: BTreeMap<String, Entry>,
}

/// One server.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct Entry {
    /// Its address.
    pub(in crate::cli) url: String,
    /// The user who logged in.
    #[serde(alias = "user")]
    pub(in crate::cli) username: String,
    /// The token of the login.
    #[serde(serialize_with = "expose")]
    pub(in crate::cli) token: Secret,
}

/// Serializes a token in readable form, for private files only.
pub(super) fn expose<S: serde::Serializer>(token: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(token.expose())
}

impl Servers {
    /// The path of the file: `$XDG_CONFIG_HOME/openrunner/servers.toml`, else `~/.config/openrunner/servers.toml`.
    pub(in crate::cli) fn path(get: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
        let directory = |name: &str| get(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = directory("XDG_CONFIG_HOME").or_else(|| directory("HOME").map(|home| home.join(".config")))?;
        Some(base.join("openrunner/servers.toml"))
    }

    /// Reads the file. Without a file there are no servers.
    ///
    /// # Errors
    /// If it cannot be read or parsed, or other users can read it.
    pub(in crate::cli) fn load(path: &Path) -> anyhow::Result<Self> {
        let Some(text) = private_file::read(path)? else { return Ok(Self::default()) };
        toml::from_str(&text).map_err(|_| {
            CliError::failed(format!("{} is not a valid list of servers", path.display())).hint("delete it and log in again").into()
        })
    }

    /// Writes the file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(in crate::cli) fn save(&self, path: &Path) -> anyhow::Result<()> {
        private_file::write(path, &toml::to_string_pretty(self).context("cannot serialize the servers")?)
    }

    /// The server of that name, or the default server.
    pub(in crate::cli) fn find(&self, name: Option<&str>) -> Option<(&str, &Entry)> {
        let (name, entry) = self.servers.get_key_value(name.or(self.default.as_deref())?)?;
        Some((name, entry))
    }

    /// The server with that address.
    pub(in crate::cli) fn find_by_url(&self, url: &str) -> Option<(&str, &Entry)> {
        self.servers.iter().find(|(_name, entry)| entry.url == url).map(|(name, entry)| (name.as_str(), entry))
    }

    /// Adds a login and makes its server the default.
    pub(in crate::cli) fn insert(&mut self, name: &str, entry: Entry) {
        self.servers.insert(name.to_owned(), entry);
        self.default = Some(name.to_owned());
    }

    /// Removes a server.
    pub(in crate::cli) fn remove(&mut self, name: &str) -> Option<Entry> {
        if self.default.as_deref() == Some(name) {
            self.default = None;
        }
        self.servers.remove(name)
    }
}

/// Whether a text can be the name of a server: 1 to 64 letters, digits, `.`, `_` and `-`, starting with a letter or digit.
pub(in crate::cli) fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    text.len() <= 64 && text.bytes().all(allowed) && text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(url: &str) -> Entry {
        Entry { url: url.into(), username: "mei".into(), token: Secret::new("quite-secret".into()) }
    }

    #[test]
    fn the_last_login_becomes_the_default() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("openrunner/servers.toml");
        let mut servers = Servers::load(&path).unwrap();
        assert!(servers.find(None).is_none());
        servers.insert("home", entry("http://127.0.0.1:3000"));
        servers.insert("office", entry("https://runner.example.org"));
        servers.save(&path).unwrap();
        let mut servers = Servers::load(&path).unwrap();
        assert_eq!(servers.find(None).map(|(name, entry)| (name, entry.token.expose())), Some(("office", "quite-secret")));
        assert_eq!(servers.find(Some("home")).map(|(_, entry)| entry.url.as_str()), Some("http://127.0.0.1:3000"));
        assert!(servers.find_by_url("https://runner.example.org").is_some() && servers.find(Some("nowhere")).is_none());
        servers.remove("office");
        servers.save(&path).unwrap();
        assert!(Servers::load(&path).unwrap().find(None).is_none());
    }

    #[test]
    fn debug_output_and_parse_errors_do_not_contain_tokens() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("servers.toml");
        let mut servers = Servers::default();
        servers.insert("home", entry("http://127.0.0.1:3000"));
        assert!(!format!("{servers:?}").contains("quite-secret"));
        private_file::write(&path, "[servers.x]\nurl = 1\ntoken = \"quite-secret\"").unwrap();
        let error = format!("{:#}", Servers::load(&path).unwrap_err());
        assert!(error.contains("servers.toml") && !error.contains("quite-secret"), "{error}");
    }

    #[test]
    fn the_file_is_in_the_users_configuration_directory() {
        let path =
            |set: &[(&str, &str)]| Servers::path(&|name| set.iter().find(|(set, _)| *set == name).map(|(_, value)| OsString::from(value)));
        assert_eq!(path(&[("HOME", "/h")]), Some("/h/.config/openrunner/servers.toml".into()));
        assert_eq!(path(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/x")]), Some("/x/openrunner/servers.toml".into()));
        assert_eq!(path(&[("XDG_CONFIG_HOME", "relative")]), None);
    }

    #[test]
    fn a_name_cannot_be_an_address() {
        assert!(is_name("office-2") && !is_name("http://x") && !is_name("localhost:3000") && !is_name("") && !is_name("-x"));
    }
}
