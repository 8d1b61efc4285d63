//! Shutdown requests: SIGTERM, SIGINT, and requests from within the process.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::types::OnShutdown;

/// Exit code after a second stop signal: 128 + SIGINT, as shells report it.
const FORCED_EXIT_CODE: i32 = 130;

/// A shutdown request that states what happens to the runs. Clones share the request; the first request wins.
#[derive(Clone, Debug)]
pub struct Stop {
    request: watch::Sender<Option<OnShutdown>>,
}

impl Default for Stop {
    fn default() -> Self {
        Self { request: watch::Sender::new(None) }
    }
}

impl Stop {
    /// Requests a shutdown. Returns `false`, and changes nothing, if one was requested before.
    pub fn request(&self, how: OnShutdown) -> bool {
        self.request.send_if_modified(|request| {
            let first = request.is_none();
            request.get_or_insert(how);
            first
        })
    }

    /// Waits for a shutdown request. Cancel-safe.
    pub async fn requested(&self) -> OnShutdown {
        let mut request = self.request.subscribe();
        match request.wait_for(Option::is_some).await.map(|how| *how) {
            Ok(Some(how)) => how,
            // Unreachable: `self` holds the sender.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }
}

/// Returns a [`Stop`] that is requested by the first SIGTERM (with `on_terminate`) or SIGINT (always [`OnShutdown::Stop`], because a user
/// who interrupts a server at a terminal expects nothing to keep running). A second signal exits the process immediately; the next server
/// recovers the remaining runs.
///
/// # Errors
/// If the signal handlers cannot be installed.
pub fn stop_on_signal(on_terminate: OnShutdown) -> std::io::Result<Stop> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = Stop::default();
    let request = stop.clone();
    let listener = async move {
        for _ in 0..2 {
            let how = tokio::select! {
                _ = terminate.recv() => on_terminate,
                _ = interrupt.recv() => OnShutdown::Stop,
            };
            if !request.request(how) {
                tracing::warn!("second stop signal; exiting immediately");
                std::process::exit(FORCED_EXIT_CODE);
            }
        }
    };
    #[expect(clippy::disallowed_methods, reason = "it must outlive everything that the shutdown waits for")]
    tokio::spawn(listener);
    Ok(stop)
}
