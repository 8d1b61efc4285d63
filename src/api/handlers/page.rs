//! Listings come in pages: `{items, next_cursor}`.

use std::borrow::Cow;

use serde::Serialize;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::super::ApiError;

/// Items of one page, unless asked otherwise.
const DEFAULT: usize = 50;
/// Most items of one page.
const MOST: usize = 200;

/// One page of a listing, newest first.
#[derive(Serialize)]
pub(in crate::api) struct Page<T, C> {
    /// What was found.
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

/// Described by hand: derived, the items would be written out anew for each listing, under a name made of two others. A handler gives its
/// page a name without parameters (`type RunPage = Page<…>`), by which it is then described.
impl<T: ToSchema, C> PartialSchema for Page<T, C> {
    fn schema() -> RefOr<Schema> {
        let cursor = ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Null]));
        ObjectBuilder::new()
            .description(Some("One page of a listing."))
            .property("items", ArrayBuilder::new().items(Ref::from_schema_name(T::name())).description(Some("What was found.")))
            .property("next_cursor", cursor.description(Some("The `cursor` by which the next page is asked for; null after the last.")))
            .required("items")
            .required("next_cursor")
            .into()
    }
}

impl<T: ToSchema, C> ToSchema for Page<T, C> {
    fn name() -> Cow<'static, str> {
        format!("{}Page", T::name()).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
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
