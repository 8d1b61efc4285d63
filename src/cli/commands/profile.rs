//! `openrunner profile`

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::show::print_fields;
use crate::cli::args::{duration, isolation_level, permission_mode};
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::format::{field, items};
use crate::cli::output::print_json;
use crate::cli::{table, terminal};
use crate::types::{IsolationLevel, PermissionMode, ProfileName};

/// Commands on profiles.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ProfileCommand {
    /// List the profiles that you may use
    #[command(alias = "list")]
    Ls,
    /// Show a profile
    Show(ProfileShowArgs),
    /// Create or replace a profile (admin)
    Set(ProfileSetArgs),
    /// Delete profiles (admin)
    Rm(ProfileRmArgs),
}

/// Arguments of `profile show`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ProfileShowArgs {
    /// Name of the profile
    #[arg(value_name = "NAME")]
    name: ProfileName,
}

/// Arguments of `profile set`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ProfileSetArgs {
    /// Name of the profile
    #[arg(value_name = "NAME")]
    name: ProfileName,
    /// Read the profile from a file with a JSON object; `-` reads standard input. The other options take precedence
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Description
    #[arg(long)]
    description: Option<String>,
    /// Agent
    #[arg(long, short, value_name = "NAME", alias = "agent")]
    agent_type: Option<String>,
    /// Model, by its name in the agent
    #[arg(long, short, value_name = "MODEL")]
    model: Option<String>,
    /// How permissions are decided; a run may choose a stricter mode
    #[arg(long, short, value_name = "MODE", value_parser = permission_mode)]
    permission_mode: Option<PermissionMode>,
    /// Isolation of the agent; a run may choose a higher level
    #[arg(long, value_name = "LEVEL", value_parser = isolation_level)]
    isolation: Option<IsolationLevel>,
    /// Time limit, such as 90, 90s, 15m or 2h; a run may choose a lower one
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,
    /// User who may use the profile; may be repeated [default: all users]
    #[arg(long = "user", value_name = "USER")]
    users: Vec<String>,
}

/// Arguments of `profile rm`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ProfileRmArgs {
    /// Names of profiles
    #[arg(value_name = "NAME", required = true)]
    names: Vec<ProfileName>,
}

/// Manages profiles.
pub(in crate::cli) async fn profile(context: &Context, command: ProfileCommand) -> anyhow::Result<Exit> {
    match command {
        ProfileCommand::Ls => ls(context).await?,
        ProfileCommand::Show(args) => show(context, &args).await?,
        ProfileCommand::Set(args) => set(context, args).await?,
        ProfileCommand::Rm(args) => rm(context, args).await?,
    }
    Ok(Exit::Success)
}

async fn ls(context: &Context) -> anyhow::Result<()> {
    let list = context.connect().await?.get("/api/profiles").await?;
    if context.output.json {
        return print_json(&list);
    }
    let columns = ["name", "source", "agent_type", "model", "permission_mode", "description"];
    let rows: Vec<_> = items(&list).map(|profile| columns.map(|name| field(profile, name))).collect();
    table::print(context.output, ["profile", "source", "agent", "model", "permissions", "description"], &rows)
}

async fn show(context: &Context, args: &ProfileShowArgs) -> anyhow::Result<()> {
    let profile = context.connect().await?.get(&format!("/api/profiles/{}", args.name)).await?;
    if context.output.json {
        return print_json(&profile);
    }
    let list = |name: &str| {
        let texts = profile[name].as_array().into_iter().flatten();
        texts.map(|text| text.as_str().map_or_else(|| text.to_string(), str::to_owned)).collect::<Vec<_>>().join(", ")
    };
    print_fields(&[
        ("name", field(&profile, "name")),
        ("source", field(&profile, "source")),
        ("description", field(&profile, "description")),
        ("agent", field(&profile, "agent_type")),
        ("model", field(&profile, "model")),
        ("instructions", field(&profile, "instructions")),
        ("permissions", field(&profile, "permission_mode")),
        ("rules", list("permission_rules")),
        ("MCP servers", list("mcp_servers")),
        ("isolation", field(&profile, "isolation")),
        ("timeout", field(&profile, "timeout_secs")),
        ("idle timeout", field(&profile, "idle_timeout_secs")),
        ("max cost", field(&profile, "max_cost_usd")),
        ("max tokens", field(&profile, "max_tokens")),
        ("max turns", field(&profile, "max_turns")),
        ("users", list("users")),
        ("changed", field(&profile, "updated_at")),
    ])
}

async fn set(context: &Context, args: ProfileSetArgs) -> anyhow::Result<()> {
    let mut profile = match &args.file {
        Some(path) => read(path)?,
        None => Map::new(),
    };
    let given = [
        ("description", args.description.map(Value::from)),
        ("agent_type", args.agent_type.map(Value::from)),
        ("model", args.model.map(Value::from)),
        ("permission_mode", args.permission_mode.map(|mode| json!(mode))),
        ("isolation", args.isolation.map(|level| json!(level))),
        ("timeout_secs", args.timeout.map(|timeout| timeout.as_secs().into())),
        ("users", (!args.users.is_empty()).then(|| json!(args.users))),
    ];
    profile.extend(given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    let stored = context.connect().await?.put(&format!("/api/profiles/{}", args.name), &profile.into()).await?;
    context.output.confirm(&format!("Stored profile {}", args.name), &stored)
}

/// The JSON object in a file, or on standard input.
fn read(path: &std::path::Path) -> anyhow::Result<Map<String, Value>> {
    let name = format!("--file {}", path.display());
    let text = if path.as_os_str() == "-" {
        terminal::read_text(std::io::stdin(), &name)?
    } else {
        terminal::read_text(std::fs::File::open(path).with_context(|| format!("cannot read {name}"))?, &name)?
    };
    match serde_json::from_str(&text) {
        Ok(Value::Object(profile)) => Ok(profile),
        Ok(_) => Err(CliError::usage(format!("{name}: expected a JSON object")).into()),
        Err(error) => Err(CliError::usage(format!("{name}: invalid JSON in line {}", error.line())).into()),
    }
}

async fn rm(context: &Context, args: ProfileRmArgs) -> anyhow::Result<()> {
    let client = context.connect().await?;
    for name in args.names {
        client.delete(&format!("/api/profiles/{name}")).await?;
        context.output.confirm(&format!("Deleted profile {name}"), &json!({ "name": name }))?;
    }
    Ok(())
}
