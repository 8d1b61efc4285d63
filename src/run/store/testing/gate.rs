//! Pauses the calls of a store until a test lets them continue.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

/// Maximum number of paused calls; a call beyond it waits for the test to look at the others.
const CAPACITY: usize = 256;

/// Where a call is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::run) enum Point {
    /// It has had no effect.
    Before,
    /// Its effect is durable, and its caller does not know yet.
    After,
}

/// A call that waits for the test. Dropping it lets the call continue.
#[derive(Debug)]
pub(in crate::run) struct PausedCall {
    /// Name of the method.
    pub(in crate::run) call: &'static str,
    /// Where it is paused.
    pub(in crate::run) point: Point,
    _release: oneshot::Sender<()>,
}

/// The test's side: receives the calls that are paused, twice each. Calls are not paused after it is dropped.
#[derive(Debug)]
pub(in crate::run) struct Gate(mpsc::Receiver<PausedCall>);

impl Gate {
    /// The next paused call. Calls that run concurrently do not wait for each other.
    pub(in crate::run) async fn next(&mut self) -> PausedCall {
        self.0.recv().await.expect("the store exists as long as its test")
    }

    /// The next paused call, if there is one now.
    pub(super) fn try_next(&mut self) -> Option<PausedCall> {
        self.0.try_recv().ok()
    }
}

/// The store's side.
#[derive(Clone, Debug, Default)]
pub(super) struct GateKeeper(Arc<Mutex<Option<mpsc::Sender<PausedCall>>>>);

impl GateKeeper {
    /// Pauses all calls from now on.
    pub(super) fn install(&self) -> Gate {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        Gate(receiver)
    }

    /// Waits until the test lets the call continue.
    pub(super) async fn pass(&self, call: &'static str, point: Point) {
        let gate = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(gate) = gate else { return };
        let (release, released) = oneshot::channel();
        if gate.send(PausedCall { call, point, _release: release }).await.is_ok() {
            // An error means that the paused call was dropped, which lets it continue.
            let _ = released.await;
        }
    }
}
