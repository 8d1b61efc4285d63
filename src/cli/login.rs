//! `openrunner login` and `logout`.

use std::ffi::OsString;
use std::io::{self, BufRead, IsTerminal};
use std::path::PathBuf;

use anyhow::Context;
use serde_json::json;

use super::client::{Address, Client, ClientError, Credentials, Entry, Servers, is_name, local_address, say};
use super::commands::{LoginArgs, LogoutArgs};
use super::exit::{Exit, Stop};
use super::run::{print_json, print_line};
use crate::config::{self, Flags, Secret};

/// Carries out `openrunner login`.
pub(super) async fn login(args: LoginArgs) -> anyhow::Result<Exit> {
    let address: Address = match &args.url {
        Some(url) => url.parse().map_err(|error| Stop::usage(format!("{error}")))?,
        None => local_address(&config::load(Flags::default(), &|name| std::env::var_os(name))?),
    };
    let name = args.name.unwrap_or_else(|| address.host_name());
    if !is_name(&name) {
        return Err(Stop::usage(format!("--name {name}: give 1 to 64 letters, digits, `.`, `_` and `-`")).into());
    }
    let path = file()?;
    let mut servers = Servers::load(&path)?;
    if address.is_readable_on_the_way() {
        say(&format!("{address} is not encrypted: others on the way can read the password"));
    }
    let credentials = Credentials { user: args.user.clone(), password: password(&args.user, &address)? };
    let logged_in = match Client::guest(address.clone())?.log_in(&credentials).await {
        Err(ClientError::Refused(problem)) if problem.code == "wrong_credentials" => {
            return Err(Stop::denied(format!("{address} does not know this name and password")).into());
        }
        answer => answer?,
    };
    servers.keep(&name, Entry { url: address.to_string(), user: args.user.clone(), token: logged_in.token });
    servers.save(&path)?;
    if args.form.json {
        print_json(&json!({ "name": name, "url": address.to_string(), "user": args.user, "expires_in": logged_in.expires_in }))?;
    } else {
        let hours = logged_in.expires_in / 3600;
        print_line(&format!("logged in to {address} as {} for {hours} hours; commands speak with it from now on, as `{name}`", args.user))?;
    }
    Ok(Exit::Done)
}

/// Carries out `openrunner logout`: the server forgets the token, and so does this machine, whatever the server says.
pub(super) async fn logout(args: LogoutArgs) -> anyhow::Result<Exit> {
    let path = file()?;
    let mut servers = Servers::load(&path)?;
    let Some(name) = servers.resolve_id(args.name.as_deref()).map(|(name, _)| name.to_owned()) else {
        let what = args.name.as_deref().map_or("nobody is logged in anywhere".to_owned(), |name| format!("no server is called `{name}`"));
        return Err(Stop::not_found(what).into());
    };
    let Some(Entry { url, token, .. }) = servers.forget(&name) else { return Ok(Exit::Done) };
    servers.save(&path)?;
    if let Err(error) = Client::guest(url.parse()?)?.with_token(token).post("/api/auth/logout", None).await {
        // It was good for nothing any more, or is good until it expires.
        say(&format!("the server could not be told: {error}"));
    }
    if args.form.json {
        print_json(&json!({ "name": name, "url": url }))?;
    } else {
        print_line(&format!("the token for {name} ({url}) is gone"))?;
    }
    Ok(Exit::Done)
}

fn file() -> anyhow::Result<PathBuf> {
    let get = |name: &str| -> Option<OsString> { std::env::var_os(name) };
    Servers::path(&get).context("no home folder is known, so there is no place for a token: set HOME or XDG_CONFIG_HOME")
}

/// The password: typed without being shown, or the first line of what is piped in. Never an argument, which others can see.
fn password(user: &str, address: &Address) -> anyhow::Result<Secret> {
    let password = if io::stdin().is_terminal() {
        rpassword::prompt_password(format!("password of {user} at {address}: ")).context("cannot read the password")?
    } else {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).context("cannot read the password")?;
        line.trim_end_matches(['\r', '\n']).to_owned()
    };
    if password.is_empty() {
        return Err(Stop::usage("the password is missing; type it, or pipe it in").into());
    }
    Ok(Secret::new(password))
}
