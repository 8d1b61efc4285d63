//! `openrunner run send`

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::cli::attached;
use crate::cli::client::resolve_run;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::terminal;
use crate::types::MessageMode;

/// Arguments of `run send`.
#[derive(Debug, Args)]
pub(in crate::cli) struct SendArgs {
    /// Run: an id, the start of one, or `last`
    #[arg(value_name = "RUN")]
    run: String,
    /// Message; `-`, or no message if standard input is a pipe, reads it from there
    #[arg(value_name = "TEXT")]
    text: Option<String>,
    /// Image (PNG, JPEG, GIF, WebP) or other file to give to the agent; may be repeated
    #[arg(long, value_name = "FILE")]
    attach: Vec<PathBuf>,
    /// Add the message to the current turn, if the agent supports it, instead of queuing it as the next turn
    #[arg(long, conflicts_with = "interrupt")]
    steer: bool,
    /// Interrupt the current turn first
    #[arg(long)]
    interrupt: bool,
}

/// Sends a message to a live run.
pub(in crate::cli) async fn send(context: &Context, args: SendArgs) -> anyhow::Result<Exit> {
    let text = terminal::argument_or_stdin(args.text.as_deref(), "TEXT")?;
    let (mode, done) = match (args.steer, args.interrupt) {
        (true, _) => (MessageMode::Steer, "sent to the current turn of"),
        (false, true) => (MessageMode::Interrupt, "sent after interrupting"),
        (false, false) => (MessageMode::Queue, "queued for"),
    };
    let attached = attached::read(&args.attach)?;
    let client = context.connect().await?;
    let id = resolve_run(&client, &args.run).await?;
    let mut message = json!({ "text": text, "mode": mode });
    if !attached.is_empty() {
        message["parts"] = attached::parts(&client, attached).await?;
    }
    let accepted = client.post(&format!("/api/runs/{id}/messages"), Some(&message)).await?;
    context.output.confirm(&format!("Message {done} {id}"), &accepted)?;
    Ok(Exit::Success)
}
