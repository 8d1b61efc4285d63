//! Chooses the server that a command talks to, and the credentials.

use std::ffi::OsString;
use std::path::PathBuf;

use super::api::Credentials;
use super::embedded_server::EmbeddedServer;
use super::token_cache::TokenCache;
use super::{Address, Client, Servers};
use crate::cli::api_error::ClientError;
use crate::cli::args::ServerArgs;
use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::config::{self, Flags, Secret, Settings};
use crate::process::launch::Launcher;

/// The user of automatic logins.
const DEFAULT_USER: &str = "admin";

/// A server and how to authenticate.
#[derive(Debug)]
pub(in crate::cli) struct Target {
    /// The address.
    pub(in crate::cli) address: Address,
    /// Its name in `servers.toml`.
    pub(in crate::cli) name: Option<String>,
    /// Where the address comes from.
    pub(in crate::cli) source: Source,
    token: Option<Secret>,
}

/// Where the address of a server comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Source {
    /// `--server`.
    Flag,
    /// `OPENRUNNER_URL`.
    Environment,
    /// The last login.
    Login,
    /// `OPENRUNNER_ADDR`, or its default.
    Local,
}

impl Source {
    /// The source in words.
    pub(in crate::cli) fn as_str(self) -> &'static str {
        match self {
            Self::Flag => "--server",
            Self::Environment => "OPENRUNNER_URL",
            Self::Login => "last login",
            Self::Local => "this machine",
        }
    }
}

/// A client, and the server that was started for it, if any.
#[derive(Debug)]
pub(in crate::cli) struct Connection {
    /// The client.
    pub(in crate::cli) client: Client,
    /// The server that lives as long as this command.
    pub(in crate::cli) embedded_server: Option<EmbeddedServer>,
}

/// The address of a server on this machine with these settings.
pub(in crate::cli) fn local_address(settings: &Settings) -> Address {
    Address::from(settings.addr)
}

/// A client of the chosen server, with a token.
///
/// # Errors
/// If no server answers, there is no login, or settings cannot be read.
pub(in crate::cli) async fn connect(server: &ServerArgs, output: Output) -> anyhow::Result<Client> {
    let settings = config::load(Flags::default(), &variable)?;
    let target = choose(server, &variable, &stored()?, &settings)?;
    authenticate(target, &settings, true, output).await
}

/// A client of the chosen server, without a token.
///
/// # Errors
/// If settings cannot be read, or the server's name or address is invalid.
pub(in crate::cli) fn anonymous(server: &ServerArgs, output: Output) -> anyhow::Result<Client> {
    Client::new(target(server)?.address, output)
}

/// The chosen server.
///
/// # Errors
/// As [`anonymous`].
pub(in crate::cli) fn target(server: &ServerArgs) -> anyhow::Result<Target> {
    choose(server, &variable, &stored()?, &config::load(Flags::default(), &variable)?)
}

