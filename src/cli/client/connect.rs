//! Which server a command speaks with, and as whom.

use std::ffi::OsString;
use std::io::IsTerminal;

use anstyle::Style;

use super::api::Credentials;
use super::embedded_server::Inside;
use super::{Address, Client, ClientError, Servers};
use crate::cli::exit::Stop;
use crate::config::{self, Flags, Secret, Settings};
use crate::process::launch::Launcher;

/// Which server; the same for every command of a client.
#[derive(Clone, Debug, Default, clap::Args)]
pub(in crate::cli) struct ServerArgs {
    /// Server to speak with: a name given at `login`, or an address (also `OPENRUNNER_URL`)
    #[arg(long, value_name = "NAME|URL", global = false)]
    pub(in crate::cli) server: Option<String>,
}

/// A server and how to come in.
#[derive(Debug)]
struct Chosen {
    address: Address,
    token: Option<Secret>,
    /// Whether somebody said which server: then no other may take its place.
    is_named: bool,
}

/// A client, and the server that was started for it, if one was.
#[derive(Debug)]
pub(in crate::cli) struct Connection {
    /// The client.
    pub(in crate::cli) client: Client,
    /// The server that lives as long as this command.
    pub(in crate::cli) embedded_server: Option<Inside>,
}

/// The address that a server on this machine with these settings listens on.
pub(in crate::cli) fn local_address(settings: &Settings) -> Address {
    Address::from(settings.addr)
}

/// A client of the server that is meant. It has logged in, or has a token.
///
/// # Errors
/// If no server answers, nobody is logged in, or settings cannot be read.
pub(in crate::cli) async fn connect(at: &ServerArgs) -> anyhow::Result<Client> {
    let settings = config::load(Flags::default(), &variable)?;
    let chosen = choose(at, &variable, &stored()?, &settings)?;
    let address = chosen.address.clone();
    come_in(chosen, &settings).await.map_err(|error| explained(error, &address))
}

/// A client of the server that is meant, for what needs no login.
///
/// # Errors
/// If settings cannot be read, or what was typed names no server.
pub(in crate::cli) fn guest(at: &ServerArgs) -> anyhow::Result<Client> {
    let settings = config::load(Flags::default(), &variable)?;
    Client::guest(choose(at, &variable, &stored()?, &settings)?.address)
}

/// The same as [`connect`], and where no server was named and none answers, with one that is started for this command.
///
/// # Errors
/// As [`connect`], and if that server cannot be started.
pub(in crate::cli) async fn connect_or_start(at: &ServerArgs, launcher: Launcher) -> anyhow::Result<Connection> {
    let (settings, origins) = config::load_with_origins(Flags::default(), &variable)?;
    let chosen = choose(at, &variable, &stored()?, &settings)?;
    let (address, is_named, token) = (chosen.address.clone(), chosen.is_named, chosen.token.clone());
    let is_there = match Client::guest(address.clone())?.health().await {
        Ok(_) => true,
        Err(ClientError::Unreachable { .. }) if !is_named => false,
        Err(error) => return Err(explained(error.into(), &address)),
    };
    if is_there {
        let client = come_in(chosen, &settings).await.map_err(|error| explained(error, &address))?;
        return Ok(Connection { client, embedded_server: None });
    }
    let embedded_server = Inside::start(&settings, &origins, launcher).await?;
    say(&format!("no server answers at {address}, so one was started for this run alone"));
    // Its data folder is the local server's, and so are its users and its key: that one's token is good here, too.
    let at_inside = Chosen { address: Address::from(embedded_server.address()), token, is_named: true };
    Ok(Connection { client: come_in(at_inside, &settings).await?, embedded_server: Some(embedded_server) })
}

