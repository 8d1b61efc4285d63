//! `openrunner run logs`

use std::sync::Arc;

use clap::Args;

use crate::cli::args::RangeArgs;
use crate::cli::client::{Follower, RunSummary, Update, resolve_run};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::watch::EventPrinter;
use crate::types::StreamEvent;

/// Arguments of `run logs`.
#[derive(Debug, Args)]
pub(in crate::cli) struct LogsArgs {
    /// Run: an id, the start of one, or `last`
    #[arg(value_name = "RUN")]
    run: String,
    /// Wait for further events until the run ends
    #[arg(long, short)]
    follow: bool,
    #[command(flatten)]
    range: RangeArgs,
}

/// Prints the events of a run so far, or until its end.
pub(in crate::cli) async fn logs(context: &Context, args: LogsArgs) -> anyhow::Result<Exit> {
    let client = Arc::new(context.connect().await?);
    let id = resolve_run(&client, &args.run).await?;
    let run = RunSummary::fetch(&client, &id).await?;
    let after = args.range.after(run.last_seq);
    let last = (!args.follow && !run.status.is_ended()).then_some(run.last_seq);
    if last.is_some_and(|last| after >= last) {
        return Ok(Exit::Success);
    }
    let mut printer = EventPrinter::new(anstream::stdout().lock(), context.output.json);
    let mut follower = Follower::start(client, id, after);
    while let Some(update) = follower.next().await {
        match update {
            Update::Event(received) => {
                printer.print(&received)?;
                let is_done = matches!(received.event, Some(StreamEvent::Done(_)));
                if is_done || last.is_some_and(|last| received.seq.is_some_and(|seq| seq >= last)) {
                    break;
                }
            }
            Update::Ended(_) => break,
            Update::Disconnected(_) | Update::Reconnected => {}
            Update::Failed(error) => return Err(error.into()),
        }
    }
    Ok(Exit::Success)
}
