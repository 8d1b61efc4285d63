//! `openrunner run wait`

use std::time::Duration;

use clap::Args;
use tokio::time::Instant;

use crate::cli::args::duration;
use crate::cli::client::{RECONNECT_TIMEOUT, resolve_run};
use crate::cli::context::Context;
use crate::cli::exit::{Exit, exit_codes};
use crate::cli::format::words;
use crate::types::RunStatus;

/// Duration of one request, in seconds: below the client's limit for silence.
const POLL_SECS: u64 = 30;

/// Arguments of `run wait`.
#[derive(Debug, Args)]
#[command(after_help = exit_codes!())]
pub(in crate::cli) struct WaitArgs {
    /// Run: an id, the start of one, or `last`
    #[arg(value_name = "RUN")]
    run: String,
    /// Maximum time to wait, such as 90, 90s, 15m or 2h (default: no limit)
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,
}

/// Waits for a run to end. The exit code is that of the run; if the timeout expires first, that of a run that continues.
pub(in crate::cli) async fn wait(context: &Context, args: WaitArgs) -> anyhow::Result<Exit> {
    let client = context.connect().await?;
    let id = resolve_run(&client, &args.run).await?;
    let deadline = args.timeout.map(|timeout| Instant::now() + timeout);
    let mut unreachable_since = None::<Instant>;
    loop {
        let remaining = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let seconds = remaining.map_or(POLL_SECS, |remaining| remaining.as_secs().min(POLL_SECS));
        let run = match client.get(&format!("/api/runs/{id}?wait={seconds}")).await {
            Ok(run) => run,
            Err(error) if error.is_transient() && unreachable_since.is_none_or(|since| since.elapsed() < RECONNECT_TIMEOUT) => {
                unreachable_since.get_or_insert_with(Instant::now);
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        unreachable_since = None;
        let status = run["status"].as_str().and_then(RunStatus::from_name).unwrap_or(RunStatus::Running);
        let is_expired = remaining.is_some_and(|remaining| remaining < Duration::from_secs(1));
        if status.is_ended() || is_expired {
            context.output.confirm(&format!("{id} {}", words(&run, "status")), &run)?;
            return Ok(Exit::from_status(status));
        }
    }
}
