//! `openrunner user`

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::budget::LimitArgs;
use super::quota::QuotaArgs;
use super::show::print_fields;
use crate::cli::accounts::Accounts;
use crate::cli::args::OfflineArgs;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::format::field;
use crate::cli::output::print_json;
use crate::cli::{password, table};
use crate::config::Secret;
use crate::types::{BudgetChange, Quota, UserName, UserRole};

/// Commands on users. They work on the chosen server, or on a data directory with `--data-dir`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum UserCommand {
    /// List users
    #[command(alias = "list")]
    Ls(UserLsArgs),
    /// Show a user
    Show(UserNameArgs),
    /// Create a user; the password is prompted for, or read from standard input
    #[command(alias = "add")]
    Create(UserCreateArgs),
    /// Change the role or the password of a user
    Set(UserSetArgs),
    /// Delete users with their tokens and keys; their runs stay, for admins
    #[command(alias = "remove")]
    Rm(UserRmArgs),
    /// Show or set the budget of a user
    Budget(UserBudgetArgs),
    /// Show or set the quotas of a user
    Quota(UserQuotaArgs),
}

/// Arguments of `user ls`.
#[derive(Debug, Args)]
pub(in crate::cli) struct UserLsArgs {
    #[command(flatten)]
    offline: OfflineArgs,
}

/// Arguments of commands on one user.
#[derive(Debug, Args)]
pub(in crate::cli) struct UserNameArgs {
    /// User name
    name: UserName,
    #[command(flatten)]
    offline: OfflineArgs,
}

/// Arguments of `user create`.
#[derive(Debug, Args)]
pub(in crate::cli) struct UserCreateArgs {
    /// User name
    name: UserName,
    /// Role: user or admin
    #[arg(long, value_name = "ROLE", default_value = "user", value_parser = role)]
    role: UserRole,
    #[command(flatten)]
    offline: OfflineArgs,
}

/// Arguments of `user set`.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("change").required(true).multiple(true).args(["role", "password"])))]
pub(in crate::cli) struct UserSetArgs {
    /// User name
    name: UserName,
    /// New role: user or admin
    #[arg(long, value_name = "ROLE", value_parser = role)]
    role: Option<UserRole>,
    /// Prompt for a new password, or read it from standard input; revokes all tokens of the user
    #[arg(long)]
    password: bool,
    #[command(flatten)]
    offline: OfflineArgs,
}

/// Arguments of `user rm`.
#[derive(Debug, Args)]
pub(in crate::cli) struct UserRmArgs {
    /// User names
    #[arg(value_name = "NAME", required = true)]
    names: Vec<UserName>,
    #[command(flatten)]
    offline: OfflineArgs,
}

/// Arguments of `user budget`.
#[derive(Debug, Args)]
pub(in crate::cli) struct UserBudgetArgs {
    /// User name
    name: UserName,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    offline: OfflineArgs,
}

/// Arguments of `user quota`.
#[derive(Debug, Args)]
pub(in crate::cli) struct UserQuotaArgs {
    /// User name
    name: UserName,
    #[command(flatten)]
    quotas: QuotaArgs,
    #[command(flatten)]
    offline: OfflineArgs,
}

fn role(text: &str) -> Result<UserRole, String> {
    UserRole::from_name(text).ok_or_else(|| "expected user or admin".to_owned())
}

/// Manages users.
pub(in crate::cli) async fn user(context: &Context, command: UserCommand) -> anyhow::Result<Exit> {
    match command {
        UserCommand::Ls(args) => ls(context, args).await?,
        UserCommand::Show(args) => show(context, args).await?,
        UserCommand::Create(args) => create(context, args).await?,
        UserCommand::Set(args) => set(context, args).await?,
        UserCommand::Rm(args) => rm(context, args).await?,
        UserCommand::Budget(UserBudgetArgs { name, limits, offline }) => match limits.change() {
            Some(change) => super::budget::set(context, Some(name), change, offline).await?,
            None => super::budget::show(context, Some(name), offline).await?,
        },
        UserCommand::Quota(UserQuotaArgs { name, quotas, offline }) => match quotas.change() {
            Some(change) => super::quota::set(context, &name, change, offline).await?,
            None if offline.data_dir.is_some() => {
                return Err(CliError::usage("--data-dir: a data directory does not show what users keep").hint("ask the server").into());
            }
            None => super::quota::show(context, Some(name)).await?,
        },
    }
    Ok(Exit::Success)
}

