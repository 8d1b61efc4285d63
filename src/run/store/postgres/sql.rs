//! Helpers for SQL statements.

use std::fmt::Display;
use std::str::FromStr;

use serde::de::DeserializeOwned;
use tokio_postgres::types::{FromSqlOwned, ToSql, Type};
use tokio_postgres::{Client, Row};

use super::sql_error::{SqlError, in_time, read_error, write_error};
use super::value::Value;
use crate::run::store::{OwnerFilter, StoreError};
use crate::types::Timestamp;

/// The name of the user whose id is in the column `owner`; the id itself if no name is known.
pub(super) const OWNER_NAME: &str = "coalesce((SELECT name FROM user_names WHERE user_names.id = owner), owner)";

/// The rows of a query.
pub(super) async fn rows(client: &Client, sql: &str, values: &[Value]) -> Result<Vec<Row>, SqlError> {
    in_time(rows_without_limit(client, sql, values)).await
}

/// The rows of a query that may take as long as it needs.
pub(super) async fn rows_without_limit(client: &Client, sql: &str, values: &[Value]) -> Result<Vec<Row>, tokio_postgres::Error> {
    client.query_typed(sql, &typed(values)).await
}

fn typed(values: &[Value]) -> Vec<(&(dyn ToSql + Sync), Type)> {
    values.iter().map(|value| (value as &(dyn ToSql + Sync), value.sql_type())).collect()
}

/// Executes a statement that writes, and returns the number of changed rows.
pub(super) async fn execute(client: &Client, sql: &str, values: &[Value]) -> Result<u64, StoreError> {
    in_time(client.execute_typed(sql, &typed(values))).await.map_err(write_error)
}

/// Executes a statement that writes, and returns its rows.
pub(super) async fn returning(client: &Client, sql: &str, values: &[Value]) -> Result<Vec<Row>, StoreError> {
    rows(client, sql, values).await.map_err(write_error)
}

/// The first row of a statement in a transaction that writes.
pub(super) async fn first(client: &Client, sql: &str, values: &[Value]) -> Result<Option<Row>, StoreError> {
    Ok(returning(client, sql, values).await?.into_iter().next())
}

/// A value of a row that the statement computes, and that therefore has the right type.
pub(super) fn get<T: FromSqlOwned>(row: &Row, column: usize) -> Result<T, StoreError> {
    row.try_get(column).map_err(read_error)
}

/// A count, which is never negative.
pub(super) fn count(row: &Row, column: usize) -> Result<u64, StoreError> {
    get::<i64>(row, column).map(|number| u64::try_from(number).unwrap_or(0))
}

/// The terms of a `WHERE` clause. Values are bound, never written into the text.
pub(super) struct Conditions {
    terms: Vec<String>,
    values: Vec<Value>,
}

impl Conditions {
    /// No terms. The values that are given are bound before those of the terms.
    pub(super) fn new(values: impl Into<Vec<Value>>) -> Self {
        Self { terms: vec!["TRUE".to_owned()], values: values.into() }
    }

    /// Adds a term in which every `?` stands for `value`, unless there is no value.
    pub(super) fn add(&mut self, term: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.values.push(value.into());
            self.terms.push(term.replace('?', &format!("${}", self.values.len())));
        }
    }

    /// Selects by a column with the ids of owners.
    pub(super) fn add_owner(&mut self, column: &str, owner: Option<OwnerFilter>) {
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
    pub(super) fn values(&self) -> &[Value] {
        &self.values
    }
}

/// One row while it is decoded. All errors name its table and key.
pub(super) struct Columns<'a> {
    row: &'a Row,
    table: &'static str,
}

impl<'a> Columns<'a> {
    /// A row of `table` whose key is in the first column.
    pub(super) fn new(table: &'static str, row: &'a Row) -> Self {
        Self { row, table }
    }

    /// The error for this row.
    pub(super) fn damaged(&self, problem: impl Display) -> StoreError {
        let id = self.row.try_get::<_, String>(0).or_else(|_| self.row.try_get::<_, i64>(0).map(|number| number.to_string()));
        StoreError::Damaged { table: self.table, id: id.unwrap_or_else(|_| "unknown".to_owned()), problem: problem.to_string() }
    }

    /// The value of a column.
    pub(super) fn get<T: FromSqlOwned>(&self, column: usize) -> Result<T, StoreError> {
        self.row.try_get(column).map_err(|error| self.damaged(error))
    }

    /// A text in the form of `T`.
    pub(super) fn parse<T: FromStr<Err: Display>>(&self, column: usize) -> Result<T, StoreError> {
        self.get::<String>(column)?.parse().map_err(|error| self.damaged(error))
    }

    /// A text in the form of `T`, or NULL.
    pub(super) fn parse_optional<T: FromStr<Err: Display>>(&self, column: usize) -> Result<Option<T>, StoreError> {
        self.get::<Option<String>>(column)?.map(|text| text.parse().map_err(|error| self.damaged(error))).transpose()
    }

    /// A text with the name of a variant.
    pub(super) fn named<T>(&self, column: usize, from_name: impl Fn(&str) -> Option<T>) -> Result<T, StoreError> {
        let name: String = self.get(column)?;
        from_name(&name).ok_or_else(|| self.damaged(format!("unknown name {name:?} in column {column}")))
    }

    /// A JSON text.
    pub(super) fn json<T: DeserializeOwned>(&self, column: usize) -> Result<T, StoreError> {
        serde_json::from_str(&self.get::<String>(column)?).map_err(|error| self.damaged(error))
    }

    /// A JSON text, or NULL.
    pub(super) fn json_optional<T: DeserializeOwned>(&self, column: usize) -> Result<Option<T>, StoreError> {
        let text: Option<String> = self.get(column)?;
        text.map(|text| serde_json::from_str(&text).map_err(|error| self.damaged(error))).transpose()
    }

    /// A number that is not negative.
    pub(super) fn number(&self, column: usize) -> Result<u64, StoreError> {
        let number: i64 = self.get(column)?;
        u64::try_from(number).map_err(|_| self.damaged(format!("{number} in column {column} is negative")))
    }

    /// A time.
    pub(super) fn time(&self, column: usize) -> Result<Timestamp, StoreError> {
        self.get(column).map(Timestamp::from_millis)
    }

    /// A time, or NULL.
    pub(super) fn time_optional(&self, column: usize) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.get::<Option<i64>>(column)?.map(Timestamp::from_millis))
    }
}
