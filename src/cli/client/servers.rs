//! The servers that a person has logged in to: `servers.toml` in the folder of a user's settings.
//!
//! It holds tokens, so it is its owner's alone (mode 0600), and one that others can read is refused.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use crate::config::Secret;

/// Every server that somebody has logged in to, by name.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct Servers {
    /// The one that is meant when none is named: the last that somebody logged in to.
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
    /// Who logged in.
    pub(in crate::cli) user: String,
    /// The token that the login gave.
    #[serde(serialize_with = "exposed")]
    pub(in crate::cli) token: Secret,
}

/// This file is the one place that a token is written to.
fn exposed<S: serde::Serializer>(token: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(token.expose())
}

impl Servers {
    /// Where the file is: `$XDG_CONFIG_HOME/openrunner/servers.toml`, else below `~/.config`.
    pub(in crate::cli) fn path(get: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
        let folder = |name: &str| get(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = folder("XDG_CONFIG_HOME").or_else(|| folder("HOME").map(|home| home.join(".config")))?;
        Some(base.join("openrunner/servers.toml"))
    }

    /// Reads the file; without one there are no servers.
    ///
    /// # Errors
    /// If it cannot be read or understood, or others could read it.
    pub(in crate::cli) fn load(path: &Path) -> anyhow::Result<Self> {
        let file = match fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        if file.metadata().with_context(|| format!("cannot look at {}", path.display()))?.permissions().mode() & 0o077 != 0 {
            bail!("{0} holds tokens and can be read by others; type `chmod 600 {0}`", path.display());
        }
        let text = io::read_to_string(file).with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("{} cannot be understood", path.display()))
    }

    /// Writes the file. Whoever reads it meanwhile sees the old one or the new one, and nobody else sees it at all.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(in crate::cli) fn save(&self, path: &Path) -> anyhow::Result<()> {
        let folder = path.parent().context("the file of servers has no folder")?;
        let write = || -> anyhow::Result<()> {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            let draft = path.with_extension(format!("toml.{}", std::process::id()));
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
            let written = file.write_all(toml::to_string_pretty(self)?.as_bytes()).and_then(|()| file.sync_all());
            written.and_then(|()| fs::rename(&draft, path)).inspect_err(|_| {
                // Of use to nobody, and it holds tokens.
                let _ = fs::remove_file(&draft);
            })?;
            Ok(())
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }

    /// The server of that name, or the one that is meant when none is named.
    pub(in crate::cli) fn resolve_id(&self, name: Option<&str>) -> Option<(&str, &Entry)> {
        let (name, entry) = self.servers.get_key_value(name.or(self.default.as_deref())?)?;
        Some((name, entry))
    }

    /// The server at that address.
    pub(in crate::cli) fn at(&self, url: &str) -> Option<&Entry> {
        self.servers.values().find(|entry| entry.url == url)
    }

    /// Keeps a login, and means this server from now on when none is named.
    pub(in crate::cli) fn keep(&mut self, name: &str, entry: Entry) {
        self.servers.insert(name.to_owned(), entry);
        self.default = Some(name.to_owned());
    }

    /// Forgets a server.
    pub(in crate::cli) fn forget(&mut self, name: &str) -> Option<Entry> {
        if self.default.as_deref() == Some(name) {
            self.default = None;
        }
        self.servers.remove(name)
    }
}

/// Whether a text can be the name of a server: 1 to 64 letters, digits, `.`, `_` and `-`, the first a letter or digit.
pub(in crate::cli) fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    text.len() <= 64 && text.bytes().all(allowed) && text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(url: &str) -> Entry {
        Entry { url: url.into(), user: "mei".into(), token: Secret::new("quite-secret".into()) }
    }

    #[test]
    fn servers_are_kept_with_the_last_login_as_the_default() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("openrunner/servers.toml");
        let mut servers = Servers::load(&path).unwrap();
        assert!(servers.resolve_id(None).is_none());
        servers.keep("home", entry("http://127.0.0.1:3000"));
        servers.keep("office", entry("https://runner.example.org"));
        servers.save(&path).unwrap();
        let mut servers = Servers::load(&path).unwrap();
        assert_eq!(servers.resolve_id(None).map(|(name, entry)| (name, entry.token.expose())), Some(("office", "quite-secret")));
        assert_eq!(servers.resolve_id(Some("home")).map(|(_, entry)| entry.url.as_str()), Some("http://127.0.0.1:3000"));
        assert!(servers.at("https://runner.example.org").is_some() && servers.resolve_id(Some("nowhere")).is_none());
        servers.forget("office");
        servers.save(&path).unwrap();
        assert!(Servers::load(&path).unwrap().resolve_id(None).is_none());
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn tokens_are_their_owners_alone_and_are_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("openrunner/servers.toml");
        let mut servers = Servers::default();
        servers.keep("home", entry("http://127.0.0.1:3000"));
        assert!(!format!("{servers:?}").contains("quite-secret"));
        servers.save(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = Servers::load(&path).unwrap_err().to_string();
        assert!(error.contains("chmod 600") && !error.contains("quite-secret"), "{error}");
    }

    #[test]
    fn the_file_is_where_a_users_settings_are() {
        let path =
            |set: &[(&str, &str)]| Servers::path(&|name| set.iter().find(|(set, _)| *set == name).map(|(_, value)| OsString::from(value)));
        assert_eq!(path(&[("HOME", "/h")]), Some("/h/.config/openrunner/servers.toml".into()));
        assert_eq!(path(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/x")]), Some("/x/openrunner/servers.toml".into()));
        assert_eq!(path(&[("XDG_CONFIG_HOME", "relative")]), None);
    }

    #[test]
    fn a_servers_name_has_no_room_for_an_address() {
        assert!(is_name("office-2") && !is_name("http://x") && !is_name("") && !is_name("-x") && !is_name("a b"));
    }
}
