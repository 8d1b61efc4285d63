//! `openrunner audit ls`

use clap::Args;
use serde_json::Value;

use crate::cli::args::{PageArgs, since};
use crate::cli::client::resolve_run;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::format::field;
use crate::cli::output::print_json;
use crate::cli::table;
use crate::types::{AuditAction, Timestamp, UserName};

/// Arguments of `audit ls`.
#[derive(Debug, Args)]
pub(in crate::cli) struct AuditLsArgs {
    /// Filter by the user who acted
    #[arg(long, short, value_name = "USER", alias = "user")]
    username: Option<UserName>,
    /// Filter by action, such as `login` or `run.create`
    #[arg(long, value_name = "ACTION", value_parser = action)]
    action: Option<AuditAction>,
    /// Filter by run: an id, the start of one, or `last`
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// Filter by time: within a duration such as 1h or 7d, or since a day or time
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Timestamp>,
    #[command(flatten)]
    page: PageArgs,
}

fn action(text: &str) -> Result<AuditAction, String> {
    let known = || AuditAction::ALL.map(AuditAction::as_str).join(", ");
    AuditAction::from_name(text).ok_or_else(|| format!("expected one of {}", known()))
}

/// Lists the audit log.
pub(in crate::cli) async fn ls(context: &Context, args: AuditLsArgs) -> anyhow::Result<Exit> {
    let client = context.connect().await?;
    let run = match &args.run {
        Some(name) => Some(resolve_run(&client, name).await?),
        None => None,
    };
    let query = [
        ("username", args.username.map(|username| username.to_string())),
        ("action", args.action.map(|action| action.as_str().to_owned())),
        ("run_id", run),
        ("since", args.since.map(|time| time.to_string())),
        ("limit", Some(args.page.page_size().to_string())),
    ];
    let entries = client.list("/api/audit", &query, args.page.all).await?;
    if context.output.json {
        return print_json(&entries.to_json()).map(|()| Exit::Success);
    }
    let rows: Vec<_> = entries.items.iter().map(row).collect();
    table::print(context.output, ["time", "user", "action", "outcome", "target", "detail", "address"], &rows)?;
    Ok(Exit::Success)
}

fn row(entry: &Value) -> [String; 7] {
    let target = ["run_id", "target_username", "target_key_id"].map(|name| field(entry, name)).concat();
    let cells = ["created_at", "username", "action", "outcome"].map(|name| field(entry, name));
    let [time, username, action, outcome] = cells;
    [time, username, action, outcome, target, field(entry, "detail"), field(entry, "address")]
}
