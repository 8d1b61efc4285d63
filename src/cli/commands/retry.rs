//! `openrunner run retry`

use std::path::Path;
use std::sync::Arc;

use clap::Args;
use serde_json::{Map, Value, json};

use super::run::{start, variables};
use crate::cli::client::{Client, resolve_run};
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::{Exit, exit_codes};
use crate::cli::format::items;

/// Arguments of `run retry`.
#[derive(Debug, Args)]
#[command(after_help = exit_codes!())]
pub(in crate::cli) struct RetryArgs {
    /// Run: an id, the start of one, or `last`
    #[arg(value_name = "RUN")]
    run: String,
    /// Print the id of the new run and exit; the run continues
    #[arg(long, short)]
    detach: bool,
}

/// Fields of a run that are also fields of `metadata`.
const COPIED: [&str; 15] = [
    "profile",
    "agent_type",
    "output_schema",
    "instructions",
    "model",
    "working_dir",
    "permission_mode",
    "permission_rules",
    "isolation",
    "egress",
    "project_config",
    "extra_args",
    "timeout_secs",
    "idle_timeout_secs",
    "labels",
];

/// Starts a new run with the input of another one, and follows it. A run that continued a conversation continues it again.
pub(in crate::cli) async fn retry(context: &Context, args: RetryArgs) -> anyhow::Result<Exit> {
    let client = Arc::new(context.connect().await?);
    let id = resolve_run(&client, &args.run).await?;
    let run = client.get(&format!("/api/runs/{id}")).await?;
    let body = request(&run, continues_session(&client, &run).await?)?;
    start(context, &client, &body, args.detach, false).await
}

/// Whether the run's session has an earlier run.
async fn continues_session(client: &Client, run: &Value) -> anyhow::Result<bool> {
    let (Some(id), Some(session)) = (run["run_id"].as_str(), run["session_id"].as_str()) else { return Ok(false) };
    // Runs are listed by descending id, so the page after this run holds the earlier ones.
    let query = [("session_id", Some(session.to_owned())), ("cursor", Some(id.to_owned())), ("limit", Some("1".to_owned()))];
    let earlier = client.get_with("/api/runs", &query).await?;
    Ok(items(&earlier).next().is_some())
}

/// The request that repeats a run.
fn request(run: &Value, continues_session: bool) -> anyhow::Result<Value> {
    let has = |list: &str, name: Option<&str>| {
        run[list].as_array().is_some_and(|names| names.iter().any(|each| name.is_none_or(|name| each == name)))
    };
    // Servers of the profile are added again with it.
    if has("mcp_servers", None) && (run["profile"].is_null() || has("widened", Some("mcp_servers"))) {
        return Err(CliError::failed("the run has MCP servers, whose settings the server does not reveal")
            .hint("start the run again through the API")
            .into());
    }
    if run["attachments"].as_array().is_some_and(|attachments| !attachments.is_empty()) {
        return Err(CliError::failed("the run has images or files, whose content the server does not return")
            .hint("start the run again with `openrunner run --attach FILE`")
            .into());
    }
    let copied = COPIED.iter().filter(|name| !run[**name].is_null()).map(|name| ((*name).to_owned(), run[*name].clone()));
    let mut metadata: Map<String, Value> = copied.collect();
    if continues_session {
        metadata.insert("session_id".to_owned(), run["session_id"].clone());
        // The session has its own working directory.
        metadata.remove("working_dir");
    }
    // A directory that was created for the run: the new run gets its own.
    if run["working_dir"].as_str().map(Path::new).and_then(Path::file_name).is_some_and(|name| run["run_id"] == *name.to_string_lossy()) {
        metadata.remove("working_dir");
    }
    if !continues_session && let Some(workspace) = run["workspace"].as_object() {
        let requested = ["kind", "repository", "ref"].map(|name| (name.to_owned(), workspace[name].clone()));
        metadata.insert("workspace".to_owned(), Map::from_iter(requested).into());
    }
    let names: Vec<String> = serde_json::from_value(run["env"].clone()).unwrap_or_default();
    if !names.is_empty() {
        metadata.insert("env".to_owned(), variables(&names)?.into());
    }
    Ok(json!({ "input": { "text": run["prompt"] }, "metadata": metadata }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_repeats_prompt_and_metadata() {
        let run = json!({
            "run_id": "run_1", "session_id": "ses_1", "prompt": "fix it", "agent_type": "codex", "model": "gpt-5", "status": "failed",
            "working_dir": "/srv", "timeout_secs": 60, "labels": { "team": "web" }, "extra_args": [],
        });
        let expected = json!({
            "input": { "text": "fix it" },
            "metadata": {
                "agent_type": "codex", "model": "gpt-5", "working_dir": "/srv", "timeout_secs": 60, "labels": { "team": "web" },
                "extra_args": [],
            },
        });
        assert_eq!(request(&run, false).unwrap(), expected);
        let fresh = json!({ "run_id": "run_1", "prompt": "x", "working_dir": "/data/workspaces/run_1" });
        assert_eq!(request(&fresh, false).unwrap()["metadata"], json!({}), "a fresh directory is not reused");
        let worktree = json!({ "kind": "worktree", "repository": "/srv", "ref": "main", "base": "0", "branch": "openrunner/ses_1" });
        let isolated = json!({ "run_id": "run_1", "prompt": "x", "working_dir": "/data/workspaces/run_1", "workspace": worktree });
        let requested = json!({ "workspace": { "kind": "worktree", "repository": "/srv", "ref": "main" } });
        assert_eq!(request(&isolated, false).unwrap()["metadata"], requested);
        let continued = request(&run, true).unwrap();
        assert_eq!((&continued["metadata"]["session_id"], &continued["metadata"]["working_dir"]), (&json!("ses_1"), &Value::Null));
    }

    #[test]
    fn a_run_with_mcp_servers_cannot_be_repeated() {
        assert!(request(&json!({ "prompt": "x", "mcp_servers": ["files"] }), false).is_err());
        let with_profile = json!({ "prompt": "x", "mcp_servers": ["files"], "profile": "review", "widened": [] });
        assert_eq!(request(&with_profile, false).unwrap()["metadata"], json!({ "profile": "review" }));
        let own = json!({ "prompt": "x", "mcp_servers": ["files", "mine"], "profile": "review", "widened": ["mcp_servers"] });
        assert!(request(&own, false).is_err());
    }
}
