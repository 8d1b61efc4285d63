//! `openrunner show`, `cancel` and `send`.

use std::io::Write;

use anstyle::Style;
use serde_json::{Value, json};

use super::client::{connect, run_named};
use super::commands::{OneRun, SendArgs};
use super::exit::Exit;
use super::lists::{facts, text};
use super::run::{print_json, print_line};
use super::terminal;

/// Carries out `openrunner show`.
pub(super) async fn show(args: OneRun) -> anyhow::Result<Exit> {
    let client = connect(&args.at).await?;
    let id = run_named(&client, &args.run).await?;
    let run = client.get(&format!("/api/runs/{id}")).await?;
    if args.form.json {
        return print_json(&run).map(|()| Exit::Done);
    }
    let mut out = anstream::stdout().lock();
    let bold = Style::new().bold();
    for (name, value) in facts(&run) {
        // Further lines stand under the first.
        let value = value.replace('\n', &format!("\n{:14}", ""));
        writeln!(out, "{bold}{name:>12}{bold:#}  {value}")?;
    }
    if run["status"] == "waiting" {
        writeln!(out, "\nIts agent waits for an answer: `openrunner attach {id}` in a terminal asks you.")?;
    }
    Ok(Exit::Done)
}

/// Carries out `openrunner cancel`.
pub(super) async fn cancel(args: OneRun) -> anyhow::Result<Exit> {
    let client = connect(&args.at).await?;
    let id = run_named(&client, &args.run).await?;
    let run = client.post(&format!("/api/runs/{id}/cancel"), None).await?;
    if args.form.json {
        print_json(&run)?;
    } else {
        print_line(&format!("{id} {}", text(&run, "status").replace('_', " ")))?;
    }
    Ok(Exit::Done)
}

/// Carries out `openrunner send`.
pub(super) async fn send(args: SendArgs) -> anyhow::Result<Exit> {
    let words = terminal::text_or_input(args.text.as_deref(), "the message")?;
    let client = connect(&args.at).await?;
    let id = run_named(&client, &args.run).await?;
    let body: Value = json!({ "text": words, "mode": args.mode() });
    let taken = client.post(&format!("/api/runs/{id}/messages"), Some(&body)).await?;
    if args.form.json {
        print_json(&taken)?;
    } else {
        print_line(&format!("{id} has it"))?;
    }
    Ok(Exit::Done)
}
