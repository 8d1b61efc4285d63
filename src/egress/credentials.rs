//! The operator's keys, which the proxy inserts.

use std::collections::BTreeMap;

use crate::types::{AuthScheme, HostPort, Secret};

/// The operator's keys for models and git hosts. Never shown: `Debug` prints no key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// For models, by agent.
    pub models: BTreeMap<String, PerUser<ModelCredential>>,
    /// For git hosts, by host.
    pub git: Vec<(HostPort, PerUser<GitCredential>)>,
}

/// One for everyone, and those of single users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PerUser<T> {
    /// For users without one of their own.
    pub default: Option<T>,
    /// By user name.
    pub users: BTreeMap<String, T>,
}

impl<T> Default for PerUser<T> {
    fn default() -> Self {
        Self { default: None, users: BTreeMap::new() }
    }
}

/// A key for a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelCredential {
    /// Name of the provider, for agents that work with several.
    pub provider: String,
    /// Base URL of its API, without a trailing slash, user or query.
    pub base_url: String,
    /// The key.
    pub key: Secret,
    /// How it is sent.
    pub scheme: AuthScheme,
}

/// A token for a git host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitCredential {
    /// User name that is sent with the token.
    pub username: String,
    /// The token.
    pub token: Secret,
    /// URL of the host, without a trailing slash.
    pub base_url: String,
}

impl<T> PerUser<T> {
    /// The one for `user`.
    pub fn of(&self, user: &str) -> Option<&T> {
        self.users.get(user).or(self.default.as_ref())
    }

    /// Adds the one for `user`, or the one for everyone.
    pub fn add(&mut self, user: Option<String>, value: T) {
        match user {
            Some(user) => drop(self.users.insert(user, value)),
            None => self.default = Some(value),
        }
    }

    fn all(&self) -> impl Iterator<Item = &T> {
        self.default.iter().chain(self.users.values())
    }
}

impl Credentials {
    /// All keys and tokens, to be masked.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        let keys = self.models.values().flat_map(PerUser::all).map(|model| model.key.expose());
        keys.chain(self.git.iter().flat_map(|(_, git)| git.all()).map(|git| git.token.expose()))
    }
}

#[cfg(test)]
mod tests {
    //! Rules: G5.

    use super::*;

    fn git(token: &str) -> GitCredential {
        GitCredential { username: "x".into(), token: Secret::new(token.into()), base_url: "https://a.example".into() }
    }

    #[test]
    fn a_user_gets_the_own_credential_or_the_one_for_everyone() {
        let per_user = PerUser { default: Some(git("all")), users: [("alice".to_owned(), git("own"))].into() };
        assert_eq!(per_user.of("alice"), Some(&git("own")));
        assert_eq!(per_user.of("bob"), Some(&git("all")));
        assert_eq!(PerUser { default: None, ..per_user.clone() }.of("bob"), None);
        let credentials = Credentials { git: vec![(HostPort::parse("a.example:443", None).unwrap(), per_user)], ..Credentials::default() };
        assert_eq!(credentials.values().collect::<Vec<_>>(), ["all", "own"]);
        assert!(!format!("{credentials:?}").contains("own"));
    }
}
