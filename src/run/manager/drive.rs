//! Runs drivers in tasks of their own.

use super::RunManager;
use crate::run::driver::DriverExit;
use crate::run::live::Registration;

impl RunManager {
    /// Drives a run in its own task.
    pub(in crate::run) fn drive(&self, registration: Registration, driving: impl Future<Output = DriverExit> + Send + 'static) {
        let manager = self.clone();
        self.inner.tasks.spawn(async move {
            let id = registration.run();
            driving.await;
            manager.inner.completions.notify(id);
            drop(registration);
        });
    }
}
