//! What each run may reach: the operator's list and credentials, and what the run asks for.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::credentials::{Credentials, GitCredential, ModelCredential};
use super::request::{GIT_PATH, MODEL_PATH};
use super::upstream::Upstream;
use crate::process::isolation::PROXY_PORT as PORT;
use crate::types::{HostPattern, HostPort, ModelEndpoint, Secret};

/// What an agent has instead of a key. Requests with it are useless outside of the proxy, which replaces it.
const PLACEHOLDER: &str = "placeholder-the-server-inserts-the-key";
/// Maximum number of names that are resolved at a time, by all runs: each occupies a thread until the system's resolver gives up.
const MAX_RESOLVING: usize = 32;

/// The operator's list and credentials. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct EgressPolicy {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    list: Vec<HostPattern>,
    credentials: Credentials,
    /// Credentials that agents at lower levels find in their environment.
    inherited: Credentials,
    upstream: Upstream,
    resolving: Resolving,
}

/// Limits how many names are resolved at a time.
#[derive(Debug)]
struct Resolving(Arc<Semaphore>);

impl Default for Resolving {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_RESOLVING)))
    }
}

/// An entry that the operator's list does not cover.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not covered by the operator's list (OPENRUNNER_EGRESS)")]
pub struct NotAllowed(pub HostPattern);

/// What one run may reach.
#[derive(Clone, Debug)]
pub struct Access {
    pub(super) allowed: Vec<HostPattern>,
    /// The operator's list, whose exact entries may lead to private addresses.
    policy: EgressPolicy,
    pub(super) model: Option<ModelCredential>,
    pub(super) git: Vec<(HostPort, GitCredential)>,
}

impl EgressPolicy {
    /// Runs may reach the hosts in `list`. `inherited` are the keys in the server's environment, which are used at level `sandbox` for agents
    /// without credentials.
    pub fn new(list: Vec<HostPattern>, credentials: Credentials, inherited: Credentials) -> Self {
        Self { inner: Arc::new(Inner { list, credentials, inherited, ..Inner::default() }) }
    }

    /// Checks an entry of the list that a run asks for.
    ///
    /// # Errors
    /// [`NotAllowed`] if the operator's list does not cover it.
    pub fn check(&self, requested: &HostPattern) -> Result<(), NotAllowed> {
        let is_covered = self.inner.list.iter().any(|allowed| requested.is_within(allowed));
        is_covered.then_some(()).ok_or_else(|| NotAllowed(requested.clone()))
    }

    /// Those of `hosts` that the operator's list covers.
    pub fn covered(&self, hosts: Vec<HostPort>) -> Vec<HostPattern> {
        let is_covered = |host: &HostPort| self.inner.list.iter().any(|allowed| allowed.matches(host));
        hosts.into_iter().filter(is_covered).map(HostPattern::from).collect()
    }

    /// The model of a run of `agent` outside of level `sandbox`, if the operator has configured its key. The key is the real one.
    pub fn endpoint(&self, agent: &str, user: &str) -> Option<ModelEndpoint> {
        let ModelCredential { provider, base_url, key, scheme } = self.inner.credentials.models.get(agent)?.of(user)?.clone();
        Some(ModelEndpoint { provider, base_url, key, scheme })
    }

    /// What a run of `agent` and `user` may reach at level `sandbox`: `allowed`, what the credentials are for, and, if the agent uses its own
    /// login, `model_hosts`.
    pub fn access(&self, agent: &str, user: &str, allowed: &[HostPattern], model_hosts: &[HostPort]) -> Access {
        let Inner { credentials, inherited, .. } = self.inner.as_ref();
        let model = |credentials: &Credentials| credentials.models.get(agent)?.of(user).cloned();
        let model = model(credentials).or_else(|| model(inherited));
        let mut allowed = allowed.to_vec();
        if model.is_none() {
            allowed.extend(model_hosts.iter().cloned().map(HostPattern::from));
        }
        let is_allowed = |host: &HostPort| allowed.iter().any(|entry| entry.matches(host));
        let git = credentials.git.iter().filter(|(host, _)| is_allowed(host));
        let git = git.filter_map(|(host, git)| Some((host.clone(), git.of(user)?.clone()))).collect();
        Access { allowed, policy: self.clone(), model, git }
    }

    /// All keys and tokens, to be masked.
    pub fn secrets(&self) -> Vec<String> {
        self.inner.credentials.values().chain(self.inner.inherited.values()).map(str::to_owned).collect()
    }
}

impl Access {
    /// Whether the run may connect to `target`.
    pub(super) fn allows(&self, target: &HostPort) -> bool {
        self.allowed.iter().any(|entry| entry.matches(target))
    }

    /// Whether `target` may be an address of this machine or of a private network: only if the operator names it.
    pub(super) fn allows_private(&self, target: &HostPort) -> bool {
        self.policy.inner.list.iter().any(|entry| entry.names(target))
    }

    pub(super) fn resolving(&self) -> Arc<Semaphore> {
        Arc::clone(&self.policy.inner.resolving.0)
    }

    pub(super) fn upstream(&self) -> &Upstream {
        &self.policy.inner.upstream
    }

    /// How the agent reaches its model if the proxy inserts the key.
    pub fn endpoint(&self) -> Option<ModelEndpoint> {
        self.model.as_ref().map(|model| ModelEndpoint {
            provider: model.provider.clone(),
            base_url: format!("http://127.0.0.1:{PORT}{MODEL_PATH}"),
            key: Secret::new(PLACEHOLDER.to_owned()),
            scheme: model.scheme,
        })
    }

