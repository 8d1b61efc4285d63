//! `openrunner run ls`

use clap::Args;
use serde_json::Value;

use crate::cli::args::{PageArgs, label, since};
use crate::cli::client::resolve_session;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::format::{age, count, field, ids, words};
use crate::cli::output::print_json;
use crate::cli::table;
use crate::types::{RunStatus, Timestamp, UserName};

/// Arguments of `run ls`.
#[derive(Debug, Args)]
pub(in crate::cli) struct LsArgs {
    /// Filter by words in the prompt, the answer, a label or the working directory, or by the start of the id
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Filter by status, such as `running` or `completed,failed`
    #[arg(long, value_name = "STATUS", value_delimiter = ',', value_parser = status)]
    status: Vec<String>,
    /// Filter by agent
    #[arg(long, short, value_name = "NAME", alias = "agent")]
    agent_type: Option<String>,
    /// Filter by session: an id, the start of one, or `last`
    #[arg(long, short, value_name = "SESSION")]
    session: Option<String>,
    /// Filter by label
    #[arg(long, short, value_name = "NAME=VALUE", value_parser = label)]
    label: Option<(String, String)>,
    /// Filter by time of creation: within a duration such as 1h or 7d, or since a day or time
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Timestamp>,
    /// Filter by owner (admin)
    #[arg(long, value_name = "USER")]
    owner: Option<UserName>,
    #[command(flatten)]
    page: PageArgs,
}

fn status(text: &str) -> Result<String, String> {
    let known = || RunStatus::ALL.map(RunStatus::as_str).join(", ");
    RunStatus::from_name(text).map(|_| text.to_owned()).ok_or_else(|| format!("expected one of {}", known()))
}

/// Lists runs.
pub(in crate::cli) async fn ls(context: &Context, args: LsArgs) -> anyhow::Result<Exit> {
    if args.search.as_ref().is_some_and(|text| !(1..=200).contains(&text.chars().count())) {
        return Err(CliError::usage("--search: expected 1 to 200 characters").into());
    }
    let client = context.connect().await?;
    let session = match &args.session {
        Some(name) => Some(resolve_session(&client, name).await?),
        None => None,
    };
    let query = [
        ("q", args.search),
        ("status", (!args.status.is_empty()).then(|| args.status.join(","))),
        ("agent_type", args.agent_type),
        ("session_id", session),
        ("label", args.label.map(|(name, value)| format!("{name}={value}"))),
        ("since", args.since.map(|time| time.to_string())),
        ("owner", args.owner.map(|owner| owner.to_string())),
        ("limit", Some(args.page.page_size().to_string())),
    ];
    let runs = client.list("/api/runs", &query, args.page.all).await?;
    if context.output.json {
        return print_json(&runs.to_json()).map(|()| Exit::Success);
    }
    print(context, &runs.items)?;
    if !runs.next_cursor.is_null() {
        context.output.detail(&format!("showing the newest {}; --all lists all", count(runs.items.len() as u64, "run")));
    }
    Ok(Exit::Success)
}

/// Prints a table of runs.
///
/// # Errors
/// If standard output cannot be written.
pub(super) fn print(context: &Context, runs: &[Value]) -> anyhow::Result<()> {
    let rows: Vec<_> = runs
        .iter()
        .zip(ids(runs, "run_id"))
        .map(|(run, id)| [id, words(run, "status"), field(run, "agent_type"), age(run), field(run, "owner"), field(run, "prompt")])
        .collect();
    table::print(context.output, ["run", "status", "agent", "age", "owner", "prompt"], &rows)
}
