//! Rows that cannot be decoded: each is an error of its own, and lists go on without it.

use std::fmt::Display;
use std::str::FromStr;

use rusqlite::types::{FromSql, FromSqlResult, ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row, ToSql};
use serde::de::DeserializeOwned;

use super::sql::read_error;
use crate::run::store::StoreError;
use crate::run::store::damaged::DamagedRows;
use crate::types::Timestamp;

/// One row while it is decoded. All errors name its table and key.
pub(super) struct Columns<'a, 'r> {
    row: &'a Row<'r>,
    table: &'static str,
    id: String,
}

impl<'a, 'r> Columns<'a, 'r> {
    /// A row of `table` whose key is in the first column.
    pub(super) fn new(table: &'static str, row: &'a Row<'r>) -> Self {
        let id = match row.get_ref(0) {
            Ok(ValueRef::Integer(number)) => number.to_string(),
            Ok(ValueRef::Text(text) | ValueRef::Blob(text)) => String::from_utf8_lossy(text).into_owned(),
            Ok(_) | Err(_) => "unknown".to_owned(),
        };
        Self { row, table, id }
    }

    /// The error for this row.
    pub(super) fn damaged(&self, problem: impl Display) -> StoreError {
        StoreError::Damaged { table: self.table, id: self.id.clone(), problem: problem.to_string() }
    }

    /// The value of a column.
    pub(super) fn get<T: FromSql>(&self, column: usize) -> Result<T, StoreError> {
        self.row.get(column).map_err(|error| self.damaged(error))
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

/// A text that need not be UTF-8: a key with which a damaged row can still be changed.
#[derive(Clone, Debug)]
pub(super) struct RawText(Vec<u8>);

impl RawText {
    /// The bytes of the text.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text in the form of `T`; `None` if it is damaged.
    pub(super) fn parse<T: FromStr>(&self) -> Option<T> {
        std::str::from_utf8(&self.0).ok()?.parse().ok()
    }
}

impl From<String> for RawText {
    fn from(text: String) -> Self {
        Self(text.into_bytes())
    }
}

impl FromSql for RawText {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_bytes().map(|bytes| Self(bytes.to_vec()))
    }
}

impl ToSql for RawText {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(&self.0)))
    }
}

impl DamagedRows {
    /// Decodes the rows of a query that is ordered and has no `LIMIT`, until `limit` of them are intact.
    pub(super) fn page<T>(
        &self,
        connection: &Connection,
        sql: &str,
        values: &[&dyn ToSql],
        limit: usize,
        decode: impl Fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        // With a limit SQLite chooses plans that do not sort everything. It is only raised if rows are damaged.
        let mut rows_read = limit;
        loop {
            let mut statement = connection.prepare_cached(&format!("{sql} LIMIT {rows_read}")).map_err(read_error)?;
            let mut rows = statement.query(values).map_err(read_error)?;
            let (mut page, mut count) = (Vec::new(), 0);
            while let Some(row) = rows.next().map_err(read_error)? {
                count += 1;
                page.extend(self.skip(decode(row))?);
            }
            if page.len() >= limit || count < rows_read {
                page.truncate(limit);
                return Ok(page);
            }
            rows_read = rows_read.saturating_mul(2).saturating_add(limit);
        }
    }

    /// Decodes all rows of a query.
    pub(super) fn all<T>(
        &self,
        connection: &Connection,
        sql: &str,
        decode: impl Fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = connection.prepare_cached(sql).map_err(read_error)?;
        let mut rows = statement.query([]).map_err(read_error)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next().map_err(read_error)? {
            all.extend(self.skip(decode(row))?);
        }
        Ok(all)
    }
}
