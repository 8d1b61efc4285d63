//! Limits as values of columns.

use super::sql::integer;
use crate::types::{Limit, LimitChange};

/// Stands for no limit.
const UNLIMITED: i64 = -1;

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
