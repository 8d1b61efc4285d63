//! `openrunner auth login`

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use crate::cli::api_error::ClientError;
use crate::cli::client::{Address, Client, Credentials, Entry, Servers, is_name, local_address, servers_file};
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::format::count;
use crate::cli::password;
use crate::config::{self, Flags};

/// Arguments of `auth login`.
#[derive(Debug, Args)]
pub(in crate::cli) struct LoginArgs {
    /// Address of the server.
    #[arg(
        value_name = "URL",
        conflicts_with = "server",
        help = "Address of the server, such as https://runner.example.org (default: the server of this machine)"
    )]
    url: Option<String>,
    /// Name for the server (default: its host)
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// User
    #[arg(long, short, value_name = "USER", default_value = "admin", alias = "user")]
    username: String,
}

/// Logs in and stores the token. The server becomes the default.
pub(in crate::cli) async fn login(context: &Context, args: LoginArgs) -> anyhow::Result<Exit> {
    let address = match args.url.as_deref().or(context.server.server.as_deref()) {
        Some(url) => address(url)?,
        None => local_address(&config::load(Flags::default(), &|name| std::env::var_os(name))?),
    };
    let path = file()?;
    let mut servers = Servers::load(&path)?;
    let name = match args.name {
        Some(name) if is_name(&name) => name,
        Some(name) => {
            return Err(CliError::usage(format!("--name {name}: expected 1 to 64 letters, digits, `.`, `_` and `-`")).into());
        }
        None => servers.find_by_url(&address.to_string()).map_or_else(|| address.host_name(), |(name, _entry)| name.to_owned()),
    };
    if address.is_plaintext() {
        context.output.warn(&format!("{address} is not encrypted; the network can read the password"));
    }
    let password = password::current(&args.username, &format!(" at {address}"))?;
    let credentials = Credentials { username: args.username.clone(), password };
    let login = match Client::new(address.clone(), context.output)?.log_in(&credentials).await {
        Err(ClientError::Refused(problem)) if problem.code == "wrong_credentials" => {
            return Err(CliError::denied(format!("wrong user name or password for {address}")).into());
        }
        result => result?,
    };
    servers.insert(&name, Entry { url: address.to_string(), username: args.username.clone(), token: login.token });
    servers.save(&path)?;
    let valid = count(login.expires_in / 3600, "hour");
    let message = format!("Logged in to {address} as {} for {valid}; the server is now the default, named `{name}`", args.username);
    let document = json!({ "name": name, "url": address.to_string(), "username": args.username, "expires_in": login.expires_in });
    context.output.confirm(&message, &document)?;
    Ok(Exit::Success)
}

/// An address, or the address of a named server.
fn address(text: &str) -> anyhow::Result<Address> {
    if is_name(text)
        && let Some((_name, entry)) = Servers::load(&file()?)?.find(Some(text))
    {
        return Ok(entry.url.parse()?);
    }
    Ok(text.parse().map_err(|error| CliError::usage(format!("URL: {error}")))?)
}

/// The path of `servers.toml`.
///
/// # Errors
/// If there is no home directory.
pub(super) fn file() -> anyhow::Result<PathBuf> {
    servers_file().context("cannot store a login: neither HOME nor XDG_CONFIG_HOME is set")
}
