//! Processes for tests.

use std::process::{Child, Command};

use super::{Identity, Marker};

/// A process that sleeps, with the marker of a run.
pub(crate) fn sleeper(run: &str) -> (Child, Identity) {
    let child = Command::new("sleep").arg("1000").env(Marker::VARIABLE, run).spawn().unwrap();
    let identity = Identity::of(child.id().cast_signed()).unwrap();
    (child, identity)
}
