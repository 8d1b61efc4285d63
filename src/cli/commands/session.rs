//! `openrunner session`

use clap::Args;
use serde_json::Value;

use super::ls;
use super::show::print_fields;
use crate::cli::args::PageArgs;
use crate::cli::client::resolve_session;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::format::{age, field, ids};
use crate::cli::output::print_json;
use crate::cli::table;

/// Arguments of `session ls`.
#[derive(Debug, Args)]
pub(in crate::cli) struct SessionLsArgs {
    #[command(flatten)]
    page: PageArgs,
}

impl Default for SessionLsArgs {
    fn default() -> Self {
        Self { page: PageArgs { limit: 20, all: false } }
    }
}

/// Arguments of `session show`.
#[derive(Debug, Args)]
pub(in crate::cli) struct SessionShowArgs {
    /// Session: an id, the start of one, or `last`
    #[arg(value_name = "SESSION")]
    session: String,
}

/// Lists sessions.
pub(in crate::cli) async fn ls(context: &Context, args: SessionLsArgs) -> anyhow::Result<Exit> {
    let client = context.connect().await?;
    let sessions = client.list("/api/sessions", &[("limit", Some(args.page.page_size().to_string()))], args.page.all).await?;
    if context.output.json {
        return print_json(&sessions.to_json()).map(|()| Exit::Success);
    }
    let sessions = sessions.items;
    let row = |(session, id): (&Value, String)| {
        [id, field(session, "agent_type"), age(session), field(session, "owner"), field(session, "working_dir"), field(session, "title")]
    };
    let rows: Vec<_> = sessions.iter().zip(ids(&sessions, "session_id")).map(row).collect();
    table::print(context.output, ["session", "agent", "age", "owner", "directory", "title"], &rows)?;
    Ok(Exit::Success)
}

/// Shows a session and its runs.
pub(in crate::cli) async fn show(context: &Context, args: SessionShowArgs) -> anyhow::Result<Exit> {
    let client = context.connect().await?;
    let id = resolve_session(&client, &args.session).await?;
    let session = client.get(&format!("/api/sessions/{id}")).await?;
    if context.output.json {
        return print_json(&session).map(|()| Exit::Success);
    }
    let mut fields = vec![
        ("session", field(&session, "session_id")),
        ("title", field(&session, "title")),
        ("agent", field(&session, "agent_type")),
        ("owner", field(&session, "owner")),
        ("directory", field(&session, "working_dir")),
        ("agent id", field(&session, "agent_session")),
        ("created", format!("{} ({} ago)", field(&session, "created_at"), age(&session))),
    ];
    fields.retain(|(_label, value)| !value.is_empty());
    print_fields(&fields)?;
    let runs: Vec<Value> = session["runs"].as_array().cloned().unwrap_or_default();
    anstream::println!();
    ls::print(context, &runs)?;
    Ok(Exit::Success)
}
