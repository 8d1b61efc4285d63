//! How values are stored, the same in every store.

use std::path::Path;

use super::{Chunk, StoreError};
use crate::types::{Amount, Epoch, Limit, LimitChange, RunId};

/// Stands for no limit.
const UNLIMITED: i64 = -1;

/// A value as JSON text.
pub(super) fn to_json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Write(error.to_string()))
}

/// A number as a column's value. Event numbers and sizes never reach the limit.
pub(super) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A limit as a column's value: negative for none.
pub(super) fn encode_bound<T>(bound: Limit<T>, count: impl Fn(T) -> u64) -> i64 {
    bound.amount().map_or(UNLIMITED, |max| integer(count(max)))
}

/// Whether the change sets the column, and to which value.
pub(super) fn encode_change<T>(change: LimitChange<T>, count: impl Fn(T) -> u64) -> (bool, Option<i64>) {
    match change {
        LimitChange::Keep => (false, None),
        LimitChange::Reset => (true, None),
        LimitChange::Set(bound) => (true, Some(encode_bound(bound, count))),
    }
}

/// A user's own quota. A negative number stands for unlimited.
pub(super) fn decode_limit(number: i64) -> Limit<Amount> {
    u64::try_from(number).map_or(Limit::NONE, |amount| Limit::At(Amount::new(amount)))
}

/// A stored epoch; `None` if it is not positive.
pub(super) fn epoch(number: i64) -> Option<Epoch> {
    u64::try_from(number).ok().and_then(Epoch::new)
}

/// The run after which a fresh workspace is named; `None` for a directory that the user has chosen. Users cannot choose such a name, since
/// it is that of a run that exists or is about to be stored.
pub(super) fn fresh_workspace(working_dir: &Path) -> Option<RunId> {
    let parent = working_dir.parent()?.file_name()?;
    working_dir.file_name()?.to_str()?.parse().ok().filter(|_| parent == "workspaces")
}

/// The number of events and bytes in a batch.
pub(super) fn batch_size(batch: &[Chunk]) -> (u64, u64) {
    let events = batch.iter().map(|chunk| chunk.last.get() - chunk.first.get() + 1).sum();
    (events, batch.iter().map(|chunk| chunk.body.len() as u64).sum())
}

/// For writes that make a change whenever they succeed.
pub(super) fn always((): ()) -> bool {
    true
}
