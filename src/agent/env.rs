//! Builds the environment of an agent from an allowlist; nothing else is inherited (S7 of the threat model).

use std::collections::BTreeMap;

use super::Environment;
use crate::process::Marker;

/// What every program needs: user, paths, locale, time zone, temporary files.
const BASE: &[&str] = &["HOME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER"];
const BASE_PREFIXES: &[&str] = &["LC_", "XDG_"];
/// Proxies and certificate authorities.
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
/// Settings and secrets of this server and of neighboring services, and variables that load code. The settings cannot allow them.
const NEVER_PREFIXES: &[&str] = &["OPENRUNNER_", "PG", "NATS_", "LD_", "DYLD_"];
const NEVER: &[&str] = &["DATABASE_URL"];

/// Selects from `server`, the server's own environment, the base variables, those of `agent`, and those that the operator lists in
/// `allowed`.
pub(super) fn build<'a>(
    server: impl IntoIterator<Item = (&'a str, &'a str)>,
    agent: &Environment,
    allowed: &[String],
) -> BTreeMap<String, String> {
    let mut built: BTreeMap<String, String> = server
        .into_iter()
        .filter(|(name, _)| {
            let listed = BASE.contains(name)
                || NETWORK.contains(name)
                || has_prefix(name, BASE_PREFIXES)
                || agent.includes(name)
                || allowed.iter().any(|other| other == name);
            listed && !is_kept_from_agents(name)
        })
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    // Agents have no terminal, even if the server has one.
    built.insert("TERM".into(), "dumb".into());
    // Some programs do not check for a terminal: Codex colors its log in a pipe, too.
    built.insert("NO_COLOR".into(), "1".into());
    built
}

/// Whether a variable never reaches an agent, regardless of who sets it: the server's settings and secrets, the marker that identifies a
/// run's processes, and variables that load code into every program.
pub fn is_kept_from_agents(name: &str) -> bool {
    NEVER.contains(&name) || has_prefix(name, NEVER_PREFIXES) || name == Marker::VARIABLE
}

fn has_prefix(name: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    //! Rules: S7.

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
    fn only_listed_variables_are_inherited() {
        assert_eq!(built(&["PATH", "AWS_SECRET_ACCESS_KEY", "ANTHROPIC_API_KEY", "MY_TOKEN"], &[]), ["ANTHROPIC_API_KEY", "PATH"]);
        assert_eq!(built(&["MY_TOKEN"], &["MY_TOKEN"]), ["MY_TOKEN"]);
    }

    #[test]
    fn the_servers_settings_and_secrets_never_reach_an_agent() {
        let secret = ["OPENRUNNER_JWT_SECRET", "DATABASE_URL", "PGHOST", "NATS_URL", "LD_PRELOAD"];
        assert!(built(&secret, &secret).is_empty());
    }
}
