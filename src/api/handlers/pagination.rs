//! Pagination: every list is `{items, next_cursor}`.

use std::borrow::Cow;

use serde::Serialize;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::super::{FaultCode, FieldError};

/// Default page size.
const DEFAULT_LIMIT: usize = 50;

/// Maximum page size.
const MAX_LIMIT: usize = 200;

/// One page of a list.
#[derive(Serialize)]
pub(in crate::api) struct Page<T> {
    /// The items.
    items: Vec<T>,
    /// Cursor of the next page; `None` on the last page.
    next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// A page of the first `limit` of `items`. One item more than `limit` shows that there is a next page; `cursor` returns the cursor
    /// after an item.
    pub(super) fn new<C: ToString>(mut items: Vec<T>, limit: usize, cursor: impl FnOnce(&T) -> C) -> Self {
        let has_more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = items.last().filter(|_| has_more).map(|last| cursor(last).to_string());
        Self { items, next_cursor }
    }

    /// A list that always fits on one page.
    pub(super) fn complete(items: Vec<T>) -> Self {
        Self { items, next_cursor: None }
    }

    /// The same page with converted items.
    pub(super) fn map<U>(self, convert: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(convert).collect(), next_cursor: self.next_cursor }
    }
}

/// Described by hand: the derived schema would repeat the items in each list, under a name composed of two. A handler names its page with a
/// type alias without parameters (`type RunPage = Page<…>`).
impl<T: ToSchema> PartialSchema for Page<T> {
    fn schema() -> RefOr<Schema> {
        let cursor = ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Null]));
        ObjectBuilder::new()
            .description(Some("One page of a list."))
            .property("items", ArrayBuilder::new().items(Ref::from_schema_name(T::name())).description(Some("The items.")))
            .property("next_cursor", cursor.description(Some("The `cursor` of the next page; null on the last page.")))
            .required("items")
            .required("next_cursor")
            .into()
    }
}

impl<T: ToSchema> ToSchema for Page<T> {
    fn name() -> Cow<'static, str> {
        format!("{}Page", T::name()).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}

/// The page size of a request.
///
/// # Errors
/// If `limit` is out of range.
pub(super) fn page_size(limit: Option<usize>) -> Result<usize, FieldError> {
    match limit {
        None => Ok(DEFAULT_LIMIT),
        Some(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
        Some(_) => Err(FieldError::new("limit", FaultCode::OutOfRange, format!("must be between 1 and {MAX_LIMIT}"))),
    }
}
