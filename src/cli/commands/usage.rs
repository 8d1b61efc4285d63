//! `openrunner usage`

use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::cli::args::MAX_PAGE;
use crate::cli::client::resolve_session;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::format::{field, items};
use crate::cli::output::print_json;
use crate::cli::{table, terminal};
use crate::types::{Day, UserName};

/// Arguments of `usage`.
#[derive(Debug, Args)]
pub(in crate::cli) struct UsageArgs {
    /// Group by
    #[arg(long, value_name = "GROUP", value_enum, default_value = "day")]
    by: GroupBy,
    /// First day, such as 2026-11-22 (UTC)
    #[arg(long, value_name = "DAY")]
    since: Option<Day>,
    /// Last day
    #[arg(long, value_name = "DAY")]
    until: Option<Day>,
    /// Filter by owner (admin)
    #[arg(long, value_name = "USER", alias = "user")]
    owner: Option<UserName>,
    /// Filter by agent
    #[arg(long, short, value_name = "NAME", alias = "agent")]
    agent_type: Option<String>,
    /// Filter by session: an id, the start of one, or `last`
    #[arg(long, short, value_name = "SESSION")]
    session: Option<String>,
    /// Maximum number of groups, from 1 to 200
    #[arg(long, short = 'n', value_name = "N", default_value = "50", value_parser = limit)]
    limit: u16,
    /// Show only what you keep on the server, or the owner, and the quotas
    #[arg(long, conflicts_with_all = ["by", "since", "until", "agent_type", "session", "limit"])]
    quotas: bool,
}

fn limit(text: &str) -> Result<u16, String> {
    text.parse().ok().filter(|limit| (1..=MAX_PAGE).contains(limit)).ok_or_else(|| format!("expected a number from 1 to {MAX_PAGE}"))
}

/// What usage is grouped by.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
enum GroupBy {
    /// Day, in UTC
    Day,
    /// Owner of the run
    Owner,
    /// Agent
    AgentType,
    /// Model
    Model,
    /// Session
    Session,
    /// Run
    Run,
}

impl GroupBy {
    /// Its name in the API.
    fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Owner => "owner",
            Self::AgentType => "agent_type",
            Self::Model => "model",
            Self::Session => "session",
            Self::Run => "run",
        }
    }

    /// The field of an item that holds the group.
    fn field(self) -> &'static str {
        match self {
            Self::Session => "session_id",
            Self::Run => "run_id",
            Self::Day | Self::Owner | Self::AgentType | Self::Model => self.as_str(),
        }
    }

    /// The heading of its column.
    fn heading(self) -> &'static str {
        match self {
            Self::AgentType => "agent",
            other => other.as_str(),
        }
    }
}

/// Shows tokens, cost and quotas.
pub(in crate::cli) async fn usage(context: &Context, args: UsageArgs) -> anyhow::Result<Exit> {
    if args.quotas {
        return super::quota::show(context, args.owner).await.map(|()| Exit::Success);
    }
    let client = context.connect().await?;
    let session = match &args.session {
        Some(name) => Some(resolve_session(&client, name).await?),
        None => None,
    };
    let query = [
        ("group_by", Some(args.by.as_str().to_owned())),
        ("since", args.since.map(|day| day.to_string())),
        ("until", args.until.map(|day| day.to_string())),
        ("owner", args.owner.map(|owner| owner.to_string())),
        ("agent_type", args.agent_type),
        ("session_id", session),
        ("limit", Some(args.limit.to_string())),
    ];
    let page = client.get_with("/api/usage", &query).await?;
    if context.output.json {
        return print_json(&page).map(|()| Exit::Success);
    }
    let mut rows: Vec<_> = items(&page).map(|item| row(field(item, args.by.field()), item)).collect();
    // Programs can add up themselves, and another row would get in their way.
    if terminal::is_stdout() && !context.output.quiet {
        rows.push(row("total".to_owned(), &page["total"]));
    }
    table::print(context.output, [args.by.heading(), "runs", "in", "out", "cache read", "cache write", "cost"], &rows)?;
    if terminal::is_stdout() && !context.output.quiet {
        super::quota::print(context, &page["quotas"])?;
    }
    Ok(Exit::Success)
}

fn row(group: String, totals: &Value) -> [String; 7] {
    let group = if group.is_empty() { "unknown".to_owned() } else { group };
    let cells = ["runs", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"].map(|name| field(totals, name));
    let [runs, input, output, cache_read, cache_write] = cells;
    [group, runs, input, output, cache_read, cache_write, cost(totals)]
}

/// The cost: `about` if it is estimated from list prices, `+` if some runs reported none.
fn cost(totals: &Value) -> String {
    let is_partial = totals["runs_without_cost"].as_u64() > Some(0);
    let Some(cost) = totals["cost_usd"].as_f64() else {
        return if is_partial { "not reported".to_owned() } else { String::new() };
    };
    let about = if totals["cost_is_estimate"] == true { "about " } else { "" };
    format!("{about}${cost:.4}{}", if is_partial { " +" } else { "" })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn estimates_and_partial_costs_are_marked() {
        assert_eq!(cost(&json!({ "cost_usd": 1.5, "cost_is_estimate": false, "runs_without_cost": 0 })), "$1.5000");
        assert_eq!(cost(&json!({ "cost_usd": 1.5, "cost_is_estimate": true, "runs_without_cost": 2 })), "about $1.5000 +");
        assert_eq!(cost(&json!({ "runs_without_cost": 2 })), "not reported");
        assert_eq!(cost(&json!({ "runs_without_cost": 0 })), "");
    }
}