/// Says something about the connection: one dim line on standard error, for people only.
pub(in crate::cli) fn say(words: &str) {
    if std::io::stderr().is_terminal() {
        let dim = Style::new().dimmed();
        anstream::eprintln!("{dim}openrunner: {words}{dim:#}");
    }
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn stored() -> anyhow::Result<Servers> {
    Servers::path(&variable).map_or_else(|| Ok(Servers::default()), |path| Servers::load(&path))
}

/// What was typed, then the environment, then the last login, then the server of this machine.
fn choose(at: &ServerArgs, get: &dyn Fn(&str) -> Option<OsString>, servers: &Servers, settings: &Settings) -> anyhow::Result<Chosen> {
    let text = |name: &str| get(name).filter(|value| !value.is_empty()).and_then(|value| value.into_string().ok());
    let token = text("OPENRUNNER_TOKEN").map(Secret::new);
    let by_address = |url: &str, what: &str| {
        let address: Address = url.parse().map_err(|error| Stop::usage(format!("{what}: {error}")))?;
        let stored = servers.at(&address.to_string()).map(|entry| entry.token.clone());
        Ok(Chosen { address, token: token.clone().or(stored), is_named: true })
    };
    if let Some(server) = &at.server {
        if server.contains("://") {
            return by_address(server, "--server");
        }
        let Some((_, entry)) = servers.resolve_id(Some(server)) else {
            let known: Vec<&str> = servers.servers.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(Stop::not_found(format!(
                "no server is called `{server}` (known: {known}); log in with `openrunner login URL --name {server}`"
            ))
            .into());
        };
        // A server's own token, since the one of the environment may be another server's.
        return Ok(Chosen { address: entry.url.parse()?, token: Some(entry.token.clone()), is_named: true });
    }
    if let Some(url) = text("OPENRUNNER_URL") {
        return by_address(&url, "OPENRUNNER_URL");
    }
    if let Some((_, entry)) = servers.resolve_id(None) {
        let address: Address = entry.url.parse()?;
        let is_named = address != local_address(settings);
        return Ok(Chosen { address, token: token.or_else(|| Some(entry.token.clone())), is_named });
    }
    Ok(Chosen { address: local_address(settings), token, is_named: false })
}

/// A token as it stands, or a login as admin where that needs nobody's help: on this machine, with the operator's password from the
/// settings or with the default one.
async fn come_in(chosen: Chosen, settings: &Settings) -> anyhow::Result<Client> {
    let Chosen { address, token, .. } = chosen;
    let client = Client::guest(address.clone())?;
    if let Some(token) = token {
        return Ok(client.with_token(token));
    }
    if !address.is_loopback() {
        return Err(Stop::denied(format!("nobody is logged in to {address}; type `openrunner login {address}`")).into());
    }
    let own = settings.admin_password.clone();
    let has_own = own.is_some();
    let credentials = Credentials { user: "admin".to_owned(), password: own.unwrap_or_else(|| Secret::new("admin".to_owned())) };
    match client.logged_in(credentials).await {
        Ok(client) => {
            if !has_own {
                say(&format!("using {address} as admin, with the default password"));
            }
            Ok(client)
        }
        Err(ClientError::Refused(problem)) if matches!(problem.status, 401 | 403) => {
            Err(Stop::denied(format!("{address} has passwords of its own; type `openrunner login {address}`")).into())
        }
        Err(error) => Err(error.into()),
    }
}

/// An error with what can be done about it.
fn explained(error: anyhow::Error, address: &Address) -> anyhow::Error {
    match error.downcast_ref::<ClientError>() {
        Some(ClientError::Unreachable { reason, .. }) => ClientError::Unreachable {
            address: address.to_string(),
            reason: format!("{reason}; start one with `openrunner serve`, or name another with --server or OPENRUNNER_URL"),
        }
        .into(),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Entry;
    use super::*;

    fn settings() -> Settings {
        config::load(Flags::default(), &|name| (name == "HOME").then(|| "/h".into())).unwrap()
    }

    fn servers() -> Servers {
        let mut servers = Servers::default();
        let entry = |url: &str| Entry { url: url.into(), user: "mei".into(), token: Secret::new(format!("token of {url}")) };
        servers.keep("home", entry("http://127.0.0.1:3000"));
        servers.keep("office", entry("https://runner.example.org"));
        servers
    }

    fn chosen(server: Option<&str>, set: &[(&str, &str)], servers: &Servers) -> anyhow::Result<(String, Option<String>, bool)> {
        let get = |name: &str| set.iter().find(|(set, _)| *set == name).map(|(_, value)| OsString::from(value));
        let at = ServerArgs { server: server.map(str::to_owned) };
        let chosen = choose(&at, &get, servers, &settings())?;
        Ok((chosen.address.to_string(), chosen.token.map(|token| token.expose().to_owned()), chosen.is_named))
    }

    #[test]
    fn what_is_typed_counts_before_the_environment_and_that_before_the_last_login() {
        let (servers, url) = (servers(), [("OPENRUNNER_URL", "http://192.0.2.7:3000/")]);
        assert_eq!(chosen(Some("home"), &url, &servers).unwrap().0, "http://127.0.0.1:3000");
        assert_eq!(chosen(None, &url, &servers).unwrap(), ("http://192.0.2.7:3000".into(), None, true));
        assert_eq!(chosen(None, &[], &servers).unwrap().0, "https://runner.example.org");
        assert_eq!(chosen(None, &[], &Servers::default()).unwrap(), ("http://127.0.0.1:3000".into(), None, false));
    }

    #[test]
    fn a_named_server_gets_its_own_token_and_an_address_that_of_the_environment() {
        let (servers, token) = (servers(), [("OPENRUNNER_TOKEN", "from outside")]);
        assert_eq!(chosen(Some("office"), &token, &servers).unwrap().1.unwrap(), "token of https://runner.example.org");
        assert_eq!(chosen(Some("https://runner.example.org/"), &token, &servers).unwrap().1.unwrap(), "from outside");
        assert_eq!(chosen(Some("https://runner.example.org/"), &[], &servers).unwrap().1.unwrap(), "token of https://runner.example.org");
    }

    #[test]
    fn an_unknown_name_and_a_bad_address_say_what_to_type() {
        let error = chosen(Some("offce"), &[], &servers()).unwrap_err().to_string();
        assert!(error.contains("home, office") && error.contains("openrunner login"), "{error}");
        let error = chosen(None, &[("OPENRUNNER_URL", "localhost:3000")], &servers()).unwrap_err().to_string();
        assert!(error.starts_with("OPENRUNNER_URL: "), "{error}");
    }
}
