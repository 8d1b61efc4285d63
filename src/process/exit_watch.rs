//! Waits until the known members of a process set have exited, without scanning for them.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::Identity;

/// Waits for the exit of several processes, one after the other: the wait is over when all have exited, in any order, and costs one
/// descriptor.
#[derive(Debug, Default)]
pub(super) struct ExitWatch {
    /// Processes that may be alive. The last one is being watched.
    remaining: Vec<Identity>,
    /// Becomes readable when the last one exits.
    handle: Option<OwnedFd>,
    /// A process could not be watched: the system has no pidfds, or this process has no descriptors left.
    is_blind: bool,
}

impl ExitWatch {
    /// A watch of these processes.
    pub(super) fn new(processes: &[Identity]) -> Self {
        Self { remaining: processes.to_vec(), handle: None, is_blind: false }
    }

    /// Whether all processes have exited. `false` if that cannot be observed.
    pub(super) fn is_over(&mut self) -> bool {
        loop {
            if let Some(handle) = &self.handle {
                if !is_readable(handle) {
                    return false;
                }
                self.handle = None;
                self.remaining.pop();
            }
            let Some(next) = self.remaining.last() else { return !self.is_blind };
            match next.exit_handle() {
                Ok(Some(handle)) => self.handle = Some(handle),
                Ok(None) => drop(self.remaining.pop()),
                Err(_) => {
                    self.is_blind = true;
                    self.remaining.clear();
                }
            }
        }
    }

    /// Becomes readable when [`ExitWatch::is_over`] may have changed. `None` if it is over or cannot be observed.
    pub(super) fn handle(&self) -> Option<BorrowedFd<'_>> {
        self.handle.as_ref().map(AsFd::as_fd)
    }

    /// Waits until all processes have exited; forever if that cannot be observed. Must be called on a runtime.
    pub(super) async fn over(mut self) {
        while !self.is_over() {
            let Some(handle) = self.handle.take() else { return std::future::pending().await };
            #[expect(deprecated, reason = "its replacement is unsafe because of types that can change their descriptor; this one cannot")]
            let handle = AsyncFd::with_interest(handle, Interest::READABLE);
            let Ok(handle) = handle else { return std::future::pending().await };
            let _ = handle.readable().await;
            self.handle = Some(handle.into_inner());
        }
    }
}

fn is_readable(handle: &OwnedFd) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    let mut polled = [PollFd::new(handle, PollFlags::IN)];
    poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready > 0)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::process::testing::sleeper;

    #[tokio::test]
    async fn it_is_over_when_the_last_process_has_exited_in_any_order() {
        let ((mut one, first), (mut other, second)) = (sleeper("watched"), sleeper("watched"));
        let never = Identity { pid: first.pid, started: first.started + 1 };
        let mut watch = ExitWatch::new(&[never, first, second]);
        assert!(!watch.is_over() && watch.handle().is_some());
        one.kill().unwrap();
        one.wait().unwrap();
        assert!(!watch.is_over(), "the other one is alive");
        let over = watch.over();
        tokio::pin!(over);
        assert!(futures_util::poll!(&mut over).is_pending());
        other.kill().unwrap();
        over.await;
        other.wait().unwrap();
        assert!(ExitWatch::new(&[]).is_over());
    }
}
