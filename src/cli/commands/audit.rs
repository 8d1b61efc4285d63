//! `openrunner audit ls`

use clap::Args;
use serde_json::{Value, json};

use crate::cli::args::{PageArgs, since};
use crate::cli::client::resolve_run;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::format::{field, items};
use crate::cli::output::print_json;
use crate::cli::table;
use crate::types::{Timestamp, UserName};

/// Arguments of `audit ls`.
#[derive(Debug, Args)]
pub(in crate::cli) struct AuditLsArgs {
    /// Filter by the user who acted
    #[arg(long, short, value_name = "USER", alias = "user")]
    username: Option<UserName>,
    /// Filter by action, such as `login` or `run.create`
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Filter by run: an id, the start of one, or `last`
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// Filter by time: within a duration such as 1h or 7d, or since a day or time
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Timestamp>,
    #[command(flatten)]
    page: PageArgs,
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
        ("action", args.action),
        ("run_id", run),
        ("since", args.since.map(|time| time.to_string())),
        ("limit", Some(args.page.page_size().to_string())),
    ];
    let (mut entries, mut next_cursor) = (Vec::<Value>::new(), Value::Null);
    client
        .pages("/api/audit", &query, |page| {
            entries.extend(items(&page).cloned());
            next_cursor = page["next_cursor"].clone();
            Ok(args.page.all)
        })
        .await?;
    if context.output.json {
        return print_json(&json!({ "items": entries, "next_cursor": next_cursor })).map(|()| Exit::Success);
    }
    let rows: Vec<_> = entries.iter().map(row).collect();
    table::print(context.output, ["time", "user", "action", "outcome", "target", "detail", "address"], &rows)?;
    Ok(Exit::Success)
}

fn row(entry: &Value) -> [String; 7] {
    let target = ["run_id", "target_username", "target_key_id"].map(|name| field(entry, name)).concat();
    let cells = ["created_at", "username", "action", "outcome"].map(|name| field(entry, name));
    let [time, username, action, outcome] = cells;
    [time, username, action, outcome, target, field(entry, "detail"), field(entry, "address")]
}