/// As [`connect`]. If no server was chosen and none answers on this machine, starts one for this command.
///
/// # Errors
/// As [`connect`], and if the server cannot be started.
pub(in crate::cli) async fn connect_or_start(server: &ServerArgs, launcher: Launcher, output: Output) -> anyhow::Result<Connection> {
    let (settings, origins) = config::load_with_origins(Flags::default(), &variable)?;
    let target = choose(server, &variable, &stored()?, &settings)?;
    let is_local = target.address == local_address(&settings) && !matches!(target.source, Source::Flag | Source::Environment);
    match Client::new(target.address.clone(), output)?.health().await {
        Err(ClientError::Unreachable { .. }) if is_local => {}
        Err(error) => return Err(error.into()),
        Ok(_) => {
            let client = authenticate(target, &settings, true, output).await?;
            return Ok(Connection { client, embedded_server: None });
        }
    }
    let embedded_server = EmbeddedServer::start(&settings, &origins, launcher).await?;
    output.detail(&format!("no server answers at {}; started one for this run", target.address));
    // It uses the local server's data directory, so it has the same users and accepts the same tokens. Its port is used once, so
    // nothing is cached for it.
    let target = Target { address: Address::from(embedded_server.address()), ..target };
    Ok(Connection { client: authenticate(target, &settings, false, output).await?, embedded_server: Some(embedded_server) })
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// The path of `servers.toml`. None if neither `HOME` nor `XDG_CONFIG_HOME` is set.
pub(in crate::cli) fn servers_file() -> Option<PathBuf> {
    Servers::path(&variable)
}

fn stored() -> anyhow::Result<Servers> {
    servers_file().map_or_else(|| Ok(Servers::default()), |path| Servers::load(&path))
}

/// In this order: `--server`, `OPENRUNNER_URL`, the last login, the server of this machine.
fn choose(server: &ServerArgs, get: &dyn Fn(&str) -> Option<OsString>, servers: &Servers, settings: &Settings) -> anyhow::Result<Target> {
    let text = |name: &str| get(name).filter(|value| !value.is_empty()).and_then(|value| value.into_string().ok());
    let token = text("OPENRUNNER_TOKEN").map(Secret::new);
    let by_address = |url: &str, source: Source| {
        let address: Address = url.parse().map_err(|error| CliError::usage(format!("{}: {error}", source.as_str())))?;
        let stored = servers.find_by_url(&address.to_string());
        let (name, stored_token) = stored.map(|(name, entry)| (name.to_owned(), entry.token.clone())).unzip();
        Ok(Target { address, name, source, token: token.clone().or(stored_token) })
    };
    if let Some(server) = &server.server {
        if server.contains(':') {
            return by_address(server, Source::Flag);
        }
        let Some((name, entry)) = servers.find(Some(server)) else {
            let known: Vec<&str> = servers.servers.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(CliError::not_found(format!("--server: no server is named `{server}` (known: {known})"))
                .hint(format!("log in with `openrunner login URL --name {server}`, or give an address such as https://{server}"))
                .into());
        };
        // The token in the environment may be for another server.
        return Ok(Target {
            address: entry.url.parse()?,
            name: Some(name.to_owned()),
            source: Source::Flag,
            token: Some(entry.token.clone()),
        });
    }
    if let Some(url) = text("OPENRUNNER_URL") {
        return by_address(&url, Source::Environment);
    }
    if let Some((name, entry)) = servers.find(None) {
        let address: Address = entry.url.parse()?;
        return Ok(Target {
            address,
            name: Some(name.to_owned()),
            source: Source::Login,
            token: token.or_else(|| Some(entry.token.clone())),
        });
    }
    Ok(Target { address: local_address(settings), name: None, source: Source::Local, token })
}

/// Uses the target's token. Without one, logs in as admin where that needs no person: on this machine, with the password from the
/// settings or with the default password.
async fn authenticate(target: Target, settings: &Settings, caches: bool, output: Output) -> anyhow::Result<Client> {
    let Target { address, token, .. } = target;
    let client = Client::new(address.clone(), output)?;
    if let Some(token) = token {
        return Ok(client.with_token(token));
    }
    let log_in = || format!("log in with `openrunner login {address}`");
    if !address.is_loopback() {
        return Err(CliError::denied(format!("not logged in to {address}")).hint(log_in()).into());
    }
    let username = DEFAULT_USER.to_owned();
    let (password, cache) = if let Some(password) = settings.admin_password.clone() {
        (password, None)
    } else {
        let file = if caches { servers_file() } else { None };
        (Secret::new(DEFAULT_USER.to_owned()), file.map(|file| TokenCache::new(&file, &address, &username)))
    };
    match client.with_credentials(Credentials { username, password }, cache).await {
        Err(ClientError::Refused(problem)) if matches!(problem.status, 401 | 403) => {
            Err(CliError::denied(format!("not logged in to {address}, whose admin has no default password")).hint(log_in()).into())
        }
        result => Ok(result?),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Entry;
    use super::*;
    use crate::cli::error::Report;

    fn settings() -> Settings {
        config::load(Flags::default(), &|name| (name == "HOME").then(|| "/h".into())).unwrap()
    }

    fn servers() -> Servers {
        let mut servers = Servers::default();
        let entry = |url: &str| Entry { url: url.into(), username: "mei".into(), token: Secret::new(format!("token of {url}")) };
        servers.insert("home", entry("http://127.0.0.1:3000"));
        servers.insert("office", entry("https://runner.example.org"));
        servers
    }

    fn chosen(server: Option<&str>, set: &[(&str, &str)], servers: &Servers) -> anyhow::Result<(String, Option<String>, Source)> {
        let get = |name: &str| set.iter().find(|(set, _)| *set == name).map(|(_, value)| OsString::from(value));
        let target = choose(&ServerArgs { server: server.map(str::to_owned) }, &get, servers, &settings())?;
        Ok((target.address.to_string(), target.token.map(|token| token.expose().to_owned()), target.source))
    }

    #[test]
    fn the_flag_precedes_the_environment_which_precedes_the_last_login() {
        let (servers, url) = (servers(), [("OPENRUNNER_URL", "http://192.0.2.7:3000/")]);
        assert_eq!(chosen(Some("home"), &url, &servers).unwrap().0, "http://127.0.0.1:3000");
        assert_eq!(chosen(Some(":8090"), &url, &servers).unwrap().0, "http://localhost:8090");
        assert_eq!(chosen(None, &url, &servers).unwrap(), ("http://192.0.2.7:3000".into(), None, Source::Environment));
        assert_eq!(chosen(None, &[], &servers).unwrap().0, "https://runner.example.org");
        assert_eq!(chosen(None, &[], &Servers::default()).unwrap(), ("http://127.0.0.1:3000".into(), None, Source::Local));
    }

    #[test]
    fn a_named_server_gets_its_own_token_and_an_address_gets_that_of_the_environment() {
        let (servers, token) = (servers(), [("OPENRUNNER_TOKEN", "from outside")]);
        assert_eq!(chosen(Some("office"), &token, &servers).unwrap().1.unwrap(), "token of https://runner.example.org");
        assert_eq!(chosen(Some("https://runner.example.org/"), &token, &servers).unwrap().1.unwrap(), "from outside");
        assert_eq!(chosen(Some("https://runner.example.org/"), &[], &servers).unwrap().1.unwrap(), "token of https://runner.example.org");
    }

    #[test]
    fn errors_name_the_flag_or_the_variable() {
        let report = Report::from(&chosen(Some("offce"), &[], &servers()).unwrap_err());
        assert!(report.message.starts_with("--server: ") && report.message.contains("home, office"), "{report:?}");
        assert!(report.hint.as_ref().unwrap().contains("openrunner login"), "{report:?}");
        let error = chosen(None, &[("OPENRUNNER_URL", "runner.example.org")], &servers()).unwrap_err().to_string();
        assert!(error.starts_with("OPENRUNNER_URL: "), "{error}");
    }
}
