//! Helpers for SQL statements.

use rusqlite::{Connection, OptionalExtension, Params, Row, ToSql};

use crate::run::store::{OwnerFilter, StoreError};

/// The name of the user whose id is in the column `owner`; the id itself if no name is known.
pub(super) const OWNER_NAME: &str = "coalesce((SELECT name FROM user_names WHERE user_names.id = owner), owner)";

#[expect(clippy::needless_pass_by_value, reason = "made for `map_err`, which passes the error by value")]
pub(super) fn read_error(error: rusqlite::Error) -> StoreError {
    StoreError::Read(error.to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "made for `map_err`, which passes the error by value")]
pub(super) fn write_error(error: rusqlite::Error) -> StoreError {
    StoreError::Write(error.to_string())
}

/// Executes a statement and returns the number of changed rows. The statement stays prepared.
pub(super) fn execute(connection: &Connection, sql: &str, values: impl Params) -> Result<usize, StoreError> {
    connection.prepare_cached(sql).and_then(|mut statement| statement.execute(values)).map_err(write_error)
}

/// Decodes the first row of a query, if there is one. The statement stays prepared.
pub(super) fn query_first<T>(
    connection: &Connection,
    sql: &str,
    values: impl Params,
    decode: impl Fn(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(read_error)?;
    statement.query_row(values, |row| Ok(decode(row))).optional().map_err(read_error)?.transpose()
}

/// The first column of a row as a count, which is never negative.
pub(super) fn count(row: &Row<'_>) -> rusqlite::Result<u64> {
    row.get::<_, i64>(0).map(|number| u64::try_from(number).unwrap_or(0))
}

/// The terms of a `WHERE` clause. Values are bound, never written into the text.
pub(super) struct Conditions {
    terms: Vec<String>,
    values: Vec<Box<dyn ToSql>>,
    /// Number of values that are bound before these.
    offset: usize,
}

impl Conditions {
    pub(super) fn new() -> Self {
        Self { terms: vec!["1".to_owned()], values: Vec::new(), offset: 0 }
    }

    /// Terms of another clause in the same statement, whose values follow those of `other`.
    pub(super) fn after(other: &Self) -> Self {
        Self { offset: other.offset + other.values.len(), ..Self::new() }
    }

    /// Adds a term in which every `?` stands for `value`, unless there is no value.
    pub(super) fn add(&mut self, term: &str, value: Option<impl ToSql + 'static>) {
        if let Some(value) = value {
            self.values.push(Box::new(value));
            self.terms.push(term.replace('?', &format!("?{}", self.offset + self.values.len())));
        }
    }

    /// Selects by the column `owner`.
    pub(super) fn add_owner(&mut self, owner: Option<OwnerFilter>) {
        self.add_owner_in("owner", owner);
    }

    /// Selects by a column with the ids of owners.
    pub(super) fn add_owner_in(&mut self, column: &str, owner: Option<OwnerFilter>) {
        match owner {
            None => {}
            Some(OwnerFilter::Id(id)) => self.add(&format!("{column} = ?"), Some(id.to_string())),
            Some(OwnerFilter::Name(name)) => {
                self.add(&format!("{column} IN (SELECT id FROM user_names WHERE name = ?)"), Some(name.to_string()));
            }
        }
    }

    /// The text of the clause.
    pub(super) fn clause(&self) -> String {
        self.terms.join(" AND ")
    }

    /// The values to bind.
    pub(super) fn values(&self) -> Vec<&dyn ToSql> {
        self.values.iter().map(|value| &**value).collect()
    }
}
