//! Listings come in pages: `{items, next_cursor}`.

use serde::Serialize;

use super::super::ApiError;

/// Items of one page, unless asked otherwise.
const DEFAULT: usize = 50;
/// Most items of one page.
const MOST: usize = 200;

/// One page of a listing, newest first.
#[derive(Serialize)]
pub(in crate::api) struct Page<T, C> {
    items: Vec<T>,
    /// Where the next page begins; null after the last.
    next_cursor: Option<C>,
}

impl<T, C> Page<T, C> {
    /// A page out of what was found when one item more than `limit` was asked for: that one tells whether there is a next page.
    pub(super) fn of(mut found: Vec<T>, limit: usize, cursor: impl FnOnce(&T) -> C) -> Self {
        let more = found.len() > limit;
        found.truncate(limit);
        let next_cursor = found.last().filter(|_| more).map(cursor);
        Self { items: found, next_cursor }
    }

    /// A listing that is always whole.
    pub(super) fn whole(items: Vec<T>) -> Self {
        Self { items, next_cursor: None }
    }
}

/// How many items a request wants.
pub(super) fn limit(wanted: Option<usize>) -> Result<usize, ApiError> {
    match wanted {
        None => Ok(DEFAULT),
        Some(limit) if (1..=MOST).contains(&limit) => Ok(limit),
        Some(_) => Err(ApiError::invalid_field("limit", format!("must be from 1 to {MOST}"))),
    }
}
