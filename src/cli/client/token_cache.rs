//! Tokens obtained with a default password: `tokens.toml` beside `servers.toml`.
//!
//! Checking a password costs the server 150 ms and an audit row; with the cache, that happens once per day instead of once per command.
//! Only default passwords are used without a login, so no other token is ever cached. The cache is an optimization: if it cannot be
//! read or written, commands log in each time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Address, private_file, servers};
use crate::config::Secret;

/// The cached token of one user on one server.
#[derive(Clone, Debug)]
pub(super) struct TokenCache {
    path: PathBuf,
    key: String,
}

/// The file: tokens by `USER@ADDRESS`.
#[derive(Default, Serialize, Deserialize)]
#[serde(transparent)]
struct Tokens(BTreeMap<String, CachedToken>);

#[derive(Serialize, Deserialize)]
struct CachedToken {
    #[serde(serialize_with = "servers::expose")]
    token: Secret,
}

impl TokenCache {
    /// The cache for `username` at `address`, in the directory of `servers_file`.
    pub(super) fn new(servers_file: &Path, address: &Address, username: &str) -> Self {
        Self { path: servers_file.with_file_name("tokens.toml"), key: format!("{username}@{address}") }
    }

    /// The cached token, which may have expired.
    pub(super) fn get(&self) -> Option<Secret> {
        self.load().0.remove(&self.key).map(|cached| cached.token)
    }

    /// Replaces the token.
    pub(super) fn put(&self, token: &Secret) {
        self.update(|tokens| {
            tokens.insert(self.key.clone(), CachedToken { token: token.clone() });
        });
    }

    /// Removes the token.
    pub(super) fn clear(&self) {
        self.update(|tokens| {
            tokens.remove(&self.key);
        });
    }

    fn update(&self, change: impl FnOnce(&mut BTreeMap<String, CachedToken>)) {
        let mut tokens = self.load();
        change(&mut tokens.0);
        if let Ok(text) = toml::to_string_pretty(&tokens) {
            // Best effort, see the module's documentation.
            let _ = private_file::write(&self.path, &text);
        }
    }

    fn load(&self) -> Tokens {
        private_file::read(&self.path).ok().flatten().and_then(|text| toml::from_str(&text).ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn tokens_are_cached_per_user_and_server_and_only_for_their_owner() {
        let directory = tempfile::tempdir().unwrap();
        let cache = |url: &str, username: &str| TokenCache::new(&directory.path().join("servers.toml"), &url.parse().unwrap(), username);
        let (local, other) = (cache("http://127.0.0.1:3000", "admin"), cache("http://127.0.0.1:3001", "admin"));
        assert!(local.get().is_none());
        local.put(&Secret::new("one".into()));
        other.put(&Secret::new("two".into()));
        assert_eq!(local.get().unwrap().expose(), "one");
        assert!(cache("http://127.0.0.1:3000", "user").get().is_none());
        assert_eq!(std::fs::metadata(directory.path().join("tokens.toml")).unwrap().permissions().mode() & 0o777, 0o600);
        local.clear();
        assert!(local.get().is_none() && other.get().is_some());
    }

    #[test]
    fn an_unusable_cache_is_empty() {
        let directory = tempfile::tempdir().unwrap();
        let cache = TokenCache::new(&directory.path().join("servers.toml"), &"http://127.0.0.1:3000".parse().unwrap(), "admin");
        std::fs::write(directory.path().join("tokens.toml"), "not TOML").unwrap();
        assert!(cache.get().is_none());
    }
}
