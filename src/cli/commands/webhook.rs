//! `openrunner webhook deliveries`

use clap::Args;

use crate::cli::args::PageArgs;
use crate::cli::client::resolve_run;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::format::field;
use crate::cli::output::print_json;
use crate::cli::table;
use crate::types::UserName;

/// Arguments of `webhook deliveries`.
#[derive(Debug, Args)]
pub(in crate::cli) struct DeliveriesArgs {
    /// Filter by run: an id, the start of one, or `last`
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// Filter by status
    #[arg(long, value_name = "STATUS", value_parser = ["pending", "delivered", "failed"])]
    status: Option<String>,
    /// Filter by owner of the run (admin)
    #[arg(long, value_name = "USER")]
    owner: Option<UserName>,
    #[command(flatten)]
    page: PageArgs,
}

/// Lists webhook deliveries.
pub(in crate::cli) async fn deliveries(context: &Context, args: DeliveriesArgs) -> anyhow::Result<Exit> {
    let client = context.connect().await?;
    let run = match &args.run {
        Some(name) => Some(resolve_run(&client, name).await?),
        None => None,
    };
    let query = [
        ("run_id", run),
        ("status", args.status),
        ("owner", args.owner.map(|owner| owner.to_string())),
        ("limit", Some(args.page.page_size().to_string())),
    ];
    let deliveries = client.list("/api/webhooks/deliveries", &query, args.page.all).await?;
    if context.output.json {
        return print_json(&deliveries.to_json()).map(|()| Exit::Success);
    }
    let rows: Vec<_> = deliveries
        .items
        .iter()
        .map(|delivery| ["run_id", "seq", "event", "host", "status", "attempts", "http_status", "error"].map(|name| field(delivery, name)))
        .collect();
    table::print(context.output, ["run", "event", "type", "host", "status", "attempts", "http", "error"], &rows)?;
    Ok(Exit::Success)
}