async fn ls(context: &Context, args: UserLsArgs) -> anyhow::Result<()> {
    let users = Accounts::open(context, args.offline).await?.users().await?;
    if context.output.json {
        return print_json(&json!({ "items": users, "next_cursor": null }));
    }
    let rows: Vec<_> =
        users.iter().map(|user| [field(user, "username"), field(user, "role"), login(user), budget(user), own_quotas(user)]).collect();
    table::print(context.output, ["user", "role", "login", "budget", "quotas"], &rows)
}

async fn show(context: &Context, args: UserNameArgs) -> anyhow::Result<()> {
    let user = Accounts::open(context, args.offline).await?.user(&args.name).await?;
    if context.output.json {
        return print_json(&user);
    }
    let mut fields = vec![
        ("user", field(&user, "username")),
        ("role", field(&user, "role")),
        ("login", login(&user)),
        ("budget", budget(&user)),
        ("quotas", own_quotas(&user)),
    ];
    fields.retain(|(_label, value)| !value.is_empty());
    print_fields(&fields)
}

async fn create(context: &Context, args: UserCreateArgs) -> anyhow::Result<()> {
    let accounts = Accounts::open(context, args.offline).await?;
    let password = password::new(args.name.as_str())?;
    let user = accounts.create_user(&args.name, args.role, password.expose()).await?;
    context.output.confirm(&format!("Created user {} (role: {})", args.name, args.role.as_str()), &user)
}

async fn set(context: &Context, args: UserSetArgs) -> anyhow::Result<()> {
    let accounts = Accounts::open(context, args.offline).await?;
    let password = if args.password { Some(password::new(args.name.as_str())?) } else { None };
    let user = accounts.change_user(&args.name, args.role, password.as_ref().map(Secret::expose), BudgetChange::default()).await?;
    let changes =
        [args.role.map(|role| format!("role is {}", role.as_str())), password.map(|_| "password changed, tokens revoked".to_owned())];
    let changes = changes.into_iter().flatten().collect::<Vec<_>>().join("; ");
    context.output.confirm(&format!("Changed user {}: {changes}", args.name), &user)
}

async fn rm(context: &Context, args: UserRmArgs) -> anyhow::Result<()> {
    let accounts = Accounts::open(context, args.offline).await?;
    for name in &args.names {
        accounts.delete_user(name).await?;
        context.output.confirm(&format!("Deleted user {name}"), &json!({ "username": name }))?;
    }
    Ok(())
}

fn login(user: &Value) -> String {
    if user["default_password"] == true { "default password, this machine only".to_owned() } else { String::new() }
}

/// The user's own budget. Empty if the server's defaults apply.
fn budget(user: &Value) -> String {
    let limit = |name: &str, unit: &str| match &user["budget"][name] {
        Value::Null => None,
        Value::String(unlimited) => Some(format!("{unlimited} {unit}")),
        amount => Some(format!("{amount} {unit}")),
    };
    let limits = [
        limit("tokens_per_day", "tokens"),
        limit("cost_per_day_usd", "USD"),
        limit("tokens_per_run", "tokens per run"),
        limit("cost_per_run_usd", "USD per run"),
        limit("turns_per_run", "model calls per run"),
    ];
    limits.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// The user's own quotas. Empty if the server's defaults apply.
fn own_quotas(user: &Value) -> String {
    let quotas = Quota::ALL.into_iter().filter_map(|quota| {
        let amount = match &user["quotas"][quota.as_str()] {
            Value::Null => return None,
            Value::String(unlimited) => unlimited.clone(),
            amount => super::quota::amount(quota, amount),
        };
        Some(format!("{} {amount}", super::quota::short_name(quota)))
    });
    quotas.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_budgets_are_shown() {
        let user = json!({ "budget": { "tokens_per_day": 5, "cost_per_day_usd": "unlimited", "turns_per_run": 9 } });
        assert_eq!(budget(&user), "5 tokens, unlimited USD, 9 model calls per run");
        assert_eq!(budget(&json!({})), "");
    }

    #[test]
    fn own_quotas_are_shown() {
        let user = json!({ "quotas": { "stored_bytes": 5 * 1024 * 1024, "runs": "unlimited", "keys": 9 } });
        assert_eq!(own_quotas(&user), "stored 5 MiB, runs unlimited, keys 9");
        assert_eq!(own_quotas(&json!({})), "");
    }
}
