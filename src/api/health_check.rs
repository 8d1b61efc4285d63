//! Whether the server is healthy.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

/// Checks the server's health and measures its uptime.
pub struct Health {
    started: Instant,
    can_write: Box<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>,
}

impl Health {
    /// The uptime starts now. `can_write` determines whether the store accepts writes: while it does not, the server is `degraded` and
    /// serves reads, and it becomes healthy again with the next successful write.
    pub fn new(can_write: impl Fn() -> BoxFuture<'static, bool> + Send + Sync + 'static) -> Self {
        Self { started: Instant::now(), can_write: Box::new(can_write) }
    }

    /// Whether runs can be started: the store accepts writes, and file descriptors are available.
    pub(super) async fn is_healthy(&self) -> bool {
        // Opening a file is the only way to determine whether descriptors are available.
        std::fs::File::open("/dev/null").is_ok() && (self.can_write)().await
    }

    pub(super) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }
}
