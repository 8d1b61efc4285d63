//! `openrunner key`

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::accounts::Accounts;
use crate::cli::args::{OfflineArgs, days};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::format::field;
use crate::cli::output::{print_json, print_line};
use crate::cli::table;
use crate::types::{KeyDefaults, KeyId, OnDisconnect, ProfileName, Scope, UserName};

/// Commands on API keys. They work on the chosen server, or on a data directory with `--data-dir`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum KeyCommand {
    /// List keys, newest first
    #[command(alias = "list")]
    Ls(KeyLsArgs),
    /// Create a key and print it; it cannot be shown again
    Create(KeyCreateArgs),
    /// Revoke keys
    #[command(alias = "revoke")]
    Rm(KeyRmArgs),
}

/// Arguments of `key ls`.
#[derive(Debug, Args)]
pub(in crate::cli) struct KeyLsArgs {
    /// Filter by owner (admin)
    #[arg(long, value_name = "USER", alias = "user")]
    owner: Option<UserName>,
    #[command(flatten)]
    offline: OfflineArgs,
}

/// Arguments of `key create`.
#[derive(Debug, Args)]
pub(in crate::cli) struct KeyCreateArgs {
    /// Owner (admin; default: you, with --data-dir admin)
    #[arg(long, value_name = "USER", alias = "user")]
    owner: Option<UserName>,
    /// Name of the key
    #[arg(long)]
    name: String,
    /// Scope: runs:read, runs:write, admin or metrics; may be repeated
    #[arg(long = "scope", required = true, value_name = "SCOPE")]
    scopes: Vec<Scope>,
    /// Days until the key expires (default: never)
    #[arg(long, value_name = "DAYS", value_parser = days)]
    expires_in_days: Option<u32>,
    /// Profile of the runs that are created with the key and name none (default: that of the server)
    #[arg(long, value_name = "NAME")]
    default_profile: Option<ProfileName>,
    /// Session of OpenAI requests that name none: an id, a name, or `new`
    #[arg(long, value_name = "SESSION")]
    default_session: Option<String>,
    /// Working directory of OpenAI requests that name none
    #[arg(long, value_name = "DIR")]
    default_directory: Option<PathBuf>,
    /// Whether to cancel or continue a run whose client disconnects while it waits for the answer
    #[arg(long, value_name = "cancel|continue")]
    on_disconnect: Option<OnDisconnect>,
    #[command(flatten)]
    offline: OfflineArgs,
}

/// Arguments of `key rm`.
#[derive(Debug, Args)]
pub(in crate::cli) struct KeyRmArgs {
    /// Key ids: `key_` and 32 digits
    #[arg(value_name = "ID", required = true)]
    ids: Vec<KeyId>,
    #[command(flatten)]
    offline: OfflineArgs,
}

/// Manages keys.
pub(in crate::cli) async fn key(context: &Context, command: KeyCommand) -> anyhow::Result<Exit> {
    match command {
        KeyCommand::Ls(args) => ls(context, args).await?,
        KeyCommand::Create(args) => create(context, args).await?,
        KeyCommand::Rm(args) => rm(context, args).await?,
    }
    Ok(Exit::Success)
}

async fn ls(context: &Context, args: KeyLsArgs) -> anyhow::Result<()> {
    let keys = Accounts::open(context, args.offline).await?.keys(args.owner.as_ref()).await?;
    if context.output.json {
        return print_json(&json!({ "items": keys, "next_cursor": null }));
    }
    let rows: Vec<_> = keys
        .iter()
        .map(|key| {
            let [id, owner, name, expires] = ["id", "owner", "name", "expires_at"].map(|name| field(key, name));
            [id, owner, name, scopes(key), expires, field(key, "last_used_at")]
        })
        .collect();
    table::print(context.output, ["key", "owner", "name", "scopes", "expires", "last used"], &rows)
}

async fn create(context: &Context, args: KeyCreateArgs) -> anyhow::Result<()> {
    let accounts = Accounts::open(context, args.offline).await?;
    let expires_in = args.expires_in_days.map(|days| Duration::from_secs(u64::from(days) * 24 * 60 * 60));
    let defaults = KeyDefaults {
        profile: args.default_profile,
        session: args.default_session,
        directory: args.default_directory,
        on_disconnect: args.on_disconnect,
    };
    let created = accounts.create_key(args.owner.as_ref(), args.name, args.scopes, expires_in, defaults).await?;
    if context.output.json {
        return print_json(&created);
    }
    // Standard output holds the key alone, so that it can be piped.
    context.output.note(&format!("Created {} for {}; the key is shown only once:", field(&created, "id"), field(&created, "owner")));
    print_line(&field(&created, "key"))
}

async fn rm(context: &Context, args: KeyRmArgs) -> anyhow::Result<()> {
    let accounts = Accounts::open(context, args.offline).await?;
    for id in args.ids {
        accounts.delete_key(id).await?;
        context.output.confirm(&format!("Revoked {id}"), &json!({ "id": id }))?;
    }
    Ok(())
}

fn scopes(key: &Value) -> String {
    key["scopes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(",")
}
