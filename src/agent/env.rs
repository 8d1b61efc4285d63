//! Builds the environment of an agent from an allowlist; nothing else is inherited (S7 of the threat model).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::Environment;
use crate::process::isolation::{Egress, proxy_variables};
use crate::process::{Account, Marker};
use crate::redact::is_secret_name;

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
/// Those of [`NETWORK`] that lead to a proxy, in lower case.
const PROXIES: &[&str] = &["all_proxy", "http_proxy", "https_proxy", "no_proxy"];
/// Those of [`NETWORK`] that name files or directories with certificates.
const CERTIFICATES: &[&str] = &["CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE"];
/// Directories and files of the account that an agent does not see in a sandbox, or that belong to another account: those of the account, and
/// those to which agents' settings were moved. Without these variables, an agent uses its home directory.
const OF_ACCOUNT: &[&str] = &[
    "CLAUDE_CONFIG_DIR",
    "CODEX_HOME",
    "OPENCODE_CONFIG",
    "OPENCODE_CONFIG_DIR",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "XDG_STATE_HOME",
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

/// Changes the environment for a sandbox: without the directories of the account and the proxies that are out of reach in it, and without
/// secrets where the proxy inserts the credentials.
pub(super) fn enter_sandbox(env: &mut BTreeMap<String, String>, egress: Option<&Egress>) {
    let has_secrets = egress.is_none_or(|egress| !egress.injects_credentials);
    env.retain(|name, _| {
        let is_proxy = PROXIES.contains(&name.to_ascii_lowercase().as_str());
        !is_proxy && !OF_ACCOUNT.contains(&name.as_str()) && (has_secrets || !is_secret_name(name))
    });
    if egress.is_some() {
        env.extend(proxy_variables());
    }
}

/// The files and directories with certificates that the variables name. They contain no secrets, and a program that does not find them trusts
/// no host.
pub(super) fn certificates(env: &BTreeMap<String, String>) -> Vec<PathBuf> {
    let named = CERTIFICATES.iter().filter_map(|name| env.get(*name)).flat_map(|paths| std::env::split_paths(paths).collect::<Vec<_>>());
    named.filter(|path| path.is_absolute() && path.parent().is_some() && path.exists()).collect()
}

/// The variables of a sandboxed agent with keys of the operator: of the server's environment, and those that the settings give the agent, whose
/// values are `secrets`.
pub(super) fn readable_keys(inherited: &BTreeMap<String, String>, own: &[(String, String)], secrets: &[String]) -> Vec<String> {
    let inherited = inherited.keys().filter(|name| is_secret_name(name));
    let own = own.iter().filter(|(_, value)| secrets.contains(value)).map(|(name, _)| name);
    inherited.chain(own).cloned().collect::<BTreeSet<_>>().into_iter().collect()
}

/// The environment for an account; `None` for that of the server.
pub(super) fn of_account(env: &BTreeMap<String, String>, account: Option<&Account>) -> BTreeMap<String, String> {
    let mut env = env.clone();
    let Some(account) = account else { return env };
    env.retain(|name, _| !OF_ACCOUNT.contains(&name.as_str()));
    env.insert("HOME".to_owned(), account.home.to_string_lossy().into_owned());
    for name in ["USER", "LOGNAME"] {
        env.insert(name.to_owned(), account.name.clone());
    }
    env
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

    fn sandboxed(egress: Option<&Egress>) -> BTreeMap<String, String> {
        let names = [
            "PATH",
            "HTTPS_PROXY",
            "no_proxy",
            "XDG_CONFIG_HOME",
            "CODEX_HOME",
            "CLAUDE_CONFIG_DIR",
            "ANTHROPIC_API_KEY",
            "ANTHROPIC_MODEL",
        ];
        let mut env = names.iter().map(|name| ((*name).to_owned(), "x".to_owned())).collect();
        enter_sandbox(&mut env, egress);
        env
    }

    #[test]
    fn a_sandbox_has_no_directories_of_the_account_and_no_proxy_but_its_own() {
        let without: Vec<String> = sandboxed(None).into_keys().collect();
        assert_eq!(without, ["ANTHROPIC_API_KEY", "ANTHROPIC_MODEL", "PATH"]);
        let with = sandboxed(Some(&Egress::default()));
        assert!(with["HTTPS_PROXY"].starts_with("http://127.0.0.1:") && with["https_proxy"] == with["HTTPS_PROXY"]);
        assert!(with["NO_PROXY"].contains("localhost") && with.contains_key("ANTHROPIC_API_KEY"));
    }

    #[test]
    fn keys_that_stay_in_a_sandbox_are_named() {
        let own = [("MY_LOGIN", "secret"), ("MODEL_API_KEY", "placeholder")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut env =
            [("PATH", "x"), ("MISTRAL_API_KEY", "x"), ("MISTRAL_MODEL", "x")].map(|(name, value)| (name.into(), value.into())).into();
        enter_sandbox(&mut env, Some(&Egress::default()));
        assert_eq!(readable_keys(&env, &own, &["secret".to_owned()]), ["MISTRAL_API_KEY", "MY_LOGIN"]);
        enter_sandbox(&mut env, Some(&Egress { injects_credentials: true, ..Egress::default() }));
        assert!(readable_keys(&env, &own[1..], &["secret".to_owned()]).is_empty(), "they are outside");
    }

    #[test]
    fn the_certificates_of_the_account_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let (file, missing) = (dir.path().join("ca.pem"), dir.path().join("missing"));
        std::fs::write(&file, "").unwrap();
        let env = [
            ("SSL_CERT_FILE", file.display().to_string()),
            ("SSL_CERT_DIR", format!("{}:{}", dir.path().display(), missing.display())),
            ("NODE_EXTRA_CA_CERTS", "relative.pem".to_owned()),
            ("CURL_CA_BUNDLE", "/".to_owned()),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value)).into();
        assert_eq!(certificates(&env), [dir.path().to_owned(), file]);
    }

    #[test]
    fn another_account_gets_no_directories_of_this_one() {
        let account = Account { name: "agent".into(), uid: 7, gid: 7, home: "/home/agent".into() };
        let env = ["HOME", "CODEX_HOME", "CLAUDE_CONFIG_DIR", "XDG_DATA_HOME"].map(|name| (name.to_owned(), "/x".to_owned())).into();
        assert_eq!(of_account(&env, Some(&account)).into_keys().collect::<Vec<_>>(), ["HOME", "LOGNAME", "USER"]);
    }

    #[test]
    fn a_sandbox_gets_no_keys_where_the_proxy_inserts_them() {
        let env = sandboxed(Some(&Egress { injects_credentials: true, ..Egress::default() }));
        assert!(!env.contains_key("ANTHROPIC_API_KEY") && env.contains_key("ANTHROPIC_MODEL"));
    }

    #[test]
    fn the_servers_settings_and_secrets_never_reach_an_agent() {
        let secret = ["OPENRUNNER_JWT_SECRET", "DATABASE_URL", "PGHOST", "NATS_URL", "LD_PRELOAD"];
        assert!(built(&secret, &secret).is_empty());
    }
}
