//! `openrunner auth password`

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::login::file;
use crate::cli::client::{Entry, Login, Servers, target};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::password;

/// Arguments of `auth password`.
#[derive(Debug, Args)]
#[command(after_help = "In a pipe, standard input holds the current password and the new one, one per line.")]
pub(in crate::cli) struct PasswordArgs {}

/// Changes the caller's password, which revokes all tokens of the user, and stores the new token.
pub(in crate::cli) async fn password(context: &Context, _args: PasswordArgs) -> anyhow::Result<Exit> {
    let target = target(&context.server)?;
    let client = context.connect().await?;
    let me = client.get("/api/auth/me").await?;
    let username = me["username"].as_str().context("the server's answer has no username")?.to_owned();
    let current = password::current(&username, " (current)")?;
    let new = password::new(&username)?;
    let body = json!({ "current_password": current.expose(), "new_password": new.expose() });
    let answer = client.post("/api/auth/password", Some(&body)).await?;
    let login: Login = serde_json::from_value(answer).context("the server's answer has no token")?;
    let name = target.name.unwrap_or_else(|| target.address.host_name());
    let path = file()?;
    let mut servers = Servers::load(&path)?;
    servers.insert(&name, Entry { url: target.address.to_string(), username: username.clone(), token: login.token });
    servers.save(&path)?;
    let message = format!("Changed the password of {username} at {}; all earlier tokens are revoked", target.address);
    context.output.confirm(&message, &json!({ "username": username, "url": target.address.to_string(), "name": name }))?;
    Ok(Exit::Success)
}
