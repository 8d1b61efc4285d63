//! `openrunner requests ls`

use clap::Args;
use serde_json::{Value, json};

use crate::cli::args::MAX_PAGE;
use crate::cli::client::{Client, resolve_run};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::format::{field, items};
use crate::cli::output::print_json;
use crate::cli::table;

/// Arguments of `requests ls`.
#[derive(Debug, Args)]
pub(in crate::cli) struct RequestsLsArgs {
    /// Run: an id, the start of one, or `last` (default: all waiting runs)
    #[arg(value_name = "RUN")]
    run: Option<String>,
}

/// Lists the open requests of one run, or of all waiting runs.
pub(in crate::cli) async fn ls(context: &Context, args: RequestsLsArgs) -> anyhow::Result<Exit> {
    let client = context.connect().await?;
    let runs = match &args.run {
        Some(name) => vec![resolve_run(&client, name).await?],
        None => waiting_runs(&client).await?,
    };
    let mut requests = Vec::new();
    for run in runs {
        for mut request in open(&client, &run).await? {
            request["run_id"] = json!(run);
            requests.push(request);
        }
    }
    if context.output.json {
        return print_json(&json!({ "items": requests, "next_cursor": null })).map(|()| Exit::Success);
    }
    let rows: Vec<_> = requests
        .iter()
        .map(|request| {
            [field(request, "id"), field(request, "run_id"), field(request, "type"), summary(request), field(request, "expires_at")]
        })
        .collect();
    table::print(context.output, ["request", "run", "type", "about", "expires"], &rows)?;
    Ok(Exit::Success)
}

/// The open requests of a run, oldest first.
///
/// # Errors
/// As [`Client::get`].
pub(super) async fn open(client: &Client, run: &str) -> anyhow::Result<Vec<Value>> {
    let page = client.get(&format!("/api/runs/{run}/requests")).await?;
    Ok(items(&page).cloned().collect())
}

async fn waiting_runs(client: &Client) -> anyhow::Result<Vec<String>> {
    let query = [("status", Some("waiting".to_owned())), ("limit", Some(MAX_PAGE.to_string()))];
    let runs = client.list("/api/runs", &query, true).await?;
    Ok(runs.items.iter().map(|run| field(run, "run_id")).collect())
}

/// One line about a request: the tool and its command or input, or the questions.
fn summary(request: &Value) -> String {
    if request["type"] == "question" {
        let texts: Vec<&str> =
            request["questions"].as_array().into_iter().flatten().filter_map(|question| question["text"].as_str()).collect();
        return texts.join("; ");
    }
    let input = request["input"]["command"].as_str().map_or_else(|| request["input"].to_string(), str::to_owned);
    format!("{}: {input}", field(request, "tool"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_summarized_in_one_line() {
        let permission = json!({ "type": "permission", "tool": "Bash", "input": { "command": "npm test" } });
        assert_eq!(summary(&permission), "Bash: npm test");
        let question = json!({ "type": "question", "questions": [{ "text": "Which?" }, { "text": "Why?" }] });
        assert_eq!(summary(&question), "Which?; Why?");
    }
}