    /// Variables for the agent: git sends its requests to hosts with credentials through the proxy. `env` are the variables that the run sets
    /// itself.
    pub fn env<'a>(&self, env: impl Fn(&str) -> Option<&'a str>) -> Vec<(String, String)> {
        // Node.js uses proxy variables only if asked. There is no terminal for git's questions.
        let mut variables =
            [("NODE_USE_ENV_PROXY", "1"), ("GIT_TERMINAL_PROMPT", "0")].map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        if self.git.is_empty() {
            return variables;
        }
        let mut count = env("GIT_CONFIG_COUNT").and_then(|count| count.parse::<usize>().ok()).unwrap_or(0).min(1000);
        for (host, _) in &self.git {
            let name = if host.port() == 443 { host.host().to_owned() } else { host.to_string() };
            let key = format!("url.http://127.0.0.1:{PORT}{GIT_PATH}{name}/.insteadOf");
            let ssh = [format!("git@{}:", host.host()), format!("ssh://git@{}/", host.host())];
            for url in std::iter::once(format!("https://{name}/")).chain(ssh) {
                variables.push((format!("GIT_CONFIG_KEY_{count}"), key.clone()));
                variables.push((format!("GIT_CONFIG_VALUE_{count}"), url));
                count += 1;
            }
        }
        variables.push(("GIT_CONFIG_COUNT".to_owned(), count.to_string()));
        variables
    }
}

#[cfg(test)]
mod tests {
    //! Rules: G4, G5.

    use super::super::credentials::PerUser;
    use super::*;
    use crate::types::AuthScheme;

    fn patterns(texts: &[&str]) -> Vec<HostPattern> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn host(text: &str) -> HostPort {
        HostPort::parse(text, None).unwrap()
    }

    fn policy() -> EgressPolicy {
        let model = ModelCredential {
            provider: "anthropic".into(),
            base_url: "https://api.anthropic.com".into(),
            key: Secret::new("the-real-key".into()),
            scheme: AuthScheme::ApiKey,
        };
        let token =
            GitCredential { username: "x".into(), token: Secret::new("the-real-token".into()), base_url: "https://github.com".into() };
        let of_alice = PerUser { default: None, users: [("alice".to_owned(), token)].into() };
        let credentials = Credentials {
            models: [("claude_code".to_owned(), PerUser { default: Some(model), users: [].into() })].into(),
            git: vec![(host("github.com:443"), of_alice)],
        };
        EgressPolicy::new(patterns(&["github.com", "*.example.org:443", "10.0.0.7:8080"]), credentials, Credentials::default())
    }

    #[test]
    fn a_run_gets_what_it_asks_for_within_the_list_of_the_operator() {
        for host in patterns(&["github.com", "a.example.org", "*.a.example.org", "10.0.0.7:8080"]) {
            assert_eq!(policy().check(&host), Ok(()));
        }
        for host in patterns(&["github.com:22", "*", "evil.example"]) {
            assert_eq!(policy().check(&host), Err(NotAllowed(host.clone())));
        }
        let covered = policy().covered(vec![host("github.com:443"), host("evil.example:443")]);
        assert_eq!(covered, patterns(&["github.com"]), "of the remotes of a repository");
    }

    #[test]
    fn the_host_of_the_model_is_in_the_list_only_if_the_agent_uses_its_own_login() {
        let hosts = [host("api.openai.com:443")];
        let own = policy().access("codex", "alice", &[], &hosts);
        assert!(own.allows(&hosts[0]) && own.endpoint().is_none());
        let inserted = policy().access("claude_code", "alice", &[], &[host("api.anthropic.com:443")]);
        assert!(!inserted.allows(&host("api.anthropic.com:443")), "an agent could use another key there");
        let endpoint = inserted.endpoint().unwrap();
        assert_eq!((endpoint.base_url.as_str(), endpoint.key.expose()), ("http://127.0.0.1:3128/model", PLACEHOLDER));
        assert_eq!(policy().endpoint("claude_code", "bob").unwrap().key.expose(), "the-real-key");
        assert_eq!(policy().endpoint("codex", "bob"), None);
    }

    #[test]
    fn private_addresses_need_an_entry_of_the_operator_with_exactly_that_host() {
        let access = policy().access("demo", "alice", &patterns(&["*", "10.0.0.7:8080"]), &[]);
        assert!(access.allows_private(&host("10.0.0.7:8080")));
        for other in ["10.0.0.7:443", "10.0.0.8:8080", "a.example.org:443"] {
            assert!(!access.allows_private(&host(other)), "{other}");
        }
    }

    #[test]
    fn git_uses_a_token_for_the_users_that_have_one_and_hosts_in_the_list_of_the_run() {
        let github = patterns(&["github.com"]);
        for (user, list, expected) in [("alice", &github[..], true), ("bob", &github[..], false), ("alice", &[], false)] {
            let access = policy().access("demo", user, list, &[]);
            let variables = access.env(|_| None);
            assert_eq!(variables.iter().any(|(name, _)| name == "GIT_CONFIG_COUNT"), expected, "{user} {list:?}");
            assert!(variables.iter().all(|(_, value)| !value.contains("real")), "{variables:?}");
        }
        let variables = policy().access("demo", "alice", &github, &[]).env(|_| Some("2"));
        let value = |name: &str| variables.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
        assert_eq!(value("GIT_CONFIG_KEY_2"), Some("url.http://127.0.0.1:3128/git/github.com/.insteadOf"));
        assert_eq!(value("GIT_CONFIG_VALUE_2"), Some("https://github.com/"));
        assert_eq!(value("GIT_CONFIG_VALUE_3"), Some("git@github.com:"));
        assert_eq!(value("GIT_CONFIG_COUNT"), Some("5"), "those of the run are kept");
    }
}
