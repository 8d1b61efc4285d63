//! The environment that an agent gets: built from a list, never inherited (S7 of the threat model).

use std::collections::BTreeMap;

use super::Environment;
use crate::process::Marker;

/// What every program needs to work at all: who and where it is, language, time, temporary files.
const BASE: &[&str] = &["HOME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER"];
const BASE_PREFIXES: &[&str] = &["LC_", "XDG_"];
/// How the network is reached, and whom to trust there.
const NETWORK: &[&str] = &[
    "ALL_PROXY",
    "all_proxy",
    "CURL_CA_BUNDLE",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "NODE_EXTRA_CA_CERTS",
    "NO_PROXY",
    "no_proxy",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
];
/// Settings and secrets of this server and of the services beside it. Not even the operator's own list brings them in.
const NEVER_PREFIXES: &[&str] = &["OPENRUNNER_", "PG", "NATS_", "LD_", "DYLD_"];
const NEVER: &[&str] = &["DATABASE_URL"];

/// Picks from `server`, the server's own environment, what an agent may have: the base, what `agent` names, and what the operator
/// lists in `allowed`.
pub(super) fn build<'a>(
    server: impl IntoIterator<Item = (&'a str, &'a str)>,
    agent: &Environment,
    allowed: &[String],
) -> BTreeMap<String, String> {
    let mut built: BTreeMap<String, String> = server
        .into_iter()
        .filter(|(name, _)| {
            let wanted = BASE.contains(name)
                || NETWORK.contains(name)
                || agent.names.contains(name)
                || begins(name, BASE_PREFIXES)
                || begins(name, agent.prefixes)
                || agent.configured.iter().any(|other| other == name)
                || allowed.iter().any(|other| other == name);
            wanted && !is_kept_from_agents(name)
        })
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    // No terminal stands behind an agent of ours, whatever one stands behind the server.
    built.insert("TERM".into(), "dumb".into());
    // Not every program asks the terminal: Codex colours its log in a pipe, too.
    built.insert("NO_COLOR".into(), "1".into());
    built
}

/// Whether a variable never reaches an agent, whoever sets it: our own settings and secrets, the marker by which a run's processes are
/// found, and what would load other code into every program.
pub fn is_kept_from_agents(name: &str) -> bool {
    NEVER.contains(&name) || begins(name, NEVER_PREFIXES) || name == Marker::VARIABLE
}

fn begins(name: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGENT: Environment = Environment { prefixes: &["ANTHROPIC_"], names: &["PGHOST"], configured: Vec::new() };

    fn built(names: &[&str], allowed: &[&str]) -> Vec<String> {
        let allowed: Vec<String> = allowed.iter().map(|name| (*name).to_owned()).collect();
        build(names.iter().map(|name| (*name, "x")), &AGENT, &allowed)
            .into_keys()
            .filter(|name| name != "TERM" && name != "NO_COLOR")
            .collect()
    }

    #[test]
    fn s7_nothing_is_inherited_but_what_is_listed() {
        assert_eq!(built(&["PATH", "AWS_SECRET_ACCESS_KEY", "ANTHROPIC_API_KEY", "MY_TOKEN"], &[]), ["ANTHROPIC_API_KEY", "PATH"]);
        assert_eq!(built(&["MY_TOKEN"], &["MY_TOKEN"]), ["MY_TOKEN"]);
    }

    #[test]
    fn s7_our_own_settings_never_reach_an_agent_whoever_lists_them() {
        let ours = ["OPENRUNNER_JWT_SECRET", "DATABASE_URL", "PGHOST", "NATS_URL", "LD_PRELOAD"];
        assert!(built(&ours, &ours).is_empty());
    }
}
