//! The damaged rows that were found so far.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::StoreError;
use crate::metrics::StoreMetrics;

/// Maximum number of damaged rows that are remembered, and so logged and counted.
const MAX_KNOWN: usize = 1000;

/// The damaged rows that were found so far. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct DamagedRows {
    known: Arc<Mutex<BTreeSet<(&'static str, String)>>>,
    metrics: StoreMetrics,
}

impl DamagedRows {
    pub(super) fn new(metrics: StoreMetrics) -> Self {
        Self { known: Arc::default(), metrics }
    }

    /// Turns a damaged row into `None`. Logs and counts it when it is found for the first time.
    pub(super) fn skip<T>(&self, row: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        let (table, id, problem) = match row {
            Ok(row) => return Ok(Some(row)),
            Err(StoreError::Damaged { table, id, problem }) => (table, id, problem),
            Err(error) => return Err(error),
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() < MAX_KNOWN && known.insert((table, id.clone())) {
            drop(known);
            self.metrics.record_damaged_row();
            tracing::warn!(table, row.id = id, problem, "a damaged row of the database was skipped");
        }
        Ok(None)
    }
}
