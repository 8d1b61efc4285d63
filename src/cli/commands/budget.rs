//! `openrunner budget`

use clap::{Args, Subcommand};
use serde_json::Value;

use super::show::print_fields;
use crate::cli::accounts::Accounts;
use crate::cli::args::OfflineArgs;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::format::field;
use crate::cli::output::print_json;
use crate::types::{Amount, BudgetChange, Limit, LimitChange, Money, Tokens, UserName};

/// Commands on budgets: per day (UTC), and per run.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum BudgetCommand {
    /// Show the budget and today's usage
    Show(BudgetShowArgs),
    /// Set the budget of a user (admin)
    Set(BudgetSetArgs),
}

/// Arguments of `budget show`.
#[derive(Debug, Args)]
pub(in crate::cli) struct BudgetShowArgs {
    /// User (default: you)
    #[arg(value_name = "USER")]
    name: Option<UserName>,
    #[command(flatten)]
    offline: OfflineArgs,
}

/// Arguments of `budget set`.
#[derive(Debug, Args)]
pub(in crate::cli) struct BudgetSetArgs {
    /// User (default: you)
    #[arg(value_name = "USER")]
    name: Option<UserName>,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    offline: OfflineArgs,
}

/// The limits of a budget.
#[derive(Clone, Copy, Debug, Args)]
pub(in crate::cli) struct LimitArgs {
    /// Tokens per day: a number, `unlimited`, or `default` for the server's setting
    #[arg(long, value_name = "N", value_parser = limit::<Tokens>, allow_negative_numbers = true)]
    tokens_per_day: Option<LimitChange<Tokens>>,
    /// US dollars per day: an amount, `unlimited`, or `default`
    #[arg(long, value_name = "USD", value_parser = limit::<Money>, allow_negative_numbers = true)]
    cost_per_day_usd: Option<LimitChange<Money>>,
    /// Tokens per run: a number, `unlimited`, or `default`; runs may ask for less
    #[arg(long, value_name = "N", value_parser = limit::<Tokens>, allow_negative_numbers = true)]
    tokens_per_run: Option<LimitChange<Tokens>>,
    /// US dollars per run: an amount, `unlimited`, or `default`
    #[arg(long, value_name = "USD", value_parser = limit::<Money>, allow_negative_numbers = true)]
    cost_per_run_usd: Option<LimitChange<Money>>,
    /// Model calls per run: a number, `unlimited`, or `default`
    #[arg(long, value_name = "N", value_parser = limit::<Amount>, allow_negative_numbers = true)]
    turns_per_run: Option<LimitChange<Amount>>,
}

impl LimitArgs {
    /// The change of the budget. None if no limit is given.
    pub(super) fn change(self) -> Option<BudgetChange> {
        let change = BudgetChange {
            tokens_per_day: self.tokens_per_day.unwrap_or_default(),
            cost_per_day: self.cost_per_day_usd.unwrap_or_default(),
            tokens_per_run: self.tokens_per_run.unwrap_or_default(),
            cost_per_run: self.cost_per_run_usd.unwrap_or_default(),
            turns_per_run: self.turns_per_run.unwrap_or_default(),
        };
        change.is_some().then_some(change)
    }
}

pub(super) fn limit<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<LimitChange<T>, String> {
    match text {
        "default" => Ok(LimitChange::Reset),
        "unlimited" => Ok(LimitChange::Set(Limit::NONE)),
        number => {
            let amount = number.parse().map_err(|error: T::Err| format!("{error}, `unlimited` or `default`"))?;
            Ok(LimitChange::Set(Limit::At(amount)))
        }
    }
}

/// Shows or sets budgets.
pub(in crate::cli) async fn budget(context: &Context, command: BudgetCommand) -> anyhow::Result<Exit> {
    match command {
        BudgetCommand::Show(BudgetShowArgs { name, offline }) => show(context, name, offline).await?,
        BudgetCommand::Set(BudgetSetArgs { name, limits, offline }) => {
            let change = limits
                .change()
                .ok_or_else(|| CliError::usage("nothing to change").hint("give a limit, such as --tokens-per-day or --cost-per-run-usd"))?;
            set(context, name, change, offline).await?;
        }
    }
    Ok(Exit::Success)
}

/// Shows a budget. In a data directory only the configured limits are known, not today's usage.
pub(super) async fn show(context: &Context, name: Option<UserName>, offline: OfflineArgs) -> anyhow::Result<()> {
    let budget = match Accounts::open(context, offline).await? {
        Accounts::Server(client) => client.get_with("/api/usage/budget", &[("owner", name.map(|name| name.to_string()))]).await?,
        local @ Accounts::Local(_) => {
            let name = name.map_or_else(|| "admin".parse(), Ok)?;
            let user = local.user(&name).await?;
            if context.output.json {
                return print_json(&user["budget"]);
            }
            let limit = |name: &str| if user["budget"][name].is_null() { "default".to_owned() } else { field(&user["budget"], name) };
            return print_fields(&[
                ("user", name.to_string()),
                ("tokens", limit("tokens_per_day")),
                ("USD", limit("cost_per_day_usd")),
                ("tokens per run", limit("tokens_per_run")),
                ("USD per run", limit("cost_per_run_usd")),
                ("model calls per run", limit("turns_per_run")),
            ]);
        }
    };
    if context.output.json {
        return print_json(&budget);
    }
    let usage = |name: &str| {
        let part = &budget[name];
        let allowed = if part["allowed"].is_null() { "unlimited".to_owned() } else { field(part, "allowed") };
        format!("{} of {allowed}", field(part, "used"))
    };
    let per_run = |name: &str| {
        let limit = &budget["per_run"][name];
        if limit.is_null() { "unlimited".to_owned() } else { limit.to_string() }
    };
    print_fields(&[
        ("user", owner(&budget)),
        ("day", field(&budget, "day")),
        ("tokens", usage("tokens")),
        ("USD", usage("cost_usd")),
        ("resets", field(&budget, "resets_at")),
        ("tokens per run", per_run("tokens")),
        ("USD per run", per_run("cost_usd")),
        ("model calls per run", per_run("turns")),
    ])
}

fn owner(budget: &Value) -> String {
    field(budget, "owner")
}

/// Sets limits of a budget.
pub(super) async fn set(context: &Context, name: Option<UserName>, change: BudgetChange, offline: OfflineArgs) -> anyhow::Result<()> {
    let accounts = Accounts::open(context, offline).await?;
    let name = match (name, &accounts) {
        (Some(name), _) => name,
        (None, Accounts::Local(_)) => "admin".parse()?,
        (None, Accounts::Server(client)) => field(&client.get("/api/auth/me").await?, "username").parse()?,
    };
    let user = accounts.change_user(&name, None, None, change).await?;
    context.output.confirm(&format!("Set the budget of {name}: {change}"), &user)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_number_unlimited_or_default() {
        assert_eq!(limit::<Tokens>("5").unwrap(), LimitChange::Set(Limit::At(Tokens::new(5))));
        assert_eq!(limit::<Tokens>("unlimited").unwrap(), LimitChange::Set(Limit::NONE));
        assert_eq!(limit::<Tokens>("default").unwrap(), LimitChange::Reset);
        assert!(limit::<Tokens>("many").is_err() && limit::<Tokens>("").is_err());
    }
}
