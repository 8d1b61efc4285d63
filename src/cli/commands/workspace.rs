//! `openrunner session branch`, `session changes` and `session rm-workspace`

use clap::Args;
use serde_json::{Value, json};

use super::changes::{print_list, print_patch};
use crate::cli::client::resolve_session;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::format::field;
use crate::cli::output::print_json;

/// Arguments of `session branch`.
#[derive(Debug, Args)]
pub(in crate::cli) struct BranchArgs {
    /// Conversation: an id, the start of one, or `last`
    #[arg(value_name = "SESSION", default_value = "last")]
    session: String,
    /// Message of the commit
    #[arg(long, value_name = "TEXT")]
    message: String,
    /// Author of the commit, as `NAME <EMAIL>` (default: you)
    #[arg(long, value_name = "AUTHOR")]
    author: Option<String>,
    /// Push the branch of a clone to its repository
    #[arg(long)]
    push: bool,
}

/// Arguments of `session changes`.
#[derive(Debug, Args)]
pub(in crate::cli) struct SessionChangesArgs {
    /// Conversation: an id, the start of one, or `last`
    #[arg(value_name = "SESSION", default_value = "last")]
    session: String,
    /// Print added and removed lines per file
    #[arg(long, conflicts_with = "patch")]
    stat: bool,
    /// Print a patch that `git apply` takes
    #[arg(long, conflicts_with = "json")]
    patch: bool,
}

/// Arguments of `session rm-workspace`.
#[derive(Debug, Args)]
pub(in crate::cli) struct RmWorkspaceArgs {
    /// Conversation: an id, the start of one, or `last`
    #[arg(value_name = "SESSION")]
    session: String,
    /// Also remove work that is not committed
    #[arg(long)]
    force: bool,
}

/// Commits the work in the worktree of a conversation on its branch.
pub(in crate::cli) async fn branch(context: &Context, args: BranchArgs) -> anyhow::Result<Exit> {
    let author = args.author.as_deref().map(author).transpose()?;
    let client = context.connect().await?;
    let id = resolve_session(&client, &args.session).await?;
    let body = json!({ "message": args.message, "author": author, "push": args.push });
    let branch = client.post(&format!("/api/sessions/{id}/branch"), Some(&body)).await?;
    let what = match (&branch["committed"], &branch["pushed"]) {
        (Value::Bool(true), Value::Bool(true)) => "Committed and pushed",
        (_, Value::Bool(true)) => "Pushed",
        (Value::Bool(true), _) => "Committed on",
        _ => "Nothing to commit on",
    };
    let commit: String = field(&branch, "commit").chars().take(12).collect();
    context.output.confirm(&format!("{what} {} ({commit})", field(&branch, "branch")), &branch)?;
    let skipped = branch["skipped_total"].as_u64().unwrap_or(0);
    if skipped > 0 {
        context.output.note(&format!("{skipped} large or unreadable new files and directories are not part of the commit"));
    }
    Ok(Exit::Success)
}

/// Prints what a conversation has changed in its working directory.
pub(in crate::cli) async fn changes(context: &Context, args: SessionChangesArgs) -> anyhow::Result<Exit> {
    let client = context.connect().await?;
    let id = resolve_session(&client, &args.session).await?;
    let path = format!("/api/sessions/{id}/changes");
    if args.patch {
        print_patch(&client.bytes(&format!("{path}.patch"), &[]).await?)?;
        return Ok(Exit::Success);
    }
    print_list(context, &client, &path, None, args.stat).await
}

/// Removes the workspace of a conversation.
pub(in crate::cli) async fn remove(context: &Context, args: RmWorkspaceArgs) -> anyhow::Result<Exit> {
    let client = context.connect().await?;
    let id = resolve_session(&client, &args.session).await?;
    let removed = client.delete(&format!("/api/sessions/{id}/workspace?force={}", args.force)).await?;
    if context.output.json {
        return print_json(&removed).map(|()| Exit::Success);
    }
    context.output.confirm(&format!("Removed the workspace of {id}"), &removed)?;
    Ok(Exit::Success)
}

fn author(text: &str) -> anyhow::Result<serde_json::Value> {
    let parts = text.strip_suffix('>').and_then(|text| text.split_once('<')).map(|(name, email)| (name.trim(), email.trim()));
    match parts {
        Some((name, email)) if !name.is_empty() && !email.is_empty() => Ok(json!({ "name": name, "email": email })),
        _ => Err(CliError::usage("--author: expected a name and an address, such as \"Ann <ann@example.com>\"").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_author_is_a_name_and_an_address() {
        assert_eq!(author("Ann B <ann@example.com>").unwrap(), json!({ "name": "Ann B", "email": "ann@example.com" }));
        for wrong in ["", "Ann", "<ann@example.com>", "Ann <>", "Ann <a"] {
            assert!(author(wrong).is_err(), "{wrong}");
        }
    }
}
