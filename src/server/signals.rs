//! What the system asks of the server.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Exit code of a server that was told twice to stop: what a shell gives for one that died of an interrupt.
const TOLD_TWICE: i32 = 130;

/// A token that is cancelled at the first TERM or INT. The second one ends the process at once, and the system then kills its agents.
///
/// # Errors
/// If the system does not let us listen for signals.
pub fn stop_on_signal() -> std::io::Result<CancellationToken> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let told = stop.clone();
    let listener = async move {
        for _ in 0..2 {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if told.is_cancelled() {
                tracing::warn!("told again to stop: leaving at once");
                std::process::exit(TOLD_TWICE);
            }
            told.cancel();
        }
    };
    #[expect(clippy::disallowed_methods, reason = "it outlives everything that shutdown waits for, and must")]
    tokio::spawn(listener);
    Ok(stop)
}
