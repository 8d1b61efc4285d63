//! `openrunner auth logout`

use clap::Args;
use serde_json::json;

use super::login::file;
use crate::cli::client::{Client, Entry, Servers};
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;

/// Arguments of `auth logout`.
#[derive(Debug, Args)]
pub(in crate::cli) struct LogoutArgs {
    /// Server, by its name (default: the one of the last login)
    #[arg(value_name = "NAME", conflicts_with = "server")]
    name: Option<String>,
}

/// Deletes the token and revokes it on the server. If the server cannot be reached, the token is deleted all the same.
pub(in crate::cli) async fn logout(context: &Context, args: LogoutArgs) -> anyhow::Result<Exit> {
    let path = file()?;
    let mut servers = Servers::load(&path)?;
    let given = args.name.as_deref().or(context.server.server.as_deref());
    let Some(name) = servers.find(given).map(|(name, _)| name.to_owned()) else {
        return Err(match given {
            Some(name) => CliError::not_found(format!("no server is named `{name}`")).hint("`openrunner server ls` lists them"),
            None => CliError::not_found("not logged in to any server"),
        }
        .into());
    };
    let Some(Entry { url, token, .. }) = servers.remove(&name) else { return Ok(Exit::Success) };
    servers.save(&path)?;
    if let Err(error) = Client::new(url.parse()?, context.output)?.with_token(token).post("/api/auth/logout", None).await {
        context.output.warn(&format!("cannot revoke the token on the server: {error}"));
    }
    context.output.confirm(&format!("Logged out of {name} ({url})"), &json!({ "name": name, "url": url }))?;
    Ok(Exit::Success)
}
