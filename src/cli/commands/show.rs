//! `openrunner run show`

use std::io::Write;

use anstyle::Style;
use clap::Args;
use serde_json::Value;

use crate::cli::client::resolve_run;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::format::{age, duration, field, usage, words};
use crate::cli::output::print_json;
use crate::cli::sanitize;

/// Arguments of `run show`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ShowArgs {
    /// Run: an id, the start of one, or `last`
    #[arg(value_name = "RUN")]
    run: String,
}

/// Shows a run.
pub(in crate::cli) async fn show(context: &Context, args: ShowArgs) -> anyhow::Result<Exit> {
    let client = context.connect().await?;
    let id = resolve_run(&client, &args.run).await?;
    let run = client.get(&format!("/api/runs/{id}")).await?;
    if context.output.json {
        return print_json(&run).map(|()| Exit::Success);
    }
    print_fields(&fields(&run))?;
    if run["status"] == "waiting" {
        let server = context.server_flag();
        context.output.note(&format!("the agent is waiting for an answer: `openrunner requests ls{server} {id}`"));
    }
    Ok(Exit::Success)
}

/// Prints labels and values; further lines of a value are indented.
///
/// # Errors
/// If standard output cannot be written.
pub(super) fn print_fields(fields: &[(&'static str, String)]) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    let bold = Style::new().bold();
    for (label, value) in fields {
        let value = sanitize::text(value.trim_end()).replace('\n', &format!("\n{:14}", ""));
        writeln!(out, "{bold}{label:>12}{bold:#}  {value}")?;
    }
    Ok(())
}

/// The fields of a run that have a value.
fn fields(run: &Value) -> Vec<(&'static str, String)> {
    let usage = serde_json::from_value(run["usage"].clone()).ok().map(|totals| usage(&totals));
    let labels = run["labels"].as_object().into_iter().flatten();
    let labels: Vec<String> = labels.map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default())).collect();
    let cause = if run["cause"] == "ok" { String::new() } else { words(run, "cause") };
    let mut fields = vec![
        ("run", field(run, "run_id")),
        ("status", words(run, "status")),
        ("cause", cause),
        ("message", field(run, "message")),
        ("agent", field(run, "agent_type")),
        ("model", field(run, "model")),
        ("owner", field(run, "owner")),
        ("session", field(run, "session_id")),
        ("directory", field(run, "working_dir")),
        ("profile", field(run, "profile")),
        ("permissions", field(run, "permission_mode")),
        ("isolation", field(run, "isolation")),
        ("project configuration", field(run, "project_config")),
        ("labels", labels.join(", ")),
        ("created", format!("{} ({} ago)", field(run, "created_at"), age(run))),
        ("duration", run["duration_ms"].as_u64().map(duration).unwrap_or_default()),
        ("events", field(run, "last_seq")),
        ("usage", usage.unwrap_or_default()),
        ("prompt", field(run, "prompt")),
        ("result", field(run, "result")),
    ];
    fields.retain(|(_label, value)| !value.is_empty());
    fields
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_without_a_value_are_omitted() {
        let fields = fields(&json!({ "run_id": "run_1", "prompt": "a\nb", "status": "timed_out", "cause": "ok" }));
        assert!(fields.contains(&("prompt", "a\nb".to_owned())) && fields.contains(&("status", "timed out".to_owned())));
        assert!(!fields.iter().any(|(label, _)| *label == "cause" || *label == "model"));
    }
}
